import {
  controllerOf,
  type LabelSelector,
  type OwnerReference,
  type Pod,
  type PodAffinityTerm,
  type PodSpec,
} from '../../../events/kubernetes.ts'
import type { PodEntry } from '../model.ts'
import type { Columns } from './columns.ts'
import { type Demand, demandOf, heldBy, larger } from './demand.ts'
import type { LabelSet } from './labels.ts'

/** Pairs of resource index and amount; only what is asked for. */
type Ask = readonly (readonly [number, number])[]

/** What pods of one making have in common: all that scheduling and eviction ask about. Interned, so a pod stays small. */
export type Shape = {
  readonly key: string
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly labelSet: LabelSet
  readonly owner: OwnerReference | undefined
  /** Only the marks that the rules of eligibility know. */
  readonly annotations: Readonly<Record<string, string>>
  readonly spec: PodSpec
  /** What its replacement asks for: the pod's own requests, or what it holds by a resize in place if that is more. */
  readonly demand: Ask
  /** What a pod of the shape takes on the node where it runs. */
  readonly held: Ask
  /** It depends on where other pods are. */
  readonly social: boolean
  /** It has required anti-affinity: it has a say about every other pod. */
  readonly repels: boolean
  readonly ports: readonly HostPort[]
  /** Names of its claims, in its namespace. Those of ephemeral volumes are made anew with each pod. */
  readonly claims: readonly string[]
  readonly pods: PodEntry[]
}

export type HostPort = { readonly port: number; readonly protocol: string; readonly ip: string }
const hostPorts = ({ containers, initContainers = [] }: PodSpec): readonly HostPort[] =>
  [...containers, ...initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort = 0, protocol = 'TCP', hostIP = '' }) =>
      hostPort > 0 ? [{ port: hostPort, protocol, ip: hostIP === '' ? '0.0.0.0' : hostIP }] : [],
    ),
  )

const PREFIXES = [
  'autoscaling.cast.ai/',
  'beta.evictor.cast.ai/',
  'quartermaster.dev/',
  'cluster-autoscaler.kubernetes.io/',
  'karpenter.sh/',
  'descheduler.alpha.kubernetes.io/',
  'leaderworkerset.sigs.k8s.io/',
  'scheduling.k8s.io/',
  'scheduling.volcano.sh/',
  'kueue.x-k8s.io/',
  'controller.kubernetes.io/pod-deletion-cost',
]
/** Its value is the same for no two pods, and nobody reads it here. */
export const MIRROR = 'kubernetes.io/config.mirror'

const kept = (annotations: Readonly<Record<string, string>> = {}): Record<string, string> => {
  const marks: Record<string, string> = {}
  for (const [name, value] of Object.entries(annotations)) {
    if (name === MIRROR) marks[name] = ''
    else if (PREFIXES.some((prefix) => name.startsWith(prefix))) marks[name] = value
  }
  return marks
}

/** The controller of DaemonSets binds each pod to its node by its name: without that the pods of one are of one shape. */
const unbound = (affinity: PodSpec['affinity']): PodSpec['affinity'] => {
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  if (!terms) return affinity
  const left = terms.map(({ matchFields, ...term }) => ({ ...term, matchFields: matchFields?.filter(({ key }) => key !== NAME) }))
  const isAny = left.some(({ matchExpressions = [], matchFields = [] }) => matchExpressions.length + matchFields.length === 0)
  const required = isAny ? undefined : { nodeSelectorTerms: left }
  return { ...affinity, nodeAffinity: { ...affinity.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: required } }
}
const NAME = 'metadata.name'

// The names of token volumes are random (kube-api-access-x7k2p), and of the node only the pod itself knows.
const shared = ({ nodeName: _, volumes, ...spec }: PodSpec): PodSpec =>
  volumes ? { ...spec, volumes: volumes.map((volume) => (isLocal(volume) ? volume : { ...volume, name: '' })) } : spec
const sharedBy = (owner: OwnerReference | undefined, spec: PodSpec): PodSpec =>
  owner?.kind === 'DaemonSet' && spec.affinity ? shared({ ...spec, affinity: unbound(spec.affinity) }) : shared(spec)

type Volume = NonNullable<PodSpec['volumes']>[number]
/** What it holds is on the node, and is lost with it. */
export const isLocal = ({ emptyDir, hostPath }: Volume): boolean =>
  hostPath !== undefined || (emptyDir !== undefined && emptyDir.medium !== 'Memory')

type Raw = Pick<Shape, 'namespace' | 'labels' | 'owner' | 'annotations' | 'spec'> & {
  /** Only for a pod whose resize in place is under way: what it holds. */
  readonly resized: readonly (readonly [string, number])[] | undefined
}

const same = (a: Readonly<Record<string, unknown>> = {}, b: Readonly<Record<string, unknown>> = {}): boolean => {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}
/** Whether some container has been given something else than its spec asks, or the pod as a whole has. */
const isResized = ({ spec, status }: Pod): boolean => {
  if (spec.resources && (status.resources ?? status.allocatedResources)) return true
  const statuses = [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])]
  return statuses.some(({ name, allocatedResources, resources }) => {
    if (!allocatedResources && !resources?.requests) return false
    const requests = [...spec.containers, ...(spec.initContainers ?? [])].find((each) => each.name === name)?.resources?.requests
    return (
      (allocatedResources !== undefined && !same(allocatedResources, requests)) ||
      (resources?.requests !== undefined && !same(resources.requests, requests))
    )
  })
}

/** What is the same for all pods of the shape. @throws RangeError when what a resize has given is no quantity */
export const rawShape = (pod: Pod): Raw => ({
  namespace: pod.metadata.namespace ?? '',
  labels: pod.metadata.labels ?? {},
  owner: controllerOf(pod.metadata),
  annotations: kept(pod.metadata.annotations),
  spec: sharedBy(controllerOf(pod.metadata), pod.spec),
  resized: isResized(pod) ? [...heldBy(pod)] : undefined,
})

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist']
/** @throws RangeError for a label selector with an operator that Kubernetes does not define */
export const checkSelector = (selector: LabelSelector | null | undefined): void => {
  for (const { key, operator } of selector?.matchExpressions ?? [])
    if (!OPERATORS.includes(operator))
      throw new RangeError(`"${operator}" (of ${key}) is no selector operator (${OPERATORS.join(', ')})`)
}
/** The required terms of pod affinity or anti-affinity. */
export const requiredTerms = ({ affinity }: PodSpec, which: 'podAffinity' | 'podAntiAffinity'): readonly PodAffinityTerm[] =>
  affinity?.[which]?.requiredDuringSchedulingIgnoredDuringExecution ?? []

const checkSelectors = (spec: PodSpec): void => {
  const terms = [...requiredTerms(spec, 'podAffinity'), ...requiredTerms(spec, 'podAntiAffinity')]
  for (const { labelSelector, namespaceSelector } of terms) {
    checkSelector(labelSelector)
    checkSelector(namespaceSelector)
  }
  for (const { labelSelector } of spec.topologySpreadConstraints ?? []) checkSelector(labelSelector)
}

const asked = (demand: Demand, indexOf: Columns['indexOf']): Ask =>
  [...demand].map(([name, amount]) => [indexOf(name), amount] as const)

/**
 * The shape of what `rawShape` has found. Nothing is interned when it throws.
 * @throws RangeError for a request that is no quantity, or a selector that makes no sense
 */
export const shapeOf = (
  { resized, ...raw }: Raw,
  key: string,
  { indexOf }: Columns,
  labelSetOf: (namespace: string, labels: Shape['labels']) => LabelSet,
): Shape => {
  const { spec } = raw
  checkSelectors(spec)
  const demand = demandOf(spec)
  const repels = requiredTerms(spec, 'podAntiAffinity').length > 0
  const spread = (spec.topologySpreadConstraints ?? []).some(({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule')
  const ask = asked(resized ? larger(demand, new Map(resized)) : demand, indexOf)
  return {
    ...raw,
    key,
    demand: ask,
    held: resized ? asked(new Map(resized), indexOf) : ask,
    repels,
    social: repels || spread || requiredTerms(spec, 'podAffinity').length > 0,
    ports: hostPorts(spec),
    claims: (spec.volumes ?? []).flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? []),
    pods: [],
    labelSet: labelSetOf(raw.namespace, raw.labels),
  }
}
