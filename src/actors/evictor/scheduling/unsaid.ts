import { demandOf, scoredDemandOf } from '../model/demand.ts'
import type { Shape } from '../model/shape.ts'
import type { Model, NodeEntry, PodEntry } from '../model.ts'

/** Thousandths of a core, and bytes. */
type Amounts = { readonly cpu: number; readonly memory: number }

/**
 * What pods count for in scores by cpu and memory beyond what they request, summed by node: containers that ask for none
 * count for some. Invariant: it is that of the model while whoever moves a pod says so; `forget` begins anew.
 */
export type Unsaid = {
  readonly cpu: Float64Array
  readonly memory: Float64Array
  /** What a pod of the shape counts for while it looks for a node. */
  readonly coming: (shape: Shape) => Amounts
  /** The pod is about to go from its node to another, or nowhere. */
  readonly move: (pod: PodEntry, to: NodeEntry | undefined) => void
  /** All moves since the beginning are undone. */
  readonly forget: () => void
}

type Scored = { readonly coming: Amounts; readonly extra: Amounts | undefined }
const known = new WeakMap<Shape, Scored>()
const scoredOf = (shape: Shape): Scored => {
  const before = known.get(shape)
  if (before) return before
  const asked = demandOf(shape.spec)
  const { there, coming } = scoredDemandOf(shape.spec)
  const more = (resource: string): number => (there.get(resource) ?? 0) - (asked.get(resource) ?? 0)
  const extra = { cpu: more('cpu'), memory: more('memory') }
  const made = {
    coming: { cpu: coming.get('cpu') ?? 0, memory: coming.get('memory') ?? 0 },
    extra: extra.cpu === 0 && extra.memory === 0 ? undefined : extra,
  }
  known.set(shape, made)
  return made
}

export const createUnsaid = (model: Model): Unsaid => {
  const rows = model.topology('kubernetes.io/hostname').of.length
  const [cpu, memory] = [new Float64Array(rows), new Float64Array(rows)]
  const count = (shape: Shape, node: NodeEntry | undefined, sign: 1 | -1): void => {
    const { extra } = scoredOf(shape)
    if (!extra || !node) return
    cpu[node.index] = (cpu[node.index] ?? 0) + sign * extra.cpu
    memory[node.index] = (memory[node.index] ?? 0) + sign * extra.memory
  }
  for (const { shape, node } of model.pods.values()) count(shape, node, 1)
  const before = { cpu: cpu.slice(), memory: memory.slice() }
  return {
    cpu,
    memory,
    coming: (shape) => scoredOf(shape).coming,
    move: (pod, to) => {
      count(pod.shape, pod.node, -1)
      count(pod.shape, to, 1)
    },
    forget: () => {
      cpu.set(before.cpu)
      memory.set(before.memory)
    },
  }
}
