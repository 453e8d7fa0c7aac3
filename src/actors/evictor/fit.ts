import type { Node, NodeSelectorTerm, Taint } from '../../events/kubernetes.ts'
import type { Reason } from '../../events/plan.ts'
import { meets, tolerates } from '../../events/selector.ts'
import type { Model, NodeEntry } from './model.ts'
import type { HostPort, Shape } from './shape.ts'

/** Why a pod does not fit, in kube-scheduler's words where it has some. */
export type Refusal = Pick<Reason, 'code' | 'message'>

/** What a cordon puts on a node. */
export const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }
const refusal = (code: string, message: string): Refusal => ({ code, message })
const taintText = ({ key, value = '' }: Taint): string => `{${key}: ${value}}`

/** Volumes that follow a pod to any node, or that the policy judges; all others may bind it to where it is. */
const SIMULATED = ['emptyDir', 'hostPath', 'configMap', 'secret', 'projected', 'downwardAPI'] as const

/** What cannot be decided from the objects the model has is refused, never guessed. */
export const undecided = ({ spec }: Shape): Refusal | undefined => {
  const no = (what: string): Refusal => refusal('Undecided', `it ${what}, which is not simulated`)
  const { volumes = [], affinity } = spec
  if (volumes.some(({ persistentVolumeClaim, ephemeral }) => persistentVolumeClaim ?? ephemeral))
    return no('uses a persistent volume')
  const odd = volumes.find((volume) => !SIMULATED.some((source) => volume[source] !== undefined))
  if (odd) return no(`uses the volume ${odd.name} of a kind`)
  if (spec.resourceClaims?.length) return no('claims dynamic resources')
  if (spec.schedulingGates?.length) return no('waits at a scheduling gate')
  const terms = [affinity?.podAffinity, affinity?.podAntiAffinity].flatMap(
    (rules) => rules?.requiredDuringSchedulingIgnoredDuringExecution ?? [],
  )
  const byLabels = terms.some(
    ({ namespaceSelector: by }) => Object.keys(by?.matchLabels ?? {}).length + (by?.matchExpressions?.length ?? 0) > 0,
  )
  return byLabels ? no('chooses namespaces by their labels') : undefined
}

const matchesTerm = ({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, { metadata }: Node): boolean =>
  matchExpressions.length + matchFields.length > 0 &&
  matchExpressions.every((requirement) => meets(metadata.labels ?? {}, requirement)) &&
  matchFields.every((requirement) => meets({ 'metadata.name': metadata.name }, requirement))

/** nodeSelector and required node affinity. An operator that Kubernetes does not define matches nothing. */
export const matchesNode = ({ spec }: Shape, node: Node): boolean => {
  const labels = node.metadata.labels ?? {}
  if (!Object.entries(spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)) return false
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  try {
    return terms === undefined || terms.some((term) => matchesTerm(term, node))
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}
/** The first taint that forbids new pods of this shape. */
export const untolerated = ({ spec }: Shape, { spec: { taints = [] } }: Node): Taint | undefined =>
  taints.find((taint) => taint.effect !== 'PreferNoSchedule' && !tolerates(spec.tolerations, taint))

const byNode = (shape: Shape, node: Node): Refusal | undefined => {
  if (node.metadata.deletionTimestamp !== undefined) return refusal('NodeLeaving', 'node(s) are being deleted')
  // Also for pods that tolerate it: whoever cordoned the node wants it empty.
  if (node.spec.unschedulable) return refusal('NodeUnschedulable', 'node(s) were unschedulable')
  if (node.status.conditions?.some(({ type, status }) => type === 'Ready' && status !== 'True'))
    return refusal('NodeNotReady', 'node(s) were not ready')
  const taint = untolerated(shape, node)
  if (taint) return refusal('TaintToleration', `node(s) had untolerated taint ${taintText(taint)}`)
  if (!matchesNode(shape, node)) return refusal('NodeAffinity', "node(s) didn't match Pod's node affinity/selector")
  return undefined
}

type Memo = { readonly version: number; readonly byIndex: (Refusal | null)[] }
const memos = new WeakMap<Shape, Memo>()

/** What the nodes' objects alone say about the shape: remembered until a node changes. */
const standing = (model: Model, shape: Shape): ((node: NodeEntry) => Refusal | null) => {
  const version = model.nodesVersion()
  const known = memos.get(shape)
  const { byIndex } = known?.version === version ? known : { byIndex: [] }
  memos.set(shape, { version, byIndex })
  return ({ index, object }) => {
    if (!object) return refusal('NodeUnknown', 'node(s) are not known')
    const found = byIndex[index] === undefined ? (byNode(shape, object) ?? null) : byIndex[index]
    byIndex[index] = found
    return found
  }
}

/** Whether a node has so much left of every resource that the shape asks for. This is the planner's innermost loop. */
const roomFor = ({ columns: { allocatable, requested } }: Model, { demand }: Shape): ((node: NodeEntry) => boolean) => {
  const none = new Float64Array()
  const asked = demand.map(([resource, amount]) => ({
    all: allocatable[resource] ?? none,
    used: requested[resource] ?? none,
    amount,
  }))
  return ({ index }) => {
    for (const { all, used, amount } of asked) if (amount > (all[index] ?? 0) - (used[index] ?? 0)) return false
    return true
  }
}
const lacking = ({ columns }: Model, { demand }: Shape, { index }: NodeEntry): Refusal | undefined => {
  for (const [resource, amount] of demand) {
    if (amount <= (columns.allocatable[resource]?.[index] ?? 0) - (columns.requested[resource]?.[index] ?? 0)) continue
    const name = columns.names[resource] ?? ''
    return name === 'pods' ? refusal('TooManyPods', 'Too many pods') : refusal('InsufficientResource', `Insufficient ${name}`)
  }
  return undefined
}

const clash = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0')

const portTaken = ({ ports }: Shape, { pods }: NodeEntry): Refusal | undefined => {
  if (ports.length === 0) return undefined
  for (const { shape: other } of pods)
    if (other.ports.some((taken) => ports.some((port) => clash(port, taken))))
      return refusal('NodePorts', "node(s) didn't have free ports for the requested pod ports")
  return undefined
}

/** Why a pod of the shape may not go onto a node, apart from the other pods' places; in kube-scheduler's order. */
export const fit = (model: Model, shape: Shape): ((node: NodeEntry) => Refusal | undefined) => {
  const stands = standing(model, shape)
  return (node) => stands(node) ?? portTaken(shape, node) ?? lacking(model, shape, node)
}

/** The same as yes or no, the cheapest question first. */
export const fits = (model: Model, shape: Shape): ((node: NodeEntry) => boolean) => {
  const stands = standing(model, shape)
  const hasRoom = roomFor(model, shape)
  return (node) => hasRoom(node) && !stands(node) && !portTaken(shape, node)
}
