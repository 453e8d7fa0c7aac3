import type { PodRule } from './rule.ts'

/** The cluster's own services move only where a budget says how many of them may be away. */
export const kubeSystem: PodRule = {
  name: 'KubeSystem',
  isWaivable: true,
  why: ({ policy, shape, budgets }) =>
    policy.aggressive || shape.namespace !== 'kube-system' || budgets.length > 0
      ? undefined
      : 'it is of kube-system, and no budget selects it: only the policy "aggressive" evicts it',
}
