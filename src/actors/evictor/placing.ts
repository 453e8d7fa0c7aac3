import type { Reason } from '../../events/plan.ts'
import type { Disruption } from './disruption.ts'
import { fit, fits, undecided } from './fit.ts'
import type { Model, NodeEntry, PodEntry } from './model.ts'
import { neighbours } from './neighbours.ts'
import type { Shape } from './shape.ts'

/** The part of each asked resource that would stay free on the node, summed: the best fit has the least. */
const slack = ({ columns: { allocatable, requested } }: Model, { demand }: Shape, index: number): number => {
  let sum = 0
  for (let resource = 0; resource < allocatable.length; resource += 1) {
    const all = allocatable[resource]?.[index] ?? 0
    if (all > 0) sum += 1 - (requested[resource]?.[index] ?? 0) / all
  }
  for (const [resource, amount] of demand) sum -= amount / (allocatable[resource]?.[index] ?? 1)
  return Math.round(sum * 1e9) // whatever the order of the columns, ties stay ties
}

/** The node among these where the pod, which must be off its own, fits best. Ties go to the first. */
export const bestFit = (model: Model, { shape }: PodEntry, among: readonly NodeEntry[], gone: (node: NodeEntry) => boolean) => {
  const check = neighbours(model, shape, gone)
  let best: NodeEntry | undefined
  let least = Number.POSITIVE_INFINITY
  for (const node of among) {
    if (gone(node) || !fits(model, shape, node)) continue
    const score = slack(model, shape, node.index)
    if (score >= least || check?.(node)) continue
    best = node
    least = score
  }
  return best
}

/** Why the pod, off its own node, may not go onto this one. */
export const refusedBy = (model: Model, { shape }: PodEntry, node: NodeEntry, gone: (node: NodeEntry) => boolean) =>
  undecided(shape) ?? fit(model, shape, node) ?? neighbours(model, shape, gone)?.(node)

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
export const noRoom = (model: Model, pod: PodEntry, nodes: readonly NodeEntry[], gone: (node: NodeEntry) => boolean): Reason => {
  const counts = new Map<string, number>()
  const check = neighbours(model, pod.shape, gone)
  for (const node of nodes) {
    if (gone(node)) continue
    const message = (fit(model, pod.shape, node) ?? check?.(node))?.message ?? 'fits by now'
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
  const size = ({ shape: { demand } }: PodEntry): number =>
    demand.reduce((most, [resource, amount]) => Math.max(most, amount / (columns.allocatable[resource]?.[index] || 1)), 0)
  return [...pods]
    .filter((pod) => !staysBehind(pod))
    .map((pod) => ({ pod, size: size(pod) }))
    .sort((a, b) => b.size - a.size || byName(a.pod, b.pod))
    .map(({ pod }) => pod)
}
export const byName = (a: PodEntry, b: PodEntry): number =>
  a.namespace === b.namespace ? (a.name < b.name ? -1 : 1) : a.namespace < b.namespace ? -1 : 1
