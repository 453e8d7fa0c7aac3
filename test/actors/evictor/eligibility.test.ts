import { expect, test } from 'vitest'
import { disruption } from '../../../src/actors/evictor/disruption.ts'
import { nodeBlocked } from '../../../src/actors/evictor/eligibility/nodes.ts'
import { type ModelObject, modelKinds } from '../../../src/events/model-kinds.ts'
import { Policy } from '../../../src/events/plan.ts'
import { budget, modelOf, NOW, node, pod, web } from './cluster.ts'

type Any = Readonly<Record<string, unknown>>
const of = (kind: keyof typeof modelKinds, name: string, rest: Any = {}, metadata: Any = {}): ModelObject =>
  modelKinds[kind].schema.parse({ kind, ...rest, metadata: { name, uid: `uid-${name}`, ...metadata } })
const owned = (kind: string, name = 'web') => ({ ownerReferences: [{ kind, name, uid: `uid-${name}`, controller: true }] })
const marked = (annotations: Any) => ({ metadata: { annotations } })

/** The rule that keeps the pod p on its node, `goes` if none does, `stays behind` if it is no obstacle. */
const verdict = (over: Parameters<typeof pod>[2] = {}, objects: readonly ModelObject[] = [], policy: Any = {}): string => {
  const model = modelOf(node('n'), web(2), pod('q', 'n'), ...objects, { ...pod('p', 'n', over), ...statusOf(over) })
  const judge = disruption(model, Policy.parse(policy), NOW)
  const it = [...model.pods.values()].find(({ name }) => name === 'p')
  if (!it) throw new Error('there is no p')
  return judge.staysBehind(it) ? 'stays behind' : (judge.blocked(it)?.code ?? 'goes')
}
const statusOf = (over: Any): Any => ('status' in over ? { status: over['status'] } : {})

const SAFE = 'cluster-autoscaler.kubernetes.io/safe-to-evict'
const KARPENTER = 'karpenter.sh/do-not-disrupt'
const scratch = { volumes: [{ name: 'scratch', emptyDir: {} }] }
const inKubeSystem = { metadata: { namespace: 'kube-system', ...owned('ReplicaSet') } }

test.each<readonly [string, Parameters<typeof pod>[2], string]>([
  ['a pod of a ReplicaSet of two', {}, 'goes'],
  [
    'removal-disabled as a label',
    { metadata: { labels: { 'autoscaling.cast.ai/removal-disabled': 'true' } } },
    'RemovalDisabled',
  ],
  ['removal-disabled=false', marked({ 'autoscaling.cast.ai/removal-disabled': 'false' }), 'goes'],
  ['eviction-disabled', marked({ 'beta.evictor.cast.ai/eviction-disabled': 'true' }), 'RemovalDisabled'],
  ['safe-to-evict=false', marked({ [SAFE]: 'false' }), 'RemovalDisabled'],
  ['do-not-disrupt', marked({ [KARPENTER]: 'true' }), 'RemovalDisabled'],
  ['do-not-disrupt for a time that it has not run yet', marked({ [KARPENTER]: '1h30m' }), 'RemovalDelayed'],
  ['a time that is none', marked({ [KARPENTER]: 'soon' }), 'goes'],
  ['disposable', marked({ 'autoscaling.cast.ai/disposable': 'true' }), 'stays behind'],
  ['a pod of a DaemonSet', { metadata: owned('DaemonSet') }, 'stays behind'],
  [
    'a pod of a DaemonSet that must not be disrupted',
    { metadata: { ...owned('DaemonSet'), annotations: { [KARPENTER]: 'true' } } },
    'RemovalDisabled',
  ],
  ['a static pod', { metadata: { ...owned('Node'), annotations: { 'kubernetes.io/config.mirror': 'a1' } } }, 'stays behind'],
  ['a bare pod', { metadata: { ownerReferences: [] } }, 'BarePod'],
  ['a bare pod that is safe to evict', { metadata: { ownerReferences: [], annotations: { [SAFE]: 'true' } } }, 'goes'],
  ['a pod of a Job', { metadata: owned('Job') }, 'NotReplicated'],
  ['a pod of a StatefulSet', { metadata: owned('StatefulSet') }, 'NotReplicated'],
  ['a single replica', { metadata: owned('ReplicaSet', 'alone') }, 'SingleReplica'],
  [
    'a single replica, but the descheduler may',
    { metadata: { ...owned('ReplicaSet', 'alone'), annotations: { 'descheduler.alpha.kubernetes.io/evict': 'true' } } },
    'goes',
  ],
  ['an emptyDir on disk', { spec: scratch }, 'LocalStorage'],
  ['an emptyDir in memory', { spec: { volumes: [{ name: 'v', emptyDir: { medium: 'Memory' } }] } }, 'goes'],
  [
    'a volume that may be lost',
    { ...marked({ 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes': 'a, scratch' }), spec: scratch },
    'goes',
  ],
  [
    'another volume that may be lost',
    { ...marked({ 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes': 'a' }), spec: scratch },
    'LocalStorage',
  ],
  ['a JobSet', { metadata: { labels: { 'jobset.sigs.k8s.io/jobset-name': 'j' } } }, 'Gang'],
  ['a LeaderWorkerSet', { metadata: { labels: { 'leaderworkerset.sigs.k8s.io/name': 'l' } } }, 'Gang'],
  ['a group of Kueue', { metadata: { labels: { 'kueue.x-k8s.io/pod-group-name': 'k' } } }, 'Gang'],
  ['a group of Volcano', marked({ 'scheduling.k8s.io/group-name': 'v' }), 'Gang'],
  ['a PodGroup of Kubernetes itself', { spec: { schedulingGroup: { podGroupName: 'g' } } }, 'Gang'],
  ['kube-system without a budget', inKubeSystem, 'KubeSystem'],
  ['a toleration of everything', { spec: { tolerations: [{ operator: 'Exists' }] } }, 'ToleratesCordon'],
  ['another scheduler', { spec: { schedulerName: 'mine' } }, 'Undecided'],
])('eligibility: %s', (_, over, rule) => {
  expect(verdict(over)).toBe(rule)
})

test('eligibility: the policy allows what is only careful, and nothing that is forbidden', () => {
  const aggressive = { aggressive: true, evictLocalStorage: true, evictGangs: true }
  const allowed = [{ metadata: { ownerReferences: [] } }, { metadata: owned('Job') }, { spec: scratch }, inKubeSystem]
  expect(allowed.map((over) => verdict(over, [], aggressive))).toEqual(allowed.map(() => 'goes'))
  expect(verdict(marked({ [KARPENTER]: 'true' }), [], aggressive)).toBe('RemovalDisabled')
})

const counted = { disruptionsAllowed: 0, currentHealthy: 2, desiredHealthy: 2, expectedPods: 2 }
const withPolicy = (unhealthyPodEvictionPolicy: string, status: Any = counted): ModelObject => ({
  ...budget('b', status),
  spec: { selector: { matchLabels: { app: 'web' } }, unhealthyPodEvictionPolicy },
})
const serving = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } }
test.each<readonly [string, Parameters<typeof pod>[2] & Any, readonly ModelObject[], string]>([
  ['one budget that gives way', {}, [budget('b', { ...counted, disruptionsAllowed: 1 })], 'goes'],
  ['one that gives way later', {}, [budget('b', { ...counted, desiredHealthy: 1 })], 'goes'],
  ['one that never gives way', serving, [budget('b', counted)], 'BudgetForbids'],
  ['one that never gives way, and a pod that does not serve while all that should do', {}, [budget('b', counted)], 'goes'],
  ['the same, while too few serve', {}, [budget('b', { ...counted, currentHealthy: 1 })], 'BudgetForbids'],
  [
    'the same, when the budget lets any go that does not serve',
    {},
    [withPolicy('AlwaysAllow', { ...counted, currentHealthy: 1 })],
    'goes',
  ],
  ['two', {}, [budget('b', counted), budget('c', counted)], 'TwoBudgets'],
  ['one without status', {}, [budget('b', {})], 'BudgetUnknown'],
])('budgets: %s', (_, over, objects, rule) => {
  expect(verdict(over, objects)).toBe(rule)
})

const quota = (hard: Any, used: Any, spec: Any = {}) =>
  of('ResourceQuota', 'q', { spec, status: { hard, used } }, { namespace: 'shop' })
const limits = (item: Any) => of('LimitRange', 'l', { spec: { limits: [{ type: 'Container', ...item }] } }, { namespace: 'shop' })
test.each<readonly [string, ModelObject, string]>([
  ['a full quota: the pod makes room for its replacement', quota({ pods: '2' }, { pods: '2' }), 'goes'],
  ['a quota that was lowered', quota({ pods: '1' }, { pods: '2' }), 'ResourceQuota'],
  [
    'a quota that is exceeded by what it does not take',
    quota({ 'requests.nvidia.com/gpu': '1' }, { 'requests.nvidia.com/gpu': '2' }),
    'goes',
  ],
  ['a quota on limits, of which the pod has none', quota({ 'limits.cpu': '9' }, { 'limits.cpu': '0' }), 'ResourceQuota'],
  ['a lowered quota for others', quota({ pods: '1' }, { pods: '2' }, { scopes: ['BestEffort'] }), 'goes'],
  [
    'a lowered quota for its like',
    quota({ pods: '1' }, { pods: '2' }, { scopes: ['NotBestEffort', 'NotTerminating'] }),
    'ResourceQuota',
  ],
  [
    'a lowered quota for a priority class',
    quota(
      { pods: '1' },
      { pods: '2' },
      { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] } },
    ),
    'goes',
  ],
  ['a limit range that it keeps', limits({ min: { cpu: '1' } }), 'goes'],
  ['a least that it is below', limits({ min: { cpu: '1001m' } }), 'LimitRange'],
  ['a most, and it has no limit', limits({ max: { cpu: '2' } }), 'LimitRange'],
  ['a ratio, and it has no limit', limits({ maxLimitRequestRatio: { cpu: '2' } }), 'LimitRange'],
  ['a least for whole pods', limits({ type: 'Pod', min: { memory: '2Gi' } }), 'LimitRange'],
])('re-creation: %s', (_, object, rule) => {
  expect(verdict({}, [object])).toBe(rule)
})

const named = (over: Any) => ({ metadata: { ...node('a').metadata, ...over } })
test.each<readonly [string, Parameters<typeof node>[1], Any, string | undefined]>([
  ['an old node', {}, {}, undefined],
  ['the control plane', named({ labels: { 'node-role.kubernetes.io/control-plane': '' } }), {}, 'ControlPlane'],
  [
    'scale-down-disabled',
    named({ annotations: { 'cluster-autoscaler.kubernetes.io/scale-down-disabled': 'true' } }),
    {},
    'RemovalDisabled',
  ],
  ['outside of the scope', {}, { scope: { matchLabels: { 'provisioner.cast.ai/managed-by': 'cast.ai' } } }, 'OutOfScope'],
  ['Windows', named({ labels: { 'kubernetes.io/os': 'windows' } }), {}, 'Windows'],
  ['Windows, and the policy wants it', named({ labels: { 'kubernetes.io/os': 'windows' } }), { windows: true }, undefined],
  ['arm64', named({ labels: { 'kubernetes.io/arch': 'arm64' } }), {}, undefined],
  ['arm64, and the policy does not want it', named({ labels: { 'kubernetes.io/arch': 'arm64' } }), { arm64: false }, 'Arm64'],
  [
    'one that Karpenter removes',
    { spec: { taints: [{ key: 'karpenter.sh/disrupted', effect: 'NoSchedule' }] } },
    {},
    'RemovedByOthers',
  ],
  [
    'one that the cluster autoscaler removes',
    { spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] } },
    {},
    'RemovedByOthers',
  ],
  ['one that somebody cordoned', { spec: { unschedulable: true } }, {}, 'Cordoned'],
  ['one that is not ready', { conditions: [{ type: 'Ready', status: 'Unknown' }] }, {}, 'NotReady'],
  ['one in its grace', named({ creationTimestamp: new Date(NOW - 299_000).toISOString() }), {}, 'TooYoung'],
  ['one past its grace', named({ creationTimestamp: new Date(NOW - 300_000).toISOString() }), {}, undefined],
  ['one of unknown age', named({ creationTimestamp: undefined }), {}, 'TooYoung'],
])('nodes: %s', (_, over, policy, rule) => {
  const it = modelOf(node('a', over)).nodes.get('a')
  if (!it) throw new Error('there is no a')
  expect(nodeBlocked(it, Policy.parse(policy), NOW, new Set())?.code).toBe(rule)
})
