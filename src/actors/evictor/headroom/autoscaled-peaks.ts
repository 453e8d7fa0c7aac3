import { inOrder } from '../eligibility/rule.ts'
import type { Model } from '../model.ts'
import type { Coming } from './coming.ts'
import { running } from './workloads.ts'

/** What is missing to the `maxReplicas` of all HorizontalPodAutoscalers. */
export const autoscaledPeaks = (model: Model): readonly Coming[] => {
  const pods = running(model)
  const groups = inOrder(model.autoscalers).flatMap(({ metadata: { namespace = '' }, spec: { scaleTargetRef, maxReplicas } }) => {
    const found = pods.get(`${namespace}/${scaleTargetRef.kind}/${scaleTargetRef.name}`)
    return found && maxReplicas > found.pods ? [{ shape: found.shape, count: maxReplicas - found.pods }] : []
  })
  return [{ why: 'HorizontalPodAutoscalers at their maxReplicas', groups }]
}
