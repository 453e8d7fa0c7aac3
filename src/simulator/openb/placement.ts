import type { Trace, TraceNode, TracePod } from './trace.ts'

const PODS_PER_NODE = 110
export type Placed = { readonly pod: TracePod; readonly node: TraceNode }
type Used = { readonly node: TraceNode; milliCpu: number; memoryMib: number; gpuMilli: number; pods: number }

const fits = ({ node, milliCpu, memoryMib, gpuMilli, pods }: Used, pod: TracePod): boolean =>
  milliCpu + pod.milliCpu <= node.milliCpu &&
  memoryMib + pod.memoryMib <= node.memoryMib &&
  gpuMilli + pod.gpuMilli <= node.gpus * 1000 &&
  pods < PODS_PER_NODE &&
  (pod.models.length === 0 || pod.models.includes(node.model))

/** LeastAllocated over CPU and memory in the scheduler's whole percents, which decide where the ties are. */
const freePercent = ({ node, milliCpu, memoryMib }: Used, pod: TracePod): number => {
  const cpu = Math.floor(((node.milliCpu - milliCpu - pod.milliCpu) * 100) / node.milliCpu)
  const memory = Math.floor(((node.memoryMib - memoryMib - pod.memoryMib) * 100) / node.memoryMib)
  return Math.floor((cpu + memory) / 2)
}

/** Places the pods one after the other where most stays free, the first such node; a pod that fits nowhere is left out. */
export const place = ({ nodes, pods }: Trace): readonly Placed[] => {
  const used = nodes.map((node): Used => ({ node, milliCpu: 0, memoryMib: 0, gpuMilli: 0, pods: 0 }))
  return pods.flatMap((pod) => {
    const host = roomiest(used, pod)
    if (!host) return []
    host.milliCpu += pod.milliCpu
    host.memoryMib += pod.memoryMib
    host.gpuMilli += pod.gpuMilli
    host.pods += 1
    return [{ pod, node: host.node }]
  })
}

const roomiest = (used: readonly Used[], pod: TracePod): Used | undefined => {
  let best: Used | undefined
  let most = -1
  for (const host of used) {
    const percent = fits(host, pod) ? freePercent(host, pod) : -1
    if (percent <= most) continue
    most = percent
    best = host
  }
  return best
}
