import type { Reason } from '../../events/plan.ts'
import type { Disruption } from './disruption.ts'
import type { Refusal } from './fit/rule.ts'
import { fit, type Search, search } from './fit.ts'
import type { Shape } from './model/shape.ts'
import type { Model, NodeEntry, PodEntry } from './model.ts'

/**
 * The part of each of the node's resources that would stay free, summed: the best fit has the least. A resource that the
 * pod does not ask for counts too, so that a node with idle GPUs is the last to take a pod without any.
 */
const slackOf = ({ columns: { allocatable, requested } }: Model, { demand }: Shape): ((node: NodeEntry) => number) => {
  const amounts = new Map(demand)
  const none = new Float64Array()
  const all = allocatable.map((column, resource) => ({
    column,
    used: requested[resource] ?? none,
    amount: amounts.get(resource) ?? 0,
  }))
  return ({ index }) => {
    let sum = 0
    for (const { column, used, amount } of all) {
      const size = column[index] ?? 0
      if (size > 0) sum += 1 - ((used[index] ?? 0) + amount) / size
    }
    return Math.round(sum * 1e9) // whatever the order of the columns, ties stay ties
  }
}

/** The node among these where the pod, which must be off its own, fits best. Ties go to the first. */
export const bestFit = (model: Model, { shape }: PodEntry, among: readonly NodeEntry[]): NodeEntry | undefined => {
  const asked = search(model, shape)
  return asked && tightest(asked, slackOf(model, shape), among)
}
const tightest = (
  { quick, rest }: Search,
  slack: (node: NodeEntry) => number,
  among: readonly NodeEntry[],
): NodeEntry | undefined => {
  let best: NodeEntry | undefined
  let least = Number.POSITIVE_INFINITY
  for (const node of among) {
    if (!quick(node)) continue
    const score = slack(node)
    if (score >= least || rest?.(node)) continue
    best = node
    least = score
  }
  return best
}

/** Why the pod, off its own node, may not go onto this one. Reasons are dear: most moves are right, and need none. */
export const refusedBy = (model: Model, { shape }: PodEntry, node: NodeEntry): Refusal | undefined => {
  const asked = search(model, shape)
  return asked?.quick(node) && !asked.rest?.(node) ? undefined : fit(model, shape)(node)
}

const demandText = ({ columns }: Model, { demand }: Shape): string =>
  demand
    .filter(([resource]) => columns.names[resource] !== 'pods')
    .map(([resource, amount]) => amountText(columns.names[resource] ?? '', amount))
    .join(', ')
const amountText = (name: string, amount: number): string => {
  if (name === 'cpu') return `${amount / 1000} cpu`
  if (name === 'memory') return `${Math.round((amount / 2 ** 30) * 100) / 100} GiB`
  return `${amount} ${name}`
}

/** Says for the pod that fits nowhere what each of the nodes that stay has against it, the commonest first. */
export const noRoom = (model: Model, pod: PodEntry, nodes: readonly NodeEntry[]): Reason => {
  const counts = new Map<string, number>()
  const refusal = fit(model, pod.shape)
  for (const node of nodes) {
    if (node.draining) continue
    const message = refusal(node)?.message ?? 'fits by now'
    counts.set(message, (counts.get(message) ?? 0) + 1)
  }
  const list = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([message, count]) => `${count}× ${message}`)
  const name = `${pod.namespace}/${pod.name}`
  const wants = demandText(model, pod.shape)
  const message = `pod ${name}${wants && ` (${wants})`} fits on no other node: ${list.join(', ') || 'there is none'}`
  return { code: 'NoRoom', message, pod: name }
}

/** The pods of a node that a drain moves, the largest first (by their share of the node), then by name. */
export const toMove = ({ columns }: Model, { pods, index }: NodeEntry, { staysBehind }: Disruption): readonly PodEntry[] => {
  const size = ({ shape: { demand } }: PodEntry): number => {
    let most = 0
    for (const [resource, amount] of demand) most = Math.max(most, amount / (columns.allocatable[resource]?.[index] || 1))
    return most
  }
  return pods
    .filter((pod) => !staysBehind(pod))
    .map((pod) => ({ pod, size: size(pod) }))
    .sort((a, b) => b.size - a.size || byName(a.pod, b.pod))
    .map(({ pod }) => pod)
}
export const byName = (a: PodEntry, b: PodEntry): number =>
  a.namespace === b.namespace ? (a.name < b.name ? -1 : 1) : a.namespace < b.namespace ? -1 : 1

/** The room that pods which already wait will take, on the model until it is rolled back. */
export const seatPending = (model: Model, nodes: readonly NodeEntry[]): ReadonlySet<NodeEntry> => {
  const taken = new Set<NodeEntry>()
  const pending = [...model.pods.values()].filter(({ node, leaving }) => !node && !leaving).sort(byName)
  for (const pod of pending) {
    const to = bestFit(model, pod, nodes)
    if (!to) continue
    model.move(pod, to)
    taken.add(to)
  }
  return taken
}
