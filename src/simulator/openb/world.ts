import { allowed } from '../budget.ts'
import { deploymentStatus, hashedTemplate, hashOf, POD_TEMPLATE_HASH } from '../controllers/deployment.ts'
import { settledBudget } from '../controllers/disruption.ts'
import { runningStatus } from '../controllers/kubelet.ts'
import { newPod } from '../controllers/pod.ts'
import { replicaStatus } from '../controllers/replicaset.ts'
import type { PodTemplate } from '../objects.ts'
import { ownerReferenceTo } from '../objects.ts'
import { seededRandom, shuffled } from '../random.ts'
import type { Beginning } from '../store.ts'
import { BEGAN, CARD_MODEL, GPU_MILLI, nodeDraft } from './node.ts'
import type { Placed } from './placement.ts'
import { place } from './placement.ts'
import type { Trace, TracePod } from './trace.ts'
import { readTrace } from './trace.ts'

const KEPT_PODS = 4_883
const MOST_REPLICAS = 40
const NAMESPACES = ['inference', 'training', 'search', 'ranking', 'batch']
const SYSTEM_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease']

/**
 * The default world: the nodes of openb and a seeded part of its pods, placed as the scheduler would. Owners, budgets,
 * zones and prices are synthetic. It begins at rest: no controller has anything to write.
 * @param nodes a world of so many nodes: every n-th node and pod of the trace
 */
export const beginOpenb = (store: Beginning, nodes?: number): void => {
  const whole = readTrace()
  const trace = nodes === undefined ? whole : sample(whole, nodes)
  beginTrace(store, trace, () => Math.round((KEPT_PODS * trace.nodes.length) / whole.nodes.length))
}

/**
 * A world of any nodes and pods of a trace.
 * @param kept how many pods stay, of so many that found a node
 */
export const beginTrace = (store: Beginning, trace: Trace, kept: (placed: number) => number): void => {
  const random = seededRandom(store.seed)
  const placed = place(trace)
  for (const name of [...SYSTEM_NAMESPACES, ...NAMESPACES]) namespace(store, name)
  for (const [index, node] of trace.nodes.entries()) store.create('nodes', nodeDraft(node, index))
  const staying = some(placed, kept(placed.length), random)
  for (const [index, pods] of workloads(staying, random).entries()) workload(store, index, pods, random)
}

/** An even sample of the nodes, and of the pods in the same measure. */
const sample = ({ nodes, pods }: Trace, count: number): Trace => {
  const step = Math.max(1, nodes.length / count)
  const every = <Item>(items: readonly Item[]): readonly Item[] =>
    items.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step))
  return { nodes: every(nodes), pods: every(pods) }
}

/** A seeded choice of so many, in their order. */
const some = (placed: readonly Placed[], count: number, random: () => number): readonly Placed[] => {
  const chosen = new Set(shuffled(placed, random).slice(0, count))
  return placed.filter((each) => chosen.has(each))
}

const namespace = (store: Beginning, name: string): void => {
  const metadata = { name, creationTimestamp: BEGAN, labels: { 'kubernetes.io/metadata.name': name } }
  store.create('namespaces', { metadata, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } })
}

const shapeOf = ({ milliCpu, memoryMib, gpuMilli, models }: TracePod): string =>
  `${milliCpu}/${memoryMib}/${gpuMilli}/${models.join('|')}`

/** Pods of one request shape in groups of 2 to 40, singletons alone. */
const workloads = (placed: readonly Placed[], random: () => number): readonly (readonly Placed[])[] => {
  const shapes = new Map<string, Placed[]>()
  for (const each of placed) {
    const shape = shapeOf(each.pod)
    shapes.set(shape, [...(shapes.get(shape) ?? []), each])
  }
  return [...shapes.values()].flatMap((same) => groups(same, random))
}
const groups = (same: readonly Placed[], random: () => number): readonly (readonly Placed[])[] => {
  const parts: (readonly Placed[])[] = []
  for (let from = 0; from < same.length; ) {
    const wish = 2 + Math.floor(random() * (MOST_REPLICAS - 1))
    const left = same.length - from
    // One that would be left alone joins the group before it, or takes one from it.
    const size = left - wish === 1 ? (wish < MOST_REPLICAS ? left : wish - 1) : Math.min(wish, left)
    parts.push(same.slice(from, from + size))
    from += size
  }
  return parts
}

const templateOf = (app: string, pod: TracePod, terminationGracePeriodSeconds: number): PodTemplate => {
  const requests = {
    cpu: `${pod.milliCpu}m`,
    memory: `${pod.memoryMib}Mi`,
    ...(pod.gpuMilli > 0 ? { [GPU_MILLI]: String(pod.gpuMilli) } : {}),
  }
  const limits = pod.gpuMilli > 0 ? { limits: { [GPU_MILLI]: String(pod.gpuMilli) } } : {}
  return {
    metadata: { labels: { app } },
    spec: {
      containers: [
        { name: 'main', image: 'openb/main:1', resources: { requests, ...limits } } as PodTemplate['spec']['containers'][number],
      ],
      terminationGracePeriodSeconds,
      ...(pod.models.length > 0 ? { affinity: cardAffinity(pod.models) } : {}),
    },
  }
}
const cardAffinity = (models: readonly string[]): NonNullable<PodTemplate['spec']['affinity']> => ({
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: CARD_MODEL, operator: 'In', values: [...models] }] }],
    },
  },
})

const workload = (store: Beginning, index: number, placed: readonly Placed[], random: () => number): void => {
  const [first] = placed
  if (!first) return
  const app = `app-${String(index).padStart(4, '0')}`
  const space = NAMESPACES[Math.floor(random() * NAMESPACES.length)] ?? 'default'
  const template = templateOf(app, first.pod, 1 + Math.floor(random() * 3))
  const size = placed.length
  const named = { namespace: space, creationTimestamp: BEGAN, generation: 1 }
  const deployment = store.create('deployments', {
    metadata: { ...named, name: app, labels: { app } },
    spec: { replicas: size, selector: { matchLabels: { app } }, template },
    status: deploymentStatus(size, size, size),
  })
  const hash = hashOf(template)
  const labels = { app, [POD_TEMPLATE_HASH]: hash }
  const hashed = hashedTemplate(template, hash)
  const set = store.create('replicasets', {
    metadata: { ...named, name: `${app}-${hash}`, labels, ownerReferences: [ownerReferenceTo(deployment)] },
    spec: { replicas: size, selector: { matchLabels: labels }, template: hashed },
    status: replicaStatus(size, size),
  })
  for (const { node } of placed) {
    const pod = newPod(store, space, set.metadata.name, hashed, ownerReferenceTo(set))
    store.create('pods', {
      ...pod,
      metadata: { ...pod.metadata, creationTimestamp: BEGAN },
      spec: { ...pod.spec, nodeName: node.name },
      status: runningStatus({}, BEGAN),
    })
  }
  budget(store, named, app, size, Math.floor(random() * 3))
}

/** One third may lose one pod, one third a fifth of them, one third has no budget. */
const budget = (
  store: Beginning,
  named: { namespace: string; creationTimestamp: string; generation: number },
  app: string,
  size: number,
  third: number,
): void => {
  if (third === 2) return
  const limit = third === 0 ? { maxUnavailable: 1 } : { minAvailable: '80%' }
  store.create('poddisruptionbudgets', {
    metadata: { ...named, name: app },
    spec: { ...limit, selector: { matchLabels: { app } } },
    status: settledBudget(allowed(limit, size, size, size), 1, BEGAN),
  })
}
