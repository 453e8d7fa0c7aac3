import type { Deployment } from '../../../events/kubernetes.ts'
import { inOrder } from '../eligibility/rule.ts'
import type { Model } from '../model.ts'
import type { Coming } from './coming.ts'
import { running } from './workloads.ts'

const DEFAULT_SURGE = '25%'
/** Pods above `spec.replicas` that a rolling update may start; a share is rounded up. Source: `deployment/util.ResolveFenceposts`. */
export const surgeOf = ({ spec: { replicas, strategy } }: Pick<Deployment, 'spec'>): number => {
  if (strategy?.type === 'Recreate') return 0
  const surge = strategy?.rollingUpdate?.maxSurge ?? DEFAULT_SURGE
  const [, share] = /^(\d{1,4})%$/.exec(String(surge)) ?? []
  if (share !== undefined) return Math.ceil(((replicas ?? 1) * Number(share)) / 100)
  return /^\d{1,9}$/.test(String(surge)) ? Number(surge) : 0
}

/** What rolling updates of Deployments start beside the pods that are there: of one at a time, or of all at once. */
export const rolloutSurge = (model: Model, which: 'none' | 'one' | 'all'): readonly Coming[] => {
  if (which === 'none') return []
  const pods = running(model)
  const surges = inOrder(model.workloads).flatMap((workload) => {
    if (workload.kind !== 'Deployment') return []
    const { name, namespace = '' } = workload.metadata
    const shape = pods.get(`${namespace}/Deployment/${name}`)?.shape
    const count = surgeOf(workload)
    return shape && count > 0 ? [{ why: `the rollout of ${namespace}/${name}`, groups: [{ shape, count }] }] : []
  })
  return which === 'one'
    ? surges
    : [{ why: 'rollouts of all Deployments at once', groups: surges.flatMap(({ groups }) => groups) }]
}
