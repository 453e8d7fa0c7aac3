import type { PodDisruptionBudget } from '../../../events/kubernetes.ts'
import type { PodRule } from './rule.ts'

const nameOf = ({ metadata }: PodDisruptionBudget): string => metadata.name

export const twoBudgets: PodRule = {
  name: 'TwoBudgets',
  why: ({ budgets }) =>
    budgets.length > 1 ? `the eviction API refuses a pod with several budgets: ${budgets.map(nameOf).join(', ')}` : undefined,
}

/** Whether the eviction API lets a pod go that does not serve, without asking the budget (`unhealthyPodEvictionPolicy`). */
const letsUnhealthyGo = ({ spec, status }: PodDisruptionBudget): boolean =>
  spec.unhealthyPodEvictionPolicy === 'AlwaysAllow' ||
  (status.desiredHealthy > 0 && status.currentHealthy >= status.desiredHealthy)

export const budgetUnknown: PodRule = {
  name: 'BudgetUnknown',
  why: ({ budgets: [budget] }) =>
    budget && budget.status.expectedPods === 0 && budget.status.disruptionsAllowed === 0
      ? `the budget ${nameOf(budget)} has no status for it yet`
      : undefined,
}

/**
 * Budgets block for ever only where no disruption can ever become allowed. One that allows none now, or one at a time, is
 * a matter of time: an eviction waits for the replacement of the one before.
 */
export const budgetForbids: PodRule = {
  name: 'BudgetForbids',
  why: ({ ready, budgets: [budget] }) => {
    if (!budget || (!ready && letsUnhealthyGo(budget))) return undefined
    const { disruptionsAllowed, desiredHealthy, expectedPods } = budget.status
    return disruptionsAllowed === 0 && desiredHealthy >= expectedPods
      ? `the budget ${nameOf(budget)} wants all ${expectedPods} pods healthy: it never allows a disruption`
      : undefined
  },
}
