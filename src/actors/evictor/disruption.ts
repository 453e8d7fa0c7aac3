import { CORDONED_BY } from '../../events/controller.ts'
import type { Node, PodDisruptionBudget } from '../../events/kubernetes.ts'
import type { Policy, Reason } from '../../events/plan.ts'
import { selects, tolerates } from '../../events/selector.ts'
import { UNSCHEDULABLE, undecided } from './fit.ts'
import type { Model, NodeEntry, PodEntry } from './model.ts'
import { MARKS, MIRROR, type Shape } from './shape.ts'

export type Disruption = {
  /** It goes with its node, or by itself: no obstacle, and nothing to move. */
  readonly staysBehind: (pod: PodEntry) => boolean
  /** Why the pod may not be evicted. */
  readonly blocked: (pod: PodEntry) => Reason | undefined
  readonly budgetsOf: (shape: Shape) => readonly PodDisruptionBudget[]
}
type Refusal = Pick<Reason, 'code' | 'message'>

const isTrue = (marks: Readonly<Record<string, string>>, names: readonly string[]): string | undefined =>
  names.find((name) => marks[name] === 'true')
const [CAST, OWN, SAFE, KARPENTER] = MARKS

const marked = ({ labels, annotations }: Shape): Refusal | undefined => {
  const by = isTrue({ ...labels, ...annotations }, [CAST, OWN, KARPENTER])
  if (by !== undefined) return { code: 'RemovalDisabled', message: `it carries ${by}=true` }
  return annotations[SAFE] === 'false' ? { code: 'RemovalDisabled', message: `it carries ${SAFE}=false` } : undefined
}

const ownerless = (kind: string): Refusal => ({
  code: 'NotReplicated',
  message: `it is of a ${kind}: only the policy "aggressive" evicts it`,
})
const replicasOf = ({ workloads }: Model, { owner, pods }: Shape): number =>
  workloads.get(owner?.uid ?? '')?.spec.replicas ?? pods.size

// By default only what a Deployment, ReplicaSet or ReplicationController runs at least twice: the others are missed.
const unreplicated = (model: Model, shape: Shape): Refusal | undefined => {
  const kind = shape.owner?.kind
  if (kind === undefined)
    return { code: 'BarePod', message: 'no controller would make it again: only the policy "aggressive" evicts it' }
  if (kind !== 'ReplicaSet' && kind !== 'ReplicationController' && kind !== 'Deployment') return ownerless(kind)
  if (replicasOf(model, shape) >= 2) return undefined
  return { code: 'SingleReplica', message: `its ${kind} has a single replica: only the policy "aggressive" evicts it` }
}

const local = ({ spec: { volumes = [] } }: Shape): Refusal | undefined =>
  volumes.some(({ emptyDir, hostPath }) => hostPath !== undefined || (emptyDir !== undefined && emptyDir.medium !== 'Memory'))
    ? {
        code: 'LocalStorage',
        message: 'it has local storage (emptyDir or hostPath): only the policy "evictLocalStorage" evicts it',
      }
    : undefined

const nameOf = ({ metadata }: PodDisruptionBudget): string => metadata.name

/**
 * Budgets block for ever only where no disruption can ever become allowed. One that allows none now, or one at a time, is
 * a matter of time: an eviction waits for the replacement of the one before.
 */
const budgeted = (budgets: readonly PodDisruptionBudget[]): Refusal | undefined => {
  const [budget] = budgets
  if (!budget) return undefined
  if (budgets.length > 1)
    return {
      code: 'TwoBudgets',
      message: `the eviction API refuses a pod with several budgets: ${budgets.map(nameOf).join(', ')}`,
    }
  const { disruptionsAllowed, desiredHealthy, expectedPods } = budget.status
  if (expectedPods === 0 && disruptionsAllowed === 0)
    return { code: 'BudgetUnknown', message: `the budget ${nameOf(budget)} has no status for it yet` }
  if (disruptionsAllowed === 0 && desiredHealthy >= expectedPods)
    return {
      code: 'BudgetForbids',
      message: `the budget ${nameOf(budget)} wants all ${expectedPods} pods healthy: it never allows a disruption`,
    }
  return undefined
}

/** The scheduler could put its replacement onto the very node that it has to leave, again and again. */
const returning = ({ spec }: Shape): Refusal | undefined =>
  tolerates(spec.tolerations, UNSCHEDULABLE)
    ? { code: 'ToleratesCordon', message: 'it tolerates a cordon: its replacement could come back to the node' }
    : undefined

/** Who may be moved under the policy, as the model is now. Judged once per shape. */
export const disruption = (model: Model, policy: Policy): Disruption => {
  const byNamespace = new Map<string, PodDisruptionBudget[]>()
  for (const budget of policy.ignorePodDisruptionBudgets ? [] : model.budgets.values()) {
    const { namespace = '' } = budget.metadata
    byNamespace.set(namespace, [...(byNamespace.get(namespace) ?? []), budget])
  }
  const budgets = new Map<Shape, readonly PodDisruptionBudget[]>()
  const budgetsOf = (shape: Shape): readonly PodDisruptionBudget[] => {
    const known = budgets.get(shape)
    if (known) return known
    const found = (byNamespace.get(shape.namespace) ?? []).filter(({ spec }) => selects(spec.selector, shape.labels))
    budgets.set(shape, found)
    return found
  }
  const judge = (shape: Shape): Refusal | undefined =>
    marked(shape) ??
    (policy.aggressive ? undefined : unreplicated(model, shape)) ??
    (policy.evictLocalStorage ? undefined : local(shape)) ??
    budgeted(budgetsOf(shape)) ??
    returning(shape) ??
    undecided(shape)
  const verdicts = new Map<Shape, Refusal | null>()
  return {
    budgetsOf,
    staysBehind: ({ leaving, shape: { owner, annotations } }) =>
      leaving || owner?.kind === 'DaemonSet' || owner?.kind === 'Node' || annotations[MIRROR] !== undefined,
    blocked({ shape, namespace, name }) {
      const known = verdicts.get(shape)
      const verdict = known === undefined ? (judge(shape) ?? null) : known
      verdicts.set(shape, verdict)
      if (!verdict) return undefined
      const pod = `${namespace}/${name}`
      return { code: verdict.code, message: `pod ${pod} stays: ${verdict.message}`, pod }
    },
  }
}

const CONTROL_PLANE = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master']
const SCALE_DOWN = 'cluster-autoscaler.kubernetes.io/scale-down-disabled'

/** Why the node itself may not be emptied, whatever runs on it. `now` is epoch milliseconds. */
export const nodeBlocked = (
  { object }: NodeEntry,
  policy: Policy,
  now: number,
  avoid: ReadonlySet<string>,
): Reason | undefined => {
  if (!object) return { code: 'NodeUnknown', message: 'only its pods are known' }
  return barred(object, policy) ?? unfit(object, policy, now, avoid)
}
const barred = ({ metadata: { labels = {}, annotations = {} } }: Node, { scope }: Policy): Reason | undefined => {
  const role = CONTROL_PLANE.find((name) => labels[name] !== undefined)
  if (role !== undefined) return { code: 'ControlPlane', message: `it is of the control plane (${role})` }
  const by = isTrue({ ...labels, ...annotations }, [CAST, OWN, KARPENTER, SCALE_DOWN])
  if (by !== undefined) return { code: 'RemovalDisabled', message: `the node carries ${by}=true` }
  return scope && !selects(scope, labels) ? { code: 'OutOfScope', message: "the policy's scope does not select it" } : undefined
}
const unfit = ({ metadata, spec, status }: Node, policy: Policy, now: number, avoid: ReadonlySet<string>): Reason | undefined => {
  if (metadata.deletionTimestamp !== undefined) return { code: 'NodeLeaving', message: 'it is being deleted' }
  // What a drain of ours has left half done is done to the end, or given back.
  if (spec.unschedulable && metadata.annotations?.[CORDONED_BY] === undefined)
    return { code: 'Cordoned', message: 'somebody has cordoned it' }
  const ready = status.conditions?.find(({ type }) => type === 'Ready')
  if (ready && ready.status !== 'True') return { code: 'NotReady', message: `it is not ready (${ready.reason ?? ready.status})` }
  if (avoid.has(metadata.name))
    return { code: 'Avoided', message: 'a drain of it has failed lately: it is left alone for a while' }
  const ageSeconds = Math.floor((now - Date.parse(metadata.creationTimestamp ?? '')) / 1000)
  // A node of unknown age counts as young: a snapshot of the API always has it.
  if (!(ageSeconds >= policy.nodeGraceSeconds))
    return {
      code: 'TooYoung',
      message: `it is ${Number.isNaN(ageSeconds) ? 'of unknown age' : `${ageSeconds} s old`}, younger than the ${policy.nodeGraceSeconds} s of grace`,
    }
  return undefined
}
