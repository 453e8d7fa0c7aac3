import type { Shape } from '../model/shape.ts'
import type { Model } from '../model.ts'

/** The largest part of what the largest node has that the shape asks for, over all resources. */
export const sizes = ({ columns: { allocatable } }: Model): ((shape: Shape) => number) => {
  const most = allocatable.map((column) => column.reduce((max, amount) => Math.max(max, amount), 0))
  return ({ demand }) => demand.reduce((size, [resource, amount]) => Math.max(size, amount / (most[resource] || 1)), 0)
}

/** The largest first; whatever the order in which the model learned of them, the same. */
export const largestFirst = (model: Model): ((a: Shape, b: Shape) => number) => {
  const size = sizes(model)
  return (a, b) => size(b) - size(a) || (a.key < b.key ? -1 : Number(a.key > b.key))
}
