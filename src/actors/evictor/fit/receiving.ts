import type { Node } from '../../../events/kubernetes.ts'
import { type Check, refusal } from './rule.ts'

const NAME = 'Receiving'
const UNKNOWN = refusal(NAME, 'node(s) are not known', 'NodeUnknown')
const EMPTIED = refusal(NAME, 'node(s) are to be emptied too', 'NodeDraining')

const reservation = ({ metadata, spec, status }: Node) => {
  if (metadata.deletionTimestamp !== undefined) return refusal(NAME, 'node(s) are being deleted', 'NodeLeaving')
  // Also for pods that tolerate it: whoever cordoned the node wants it empty.
  if (spec.unschedulable) return refusal(NAME, 'node(s) were unschedulable', 'NodeUnschedulable')
  if (Object.keys(status.allocatable).length === 0) return refusal(NAME, 'node(s) say nothing of their room', 'NoAllocatable')
  if (status.conditions?.some(({ type, status: is }) => type === 'Ready' && is !== 'True'))
    return refusal(NAME, 'node(s) were not ready', 'NodeNotReady')
  return undefined
}

/**
 * Our own rule, stricter than the scheduler: we plan no pod onto a node that is going, cordoned, not ready or of unknown
 * size, whatever the pod tolerates.
 */
export const receiving: Check = ({ object }) => (object ? reservation(object) : UNKNOWN)
/** The same for the nodes that the plan empties. */
export const emptied: Check = ({ draining }) => (draining ? EMPTIED : undefined)
