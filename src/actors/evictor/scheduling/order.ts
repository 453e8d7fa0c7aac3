import type { Drained } from '../emptying.ts'
import { search } from '../fit.ts'
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

/**
 * Who has the fewest nodes to choose from comes first, pods and drains alike, and of equals the largest: the scheduler
 * scatters whoever comes before, and what it fills up is missed least by those that fit nearly anywhere.
 */
export const scarcestFirst = (model: Model, drained: readonly Drained[]): readonly Drained[] => {
  const [choice, size] = [choices(model, drained), sizes(model)]
  const before = (a: PodEntry | undefined, b: PodEntry | undefined): number => {
    if (!a || !b) return Number(!a) - Number(!b)
    return choice(a) - choice(b) || size(b) - size(a)
  }
  return drained
    .map(({ node, moves }) => ({ node, moves: moves.toSorted((a, b) => before(a.pod, b.pod)) }))
    .sort((a, b) => before(a.moves[0]?.pod, b.moves[0]?.pod))
}
