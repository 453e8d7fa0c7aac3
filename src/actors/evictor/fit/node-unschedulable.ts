import type { Taint } from '../../../events/kubernetes.ts'
import { tolerates } from '../../../events/selector.ts'
import { type Rule, refusal } from './rule.ts'

/** What a cordon puts on a node. */
export const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }

const NAME = 'NodeUnschedulable'
const REFUSED = refusal(NAME, 'node(s) were unschedulable')

/** A cordoned node takes only what tolerates the cordon. Source: `plugins/nodeunschedulable`. */
export const nodeUnschedulable: Rule = {
  name: NAME,
  isStanding: true,
  onNode: (_, { spec }) =>
    tolerates(spec.tolerations, UNSCHEDULABLE) ? undefined : ({ object }) => (object?.spec.unschedulable ? REFUSED : undefined),
}
