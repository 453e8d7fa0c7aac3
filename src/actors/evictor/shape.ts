import { controllerOf, type LabelSelector, type OwnerReference, type Pod, type PodSpec } from '../../events/kubernetes.ts'
import type { Columns } from './columns.ts'
import { demandOf } from './demand.ts'
import type { PodEntry } from './model.ts'

/** What pods of one making have in common: all that scheduling and eviction ask about. Interned, so a pod stays small. */
export type Shape = {
  readonly key: string
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly owner: OwnerReference | undefined
  readonly annotations: Readonly<Record<string, string>>
  readonly spec: PodSpec
  /** Pairs of resource index and amount; only what is asked for. */
  readonly demand: readonly (readonly [number, number])[]
  /** It has a say in, or depends on, where other pods are. */
  readonly social: boolean
  readonly repels: boolean
  readonly ports: readonly HostPort[]
  readonly pods: Set<PodEntry>
}

export type HostPort = { readonly port: number; readonly protocol: string; readonly ip: string }
const hostPorts = ({ containers, initContainers = [] }: PodSpec): readonly HostPort[] =>
  [...containers, ...initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort = 0, protocol = 'TCP', hostIP = '' }) =>
      hostPort > 0 ? [{ port: hostPort, protocol, ip: hostIP === '' ? '0.0.0.0' : hostIP }] : [],
    ),
  )

/** The marks on pods and nodes by which people forbid their removal; and what tells a static pod. */
export const MARKS = [
  'autoscaling.cast.ai/removal-disabled',
  'quartermaster.dev/removal-disabled',
  'cluster-autoscaler.kubernetes.io/safe-to-evict',
  'karpenter.sh/do-not-disrupt',
] as const
export const MIRROR = 'kubernetes.io/config.mirror'

const kept = (annotations: Readonly<Record<string, string>> = {}): Record<string, string> => {
  const marks: Record<string, string> = {}
  for (const name of [...MARKS, MIRROR]) if (annotations[name] !== undefined) marks[name] = annotations[name]
  return marks
}

// The names of volumes are random (kube-api-access-x7k2p), and of the node only the pod itself knows.
const shared = ({ nodeName: _, volumes, ...spec }: PodSpec): PodSpec =>
  volumes ? { ...spec, volumes: volumes.map((volume) => ({ ...volume, name: '' })) } : spec

type Raw = Pick<Shape, 'namespace' | 'labels' | 'owner' | 'annotations' | 'spec'>
export const rawShape = ({ metadata, spec }: Pod): Raw => ({
  namespace: metadata.namespace ?? '',
  labels: metadata.labels ?? {},
  owner: controllerOf(metadata),
  annotations: kept(metadata.annotations),
  spec: shared(spec),
})

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist']
/** @throws RangeError for a label selector with an operator that Kubernetes does not define */
export const checkSelector = (selector: LabelSelector | null | undefined): void => {
  for (const { key, operator } of selector?.matchExpressions ?? [])
    if (!OPERATORS.includes(operator))
      throw new RangeError(`"${operator}" (of ${key}) is no selector operator (${OPERATORS.join(', ')})`)
}
const checkSelectors = ({ affinity, topologySpreadConstraints = [] }: PodSpec): void => {
  const terms = [affinity?.podAffinity, affinity?.podAntiAffinity].flatMap(
    (rules) => rules?.requiredDuringSchedulingIgnoredDuringExecution ?? [],
  )
  for (const { labelSelector } of [...terms, ...topologySpreadConstraints]) checkSelector(labelSelector)
}

/** @throws RangeError for a request that is no quantity, or a selector that makes no sense */
export const shapeOf = (raw: Raw, key: string, { indexOf }: Columns): Shape => {
  const { affinity, topologySpreadConstraints = [] } = raw.spec
  checkSelectors(raw.spec)
  const repels = (affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).length > 0
  const attracted = (affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).length > 0
  const spread = topologySpreadConstraints.some(({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule')
  const demand = [...demandOf(raw.spec)]
    .filter(([, amount]) => amount > 0)
    .map(([name, amount]) => [indexOf(name), amount] as const)
  return { ...raw, key, demand, repels, social: repels || attracted || spread, ports: hostPorts(raw.spec), pods: new Set() }
}
