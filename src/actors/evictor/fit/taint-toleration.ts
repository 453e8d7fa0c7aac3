import type { Node, PodSpec, Taint } from '../../../events/kubernetes.ts'
import { tolerates } from '../../../events/selector.ts'
import { type Rule, refusal } from './rule.ts'

const NAME = 'TaintToleration'
const taintText = ({ key, value = '' }: Taint): string => `{${key}: ${value}}`

/** The first taint that forbids new pods (NoSchedule, NoExecute) and that the pod does not tolerate. */
export const untolerated = ({ tolerations }: PodSpec, { spec: { taints = [] } }: Node): Taint | undefined =>
  taints.find((taint) => taint.effect !== 'PreferNoSchedule' && !tolerates(tolerations, taint))

/** Source: `plugins/tainttoleration`, component-helpers `FindMatchingUntoleratedTaint`. */
export const taintToleration: Rule = {
  name: NAME,
  isStanding: true,
  onNode:
    (_, { spec }) =>
    ({ object }) => {
      const taint = object && untolerated(spec, object)
      return taint && refusal(NAME, `node(s) had untolerated taint ${taintText(taint)}`)
    },
}
