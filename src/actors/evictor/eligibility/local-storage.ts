import { isLocal } from '../model/shape.ts'
import type { PodRule } from './rule.ts'

/** The owner's list of volumes that may be lost, by their names in the pod. */
const MAY_BE_LOST = 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes'

export const localStorage: PodRule = {
  name: 'LocalStorage',
  isWaivable: true,
  why: ({ policy, shape: { spec, annotations } }) => {
    if (policy.evictLocalStorage) return undefined
    const listed = (annotations[MAY_BE_LOST] ?? '').split(',').map((name) => name.trim())
    return spec.volumes?.some((volume) => isLocal(volume) && !listed.includes(volume.name))
      ? 'it has local storage (emptyDir or hostPath): only the policy "evictLocalStorage" evicts it'
      : undefined
  },
}
