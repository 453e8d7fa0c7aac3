import type { PodDisruptionBudget } from '../../events/kubernetes.ts'
import type { Policy, Reason } from '../../events/plan.ts'
import { selects } from '../../events/selector.ts'
import { budgetForbids, budgetUnknown, twoBudgets } from './eligibility/budgets.ts'
import { toleratesCordon } from './eligibility/cordon.ts'
import { gang } from './eligibility/gangs.ts'
import { kubeSystem } from './eligibility/kube-system.ts'
import { limitRange } from './eligibility/limit-range.ts'
import { localStorage } from './eligibility/local-storage.ts'
import { isDisposable, isOfNode, isSafe, removalDelayed, removalDisabled } from './eligibility/marks.ts'
import { barePod, notReplicated, singleReplica } from './eligibility/owners.ts'
import { resourceQuota } from './eligibility/resource-quota.ts'
import { inOrder, type PodRule } from './eligibility/rule.ts'
import { outsideWindow, protectedNamespace } from './eligibility/workload-rules.ts'
import { nowhere } from './fit.ts'
import type { Shape } from './model/shape.ts'
import type { Model, PodEntry } from './model.ts'

export type Disruption = {
  /** It goes with its node, or by itself, or may be lost: no obstacle, and nothing to move. */
  readonly staysBehind: (pod: PodEntry) => boolean
  /** Why the pod may not be evicted. */
  readonly blocked: (pod: PodEntry) => Reason | undefined
  readonly budgetsOf: (shape: Shape) => readonly PodDisruptionBudget[]
}

/** In this order; the first that has something against an eviction is the reason. */
export const podRules: readonly PodRule[] = [
  removalDisabled,
  protectedNamespace,
  outsideWindow,
  gang,
  barePod,
  notReplicated,
  singleReplica,
  kubeSystem,
  localStorage,
  twoBudgets,
  budgetUnknown,
  budgetForbids,
  toleratesCordon,
  resourceQuota,
  limitRange,
]

const budgetsByShape = (model: Model, policy: Policy): Disruption['budgetsOf'] => {
  const byNamespace = Map.groupBy(
    policy.ignorePodDisruptionBudgets ? [] : inOrder(model.budgets),
    ({ metadata }) => metadata.namespace ?? '',
  )
  const found = new Map<Shape, readonly PodDisruptionBudget[]>()
  return (shape) => {
    const known =
      found.get(shape) ?? (byNamespace.get(shape.namespace) ?? []).filter(({ spec }) => selects(spec.selector, shape.labels))
    found.set(shape, known)
    return known
  }
}

/** Who may be moved under the policy, as the model is now. Judged once per shape. `now` is epoch milliseconds. */
export const disruption = (model: Model, policy: Policy, now: number): Disruption => {
  const budgetsOf = budgetsByShape(model, policy)
  const judge = (shape: Shape, ready: boolean): Omit<Reason, 'pod'> | undefined => {
    const asked = { model, policy, shape, ready, now, budgets: budgetsOf(shape) }
    for (const { name, why, isWaivable } of podRules) {
      const message = isWaivable && isSafe(shape) ? undefined : why(asked)
      if (message !== undefined) return { code: name, message }
    }
    return nowhere(model, shape)
  }
  const verdicts = { ready: new Map<Shape, ReturnType<typeof judge>>(), unready: new Map<Shape, ReturnType<typeof judge>>() }
  const verdictOf = ({ shape, ready }: PodEntry): ReturnType<typeof judge> => {
    const known = ready ? verdicts.ready : verdicts.unready
    if (!known.has(shape)) known.set(shape, judge(shape, ready))
    return known.get(shape)
  }
  const delayed = (pod: PodEntry): Omit<Reason, 'pod'> | undefined => {
    const message = removalDelayed.why(pod, now)
    return message === undefined ? undefined : { code: removalDelayed.name, message }
  }
  return {
    budgetsOf,
    // A mark that forbids the removal holds for the pods of DaemonSets too: somebody wants the node.
    staysBehind: ({ leaving, shape }) =>
      leaving ||
      isDisposable(shape) ||
      (isOfNode(shape) && removalDisabled.why({ ...NOTHING, model, policy, shape }) === undefined),
    blocked(pod) {
      const verdict = delayed(pod) ?? verdictOf(pod)
      if (!verdict) return undefined
      const name = `${pod.namespace}/${pod.name}`
      return { code: verdict.code, message: `pod ${name} stays: ${verdict.message}`, pod: name }
    },
  }
}
const NOTHING = { ready: true, now: 0, budgets: [] }
