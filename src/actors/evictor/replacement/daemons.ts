import type { Node } from '../../../events/kubernetes.ts'
import { matchesNode } from '../fit/node-affinity.ts'
import { untolerated } from '../fit/taint-toleration.ts'
import type { Shape } from '../model/shape.ts'
import type { Model } from '../model.ts'

const sizeOf = (shape: Shape): number => shape.demand.reduce((sum, [, amount]) => sum + Math.log1p(amount), 0)

/** Of each DaemonSet that has pods the largest of their shapes. */
const daemons = ({ shapes }: Model): readonly Shape[] => {
  const largest = new Map<string, Shape>()
  for (const shape of shapes.values()) {
    if (shape.owner?.kind !== 'DaemonSet') continue
    const known = largest.get(shape.owner.uid)
    if (!known || sizeOf(shape) > sizeOf(known) || (sizeOf(shape) === sizeOf(known) && shape.key < known.key))
      largest.set(shape.owner.uid, shape)
  }
  return [...largest.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
}

/** The DaemonSets' pods that a new node will get: by selector, affinity and taints, as their controller decides. */
export const daemonsOn = (model: Model): ((node: Node) => readonly Shape[]) => {
  const all = daemons(model)
  return (node) => all.filter(({ spec }) => matchesNode(spec, node) && !untolerated(spec, node))
}
