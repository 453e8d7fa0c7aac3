import { CORDONED_BY } from '../../../events/controller.ts'
import type { Node } from '../../../events/kubernetes.ts'
import type { Policy, Reason } from '../../../events/plan.ts'
import { selects } from '../../../events/selector.ts'
import type { NodeEntry } from '../model.ts'
import { forbiddenBy } from './marks.ts'

/** What is asked about a node. `now` is epoch milliseconds; nodes to `avoid` have failed to drain lately. */
type Case = { readonly node: Node; readonly policy: Policy; readonly now: number; readonly avoid: ReadonlySet<string> }
/** Why a node may not be emptied, whatever runs on it. Reasons carry the rule's name as their code. */
type NodeRule = { readonly name: string; readonly why: (asked: Case) => string | undefined }

const CONTROL_PLANE = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master']
const controlPlane: NodeRule = {
  name: 'ControlPlane',
  why: ({ node }) => {
    const role = CONTROL_PLANE.find((name) => node.metadata.labels?.[name] !== undefined)
    return role && `it is of the control plane (${role})`
  },
}
const removalDisabled: NodeRule = {
  name: 'RemovalDisabled',
  why: ({ node: { metadata } }) => {
    const by = forbiddenBy({ ...metadata.labels, ...metadata.annotations }, [
      'cluster-autoscaler.kubernetes.io/scale-down-disabled',
      'karpenter.sh/do-not-consolidate',
    ])
    return by && `the node carries ${by}`
  },
}
const outOfScope: NodeRule = {
  name: 'OutOfScope',
  why: ({ node, policy: { scope } }) =>
    scope && !selects(scope, node.metadata.labels) ? "the policy's scope does not select it" : undefined,
}
const windows: NodeRule = {
  name: 'Windows',
  why: ({ node, policy }) =>
    !policy.windows && node.metadata.labels?.['kubernetes.io/os'] === 'windows'
      ? 'it runs Windows: only the policy "windows" empties it'
      : undefined,
}
const arm64: NodeRule = {
  name: 'Arm64',
  why: ({ node, policy }) =>
    !policy.arm64 && node.metadata.labels?.['kubernetes.io/arch'] === 'arm64' ? 'the policy leaves arm64 alone' : undefined,
}
const noAllocatable: NodeRule = {
  name: 'NoAllocatable',
  why: ({ node }) => (Object.keys(node.status.allocatable).length === 0 ? 'it says nothing of its room' : undefined),
}
const leaving: NodeRule = {
  name: 'NodeLeaving',
  why: ({ node }) => (node.metadata.deletionTimestamp !== undefined ? 'it is being deleted' : undefined),
}
const REMOVERS = ['ToBeDeletedByClusterAutoscaler', 'karpenter.sh/disrupted', 'karpenter.sh/disruption']
const removedByOthers: NodeRule = {
  name: 'RemovedByOthers',
  why: ({ node }) => {
    const taint = node.spec.taints?.find(({ key }) => REMOVERS.includes(key))
    return taint && `somebody else is removing it (taint ${taint.key})`
  },
}
const cordoned: NodeRule = {
  name: 'Cordoned',
  // What a drain of ours has left half done is done to the end, or given back.
  why: ({ node: { spec, metadata } }) =>
    spec.unschedulable && metadata.annotations?.[CORDONED_BY] === undefined ? 'somebody has cordoned it' : undefined,
}
const notReady: NodeRule = {
  name: 'NotReady',
  why: ({ node }) => {
    const ready = node.status.conditions?.find(({ type }) => type === 'Ready')
    return ready && ready.status !== 'True' ? `it is not ready (${ready.reason ?? ready.status})` : undefined
  },
}
const avoided: NodeRule = {
  name: 'Avoided',
  why: ({ node, avoid }) =>
    avoid.has(node.metadata.name) ? 'a drain of it has failed lately: it is left alone for a while' : undefined,
}
const tooYoung: NodeRule = {
  name: 'TooYoung',
  // A node of unknown age counts as young: a snapshot of the API always has it.
  why: ({ node, policy: { nodeGraceSeconds }, now }) => {
    const age = Math.floor((now - Date.parse(node.metadata.creationTimestamp ?? '')) / 1000)
    if (age >= nodeGraceSeconds) return undefined
    return `it is ${Number.isNaN(age) ? 'of unknown age' : `${age} s old`}, younger than the ${nodeGraceSeconds} s of grace`
  },
}

/** In this order; the first that has something against a node is its reason. */
export const nodeRules: readonly NodeRule[] = [
  controlPlane,
  removalDisabled,
  outOfScope,
  windows,
  arm64,
  noAllocatable,
  leaving,
  removedByOthers,
  cordoned,
  notReady,
  avoided,
  tooYoung,
]

/** Why the node itself may not be emptied, whatever runs on it. `now` is epoch milliseconds. */
export const nodeBlocked = (
  { object }: NodeEntry,
  policy: Policy,
  now: number,
  avoid: ReadonlySet<string>,
): Reason | undefined => {
  if (!object) return { code: 'NodeUnknown', message: 'only its pods are known' }
  for (const { name, why } of nodeRules) {
    const message = why({ node: object, policy, now, avoid })
    if (message !== undefined) return { code: name, message }
  }
  return undefined
}
