import type { Shape } from '../model/shape.ts'
import type { Model, NodeEntry } from '../model.ts'
import { type Refusal, type Rule, refusal } from './rule.ts'

const NAME = 'NodeResourcesFit'

/** Whether a node has so much left of every resource that the shape asks for. This is the planners' innermost loop. */
export const roomFor = (
  { columns: { allocatable, requested } }: Model,
  { demand }: Shape,
): ((node: Pick<NodeEntry, 'index'>) => boolean) => {
  const none = new Float64Array()
  const asked = demand.map(([resource, amount]) => ({
    all: allocatable[resource] ?? none,
    used: requested[resource] ?? none,
    amount,
  }))
  return ({ index }) => {
    for (const { all, used, amount } of asked) if (amount > (all[index] ?? 0) - (used[index] ?? 0)) return false
    return true
  }
}

const lacking = ({ columns }: Model, { demand }: Shape, { index }: NodeEntry): Refusal | undefined => {
  const isShort = (resource: number, amount: number): boolean =>
    amount > (columns.allocatable[resource]?.[index] ?? 0) - (columns.requested[resource]?.[index] ?? 0)
  const short = demand
    .filter(([resource, amount]) => isShort(resource, amount))
    .map(([resource]) => columns.names[resource] ?? '')
  if (short.includes('pods')) return refusal(NAME, 'Too many pods', 'TooManyPods')
  return short[0] === undefined ? undefined : refusal(NAME, `Insufficient ${short[0]}`, 'InsufficientResource')
}

/**
 * Requests against what is allocatable and not requested: cpu, memory, ephemeral storage, huge pages, extended resources
 * and the number of pods. Source: `plugins/noderesources/fit.go`, component-helpers `resource.PodRequests`.
 */
export const nodeResourcesFit: Rule = {
  name: NAME,
  onNode: (model, shape) => {
    const hasRoom = roomFor(model, shape)
    return (node) => (hasRoom(node) ? undefined : lacking(model, shape, node))
  },
}
