import type { Node, PodSpec } from '../../../events/kubernetes.ts'
import { tolerates } from '../../../events/selector.ts'
import type { Model } from '../model.ts'
import { inProportion, type Scorer } from './scorer.ts'

const disliked = ({ tolerations }: PodSpec, node: Node | undefined): number =>
  (node?.spec.taints ?? []).filter((taint) => taint.effect === 'PreferNoSchedule' && !tolerates(tolerations, taint)).length

/** Whether some node would rather not be used by everybody. */
export const isAnyDisliked = ({ nodes }: Model): boolean =>
  nodes.values().some(({ object }) => object?.spec.taints?.some(({ effect }) => effect === 'PreferNoSchedule') === true)

/** The fewer taints PreferNoSchedule the pod does not tolerate, the better. Source: `plugins/tainttoleration`. */
export const taintToleration: Scorer = {
  name: 'TaintToleration',
  scores: ({ isAnyNodeDisliked }, { spec }) => {
    if (!isAnyNodeDisliked) return undefined
    return (nodes, into) => {
      for (const [at, { object }] of nodes.entries()) into[at] = object?.spec.taints ? disliked(spec, object) : 0
      inProportion(into, nodes.length, true)
    }
  },
}
