import type { Policy, Reason } from '../../../events/plan.ts'
import type { Model, NodeEntry } from '../model.ts'

/** The largest part of a resource of the node that is requested; the number of pods is none. */
const utilization = ({ columns: { names, allocatable, requested } }: Model, { index }: NodeEntry): number =>
  names.reduce((most, name, resource) => {
    const size = allocatable[resource]?.[index] ?? 0
    return name === 'pods' || size === 0 ? most : Math.max(most, (requested[resource]?.[index] ?? 0) / size)
  }, 0)

/** Why a node that is used well is left alone. */
export const wellUsed = (model: Model, node: NodeEntry, { utilizationBelow }: Policy): Reason | undefined => {
  if (utilizationBelow === undefined) return undefined
  const used = utilization(model, node)
  if (used < utilizationBelow) return undefined
  const percent = (part: number): string => `${Math.round(part * 1000) / 10} %`
  return {
    code: 'WellUsed',
    message: `${percent(used)} of it is requested: the policy empties nodes below ${percent(utilizationBelow)}`,
  }
}
