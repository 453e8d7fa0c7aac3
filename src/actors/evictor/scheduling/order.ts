import type { Drained, Task } from '../emptying.ts'
import { search, standing, standingKey } from '../fit.ts'
import type { Shape } from '../model/shape.ts'
import type { Model, PodEntry } from '../model.ts'

/** How many nodes have a place for a pod of each shape, with the drained ones cordoned and nobody moved. */
const choices = (model: Model, drained: readonly Drained[]): ((pod: PodEntry) => number) => {
  const mark = model.mark()
  for (const { node } of drained) model.drain(node)
  const counts = new Map<Shape, number>()
  for (const { moves } of drained)
    for (const { pod } of moves) if (!counts.has(pod.shape)) counts.set(pod.shape, choicesOf(model, pod.shape))
  model.rollback(mark)
  return ({ shape }) => counts.get(shape) ?? 0
}
const choicesOf = (model: Model, shape: Shape): number => {
  const asked = search(model, shape)
  let count = 0
  if (asked) for (const node of model.nodes.values()) if (node.object && asked.quick(node)) count += 1
  return count
}

/** The largest part of what the best node has that the pod asks for, over all resources. */
const sizes = ({ columns: { allocatable } }: Model): ((pod: PodEntry) => number) => {
  const most = allocatable.map((column) => column.reduce((max, amount) => Math.max(max, amount), 0))
  return ({ shape: { demand } }) => demand.reduce((size, [resource, amount]) => Math.max(size, amount / (most[resource] || 1)), 0)
}

/** Pods of one key ask for the same of nodes. */
export const likeness = (shape: Shape): string => `${shape.demand.join(';')}|${standingKey(shape)}`

/** $/h of a place for a pod: what the node that is cheapest for its like costs, filled with them alone, for each of them. */
const placePrices = ({ model, hourly }: Task): ((pod: PodEntry) => number) => {
  const known = pricesOf.get(hourly) ?? new Map<string, number>()
  pricesOf.set(hourly, known)
  const { allocatable } = model.columns
  const least = (shape: Shape): number => {
    const suits = standing(model, shape)
    let price = Number.POSITIVE_INFINITY
    for (const [node, nodePrice] of hourly) {
      let count = Number.POSITIVE_INFINITY
      for (const [resource, amount] of shape.demand)
        if (amount > 0) count = Math.min(count, Math.floor((allocatable[resource]?.[node.index] ?? 0) / amount))
      if (count >= 1 && nodePrice / count < price && suits(node)) price = nodePrice / count
    }
    return Number.isFinite(price) ? price : 0
  }
  return ({ shape }) => {
    const key = likeness(shape)
    const price = known.get(key) ?? least(shape)
    known.set(key, price)
    return price
  }
}
const pricesOf = new WeakMap<Task['hourly'], Map<string, number>>()

/** The order in which drains are carried out, and the pods of each. */
export type Order = (task: Task, drained: readonly Drained[]) => readonly Drained[]
type Before = (a: PodEntry, b: PodEntry) => number
/** Each drain comes where its first pod does. */
const ordered = (drained: readonly Drained[], before: Before): readonly Drained[] => {
  const first = (a: PodEntry | undefined, b: PodEntry | undefined): number => (a && b ? before(a, b) : Number(!a) - Number(!b))
  return drained
    .map(({ node, moves }) => ({ node, moves: moves.toSorted((a, b) => before(a.pod, b.pod)) }))
    .sort((a, b) => first(a.moves[0]?.pod, b.moves[0]?.pod))
}

/**
 * Who has the fewest nodes to choose from comes first, pods and drains alike, and of equals the largest: the scheduler
 * scatters whoever comes before, and what it fills up is missed least by those that fit nearly anywhere.
 */
export const scarcestFirst: Order = ({ model }, drained) => {
  const [choice, size] = [choices(model, drained), sizes(model)]
  return ordered(drained, (a, b) => choice(a) - choice(b) || size(b) - size(a))
}

/** Whose places cost most comes first, of equals who has the fewest nodes to choose from: the cheap ones get what is left. */
export const dearestFirst: Order = (task, drained) => {
  const [price, choice, size] = [placePrices(task), choices(task.model, drained), sizes(task.model)]
  return ordered(drained, (a, b) => price(b) - price(a) || choice(a) - choice(b) || size(b) - size(a))
}
