import type { Policy, Reason } from '../../events/plan.ts'
import type { Disruption } from './disruption.ts'
import type { Model, NodeEntry, PodEntry } from './model.ts'
import { bestFit, noRoom, toMove } from './placing.ts'
import type { Shape } from './shape.ts'

export type Task = {
  readonly model: Model
  readonly policy: Policy
  readonly disruption: Disruption
  /** Every known node, in a stable order. */
  readonly nodes: readonly NodeEntry[]
  readonly hourly: ReadonlyMap<NodeEntry, number>
  /** Why some nodes may not be emptied at all. */
  readonly fixed: ReadonlyMap<NodeEntry, readonly Reason[]>
  /** The time is up: what has been found so far is the answer. */
  readonly isLate: () => boolean
}
export type Drained = { readonly node: NodeEntry; readonly moves: readonly { readonly pod: PodEntry; readonly to: NodeEntry }[] }
export type Draft = {
  readonly drained: readonly Drained[]
  readonly kept: ReadonlyMap<NodeEntry, readonly Reason[]>
  readonly saved: number
  readonly evictions: number
}
export type Order = (task: Task, node: NodeEntry) => number

const movable = ({ model, disruption }: Task, node: NodeEntry): number => toMove(model, node, disruption).length
const price = ({ hourly }: Task, node: NodeEntry): number => hourly.get(node) ?? 0
const use = ({ model: { columns } }: Task, { index }: NodeEntry): number => {
  let most = 0
  for (const [resource, column] of columns.allocatable.entries())
    if ((column[index] ?? 0) > 0) most = Math.max(most, (columns.requested[resource]?.[index] ?? 0) / (column[index] ?? 1))
  return most
}
/** What comes first is drained first: by dollars saved for an eviction, by price, by how little is used. */
export const orders: Readonly<Record<string, Order>> = {
  'greedy-saving': (task, node) => price(task, node) / (1 + movable(task, node)),
  'greedy-price': price,
  'greedy-unused': (task, node) => 1 - use(task, node),
  'greedy-price-unused': (task, node) => price(task, node) * (1 - use(task, node)),
}

/** Whether a node that took in a moved pod may still be drained: its guests then go on to a third node, in one move. */
export type Guests = 'go-on' | 'stay'

/**
 * Empties one node after the other, whole or not at all, each pod into the best fit among the nodes that stay. Goes round
 * until nothing changes, so the last round explains every node that is kept. Leaves the model as it was.
 */
export const greedy = (task: Task, order: Order, guests: Guests): Draft => {
  const { model } = task
  const mark = model.mark()
  const origins = new Map<PodEntry, NodeEntry>()
  const gone = new Set<NodeEntry>()
  const sequence = new Set<NodeEntry>()
  const kept = new Map(task.fixed)
  const weight = new Map(task.nodes.map((node) => [node, order(task, node)]))
  const isEmpty = new Map(task.nodes.map((node) => [node, movable(task, node) === 0]))
  const candidates = task.nodes
    .filter((node) => !task.fixed.has(node))
    .sort((a, b) => Number(isEmpty.get(b)) - Number(isEmpty.get(a)) || (weight.get(b) ?? 0) - (weight.get(a) ?? 0))
  const tries = attempts(task, gone, origins, guests)
  for (let rest = candidates, before = -1; rest.length !== before; ) {
    before = rest.length
    rest = rest.filter((node) => {
      const reason = tries(node)
      if (reason) kept.set(node, [reason])
      else sequence.add(node)
      return reason !== undefined
    })
  }
  for (const node of sequence) kept.delete(node)
  const draft = draftOf(task, [...sequence], origins, kept)
  model.rollback(mark)
  return draft
}

const draftOf = (
  task: Task,
  sequence: readonly NodeEntry[],
  origins: ReadonlyMap<PodEntry, NodeEntry>,
  kept: ReadonlyMap<NodeEntry, readonly Reason[]>,
): Draft => {
  const moves = new Map<NodeEntry, { pod: PodEntry; to: NodeEntry }[]>(sequence.map((node) => [node, []]))
  for (const [pod, from] of origins) if (pod.node) moves.get(from)?.push({ pod, to: pod.node })
  const drained = sequence.map((node) => ({ node, moves: moves.get(node) ?? [] }))
  return { drained, kept, saved: sequence.reduce((sum, node) => sum + price(task, node), 0), evictions: origins.size }
}

/** Tries to empty a node; says why it could not. */
const attempts = (task: Task, gone: Set<NodeEntry>, origins: Map<PodEntry, NodeEntry>, guests: Guests) => {
  const { model, policy, nodes } = task
  const isGone = (node: NodeEntry): boolean => gone.has(node)
  // Room only shrinks: a shape that fitted on no node but X, from X, can only ever fit on X. With pods that mind their
  // neighbours that is not so, and nothing is remembered.
  const hopeless = new Map<Shape, NodeEntry>()
  const remembers = (shape: Shape): boolean => !shape.social && model.repelling.size === 0
  const place = (pod: PodEntry): NodeEntry | undefined => {
    const only = remembers(pod.shape) ? hopeless.get(pod.shape) : undefined
    return bestFit(model, pod, only ? [only] : nodes, isGone)
  }
  const moveAll = (node: NodeEntry, pods: readonly PodEntry[]): PodEntry | undefined => {
    for (const [index, pod] of pods.entries()) {
      model.move(pod, undefined)
      const to = place(pod)
      if (!to) {
        if (index === 0 && remembers(pod.shape) && !hopeless.has(pod.shape)) hopeless.set(pod.shape, node)
        return pod
      }
      model.move(pod, to)
    }
    return undefined
  }
  return (node: NodeEntry): Reason | undefined => {
    if (task.isLate()) return { code: 'Deadline', message: 'the time for planning was up before it was its turn' }
    if (nodes.length - gone.size <= policy.minNodes)
      return { code: 'MinNodes', message: `the policy keeps ${policy.minNodes} nodes` }
    const pods = toMove(model, node, task.disruption)
    const evicted = pods.filter((pod) => !origins.has(pod))
    if (guests === 'stay' && evicted.length < pods.length)
      return { code: 'Receives', message: 'it takes in pods of emptied nodes' }
    if (evicted.length + origins.size > (policy.maxEvictions ?? Number.POSITIVE_INFINITY))
      return {
        code: 'EvictionLimit',
        message: `its ${evicted.length} pods would exceed the limit of ${policy.maxEvictions} evictions`,
      }
    const mark = model.mark()
    gone.add(node)
    const stuck = moveAll(node, pods)
    if (!stuck) {
      for (const pod of evicted) origins.set(pod, node)
      return undefined
    }
    const reason = noRoom(model, stuck, nodes, isGone)
    gone.delete(node)
    model.rollback(mark)
    return reason
  }
}
