import type {
  DaemonSet,
  Deployment,
  Node,
  ObjectMeta,
  OwnerReference,
  Pod,
  PodDisruptionBudget,
  PodSpec,
  ReplicaSet,
} from '../events/kubernetes.ts'

export type Owner = OwnerReference & { readonly apiVersion: string; readonly blockOwnerDeletion?: boolean }
type Meta = Omit<ObjectMeta, 'ownerReferences'> & {
  readonly generateName?: string
  readonly generation?: number
  readonly finalizers?: readonly string[]
  readonly deletionGracePeriodSeconds?: number
  readonly ownerReferences?: Owner[]
}
/** What every object of the store has. Objects are never changed in place: a change is a new object. */
export type ApiObject = { readonly apiVersion: string; readonly kind: string; readonly metadata: Meta }
export type FullCondition = {
  readonly type: string
  readonly status: string
  readonly reason?: string | undefined
  readonly message?: string
  readonly lastTransitionTime?: string
  readonly observedGeneration?: number
}

type As<Shape extends { kind: string }> = Omit<Shape, 'metadata'> & ApiObject & { readonly kind: Shape['kind'] }
export type PodTemplate = {
  readonly metadata?: { labels?: Record<string, string>; annotations?: Record<string, string>; finalizers?: string[] }
  readonly spec: PodSpec
}
type Counts<Name extends string> = { readonly status: { readonly [Count in Name | 'observedGeneration']?: number } }
type ReplicaCounts = Counts<'replicas' | 'readyReplicas' | 'availableReplicas' | 'updatedReplicas' | 'fullyLabeledReplicas'>
type DaemonCounts = Counts<'currentNumberScheduled' | 'desiredNumberScheduled' | 'numberMisscheduled' | 'numberReady'>
type WithTemplate = { readonly spec: { readonly template?: PodTemplate; readonly strategy?: { readonly type?: string } } }

export type NodeObject = As<Node>
export type PodObject = As<Pod>
export type DeploymentObject = As<Deployment> & WithTemplate & ReplicaCounts
export type ReplicaSetObject = As<ReplicaSet> & WithTemplate & ReplicaCounts
export type DaemonSetObject = Omit<As<DaemonSet>, 'status'> & WithTemplate & DaemonCounts
export type BudgetStatus = PodDisruptionBudget['status'] & {
  readonly observedGeneration?: number
  readonly disruptedPods?: Readonly<Record<string, string>>
  readonly conditions?: readonly FullCondition[]
}
export type BudgetObject = As<PodDisruptionBudget> & { readonly status: BudgetStatus }
type NamespaceObject = ApiObject & { readonly kind: 'Namespace'; readonly spec?: object; readonly status?: object }
type LeaseObject = ApiObject & { readonly kind: 'Lease'; readonly spec: Readonly<Record<string, unknown>> }

type ConfigMapObject = ApiObject & { readonly kind: 'ConfigMap'; readonly data?: Readonly<Record<string, string>> }

/** An event of events.k8s.io. */
type EventObject = ApiObject & { readonly kind: 'Event'; readonly reportingController: string }

/** What the store keeps under each resource. */
export type Kinds = {
  readonly nodes: NodeObject
  readonly namespaces: NamespaceObject
  readonly pods: PodObject
  readonly deployments: DeploymentObject
  readonly replicasets: ReplicaSetObject
  readonly daemonsets: DaemonSetObject
  readonly poddisruptionbudgets: BudgetObject
  readonly leases: LeaseObject
  readonly configmaps: ConfigMapObject
  readonly events: EventObject
}
export type ResourceName = keyof Kinds

export type Kind = {
  readonly resource: ResourceName
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly namespaced: boolean
  /** Whether `/status` is written apart from the rest. */
  readonly hasStatus: boolean
}
const described = (
  resource: ResourceName,
  group: string,
  kind: string,
  shortNames: readonly string[],
  traits: { namespaced?: boolean; hasStatus?: boolean } = {},
): Kind => ({
  resource,
  group,
  version: 'v1',
  kind,
  singular: kind.toLowerCase(),
  shortNames,
  namespaced: true,
  hasStatus: true,
  ...traits,
})

export const kinds: Readonly<Record<ResourceName, Kind>> = {
  namespaces: described('namespaces', '', 'Namespace', ['ns'], { namespaced: false }),
  nodes: described('nodes', '', 'Node', ['no'], { namespaced: false }),
  pods: described('pods', '', 'Pod', ['po']),
  deployments: described('deployments', 'apps', 'Deployment', ['deploy']),
  replicasets: described('replicasets', 'apps', 'ReplicaSet', ['rs']),
  daemonsets: described('daemonsets', 'apps', 'DaemonSet', ['ds']),
  poddisruptionbudgets: described('poddisruptionbudgets', 'policy', 'PodDisruptionBudget', ['pdb']),
  leases: described('leases', 'coordination.k8s.io', 'Lease', [], { hasStatus: false }),
  configmaps: described('configmaps', '', 'ConfigMap', ['cm'], { hasStatus: false }),
  events: described('events', 'events.k8s.io', 'Event', ['ev'], { hasStatus: false }),
}
export const resourceNames: readonly ResourceName[] = [
  'namespaces',
  'nodes',
  'pods',
  'deployments',
  'replicasets',
  'daemonsets',
  'poddisruptionbudgets',
  'leases',
  'configmaps',
  'events',
]
export const isResourceName = (text: string): text is ResourceName => Object.hasOwn(kinds, text)
export const apiVersionOf = ({ group, version }: Kind): string => (group === '' ? version : `${group}/${version}`)

/** Where an object stands in its resource's table; etcd lists in this order. */
export const keyOf = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`
export const keyOfObject = ({ metadata }: ApiObject): string => keyOf(metadata.namespace, metadata.name)

/** The object as owner of what it makes. */
export const ownerReferenceTo = ({ apiVersion, kind, metadata }: ApiObject): Owner => ({
  apiVersion,
  kind,
  name: metadata.name,
  uid: metadata.uid,
  controller: true,
  blockOwnerDeletion: true,
})
export const controllerUid = ({ metadata }: ApiObject): string | undefined =>
  metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid

export const isTerminating = ({ metadata }: ApiObject): boolean => metadata.deletionTimestamp !== undefined
export const isFinished = ({ status }: PodObject): boolean => status.phase === 'Succeeded' || status.phase === 'Failed'
export const isReady = ({ status }: PodObject): boolean =>
  (status.conditions ?? []).some(({ type, status: value }) => type === 'Ready' && value === 'True')

/** The conditions with this one set; its transition time stays unless its status changes. */
export const withCondition = (conditions: readonly FullCondition[] = [], next: FullCondition, at: string): FullCondition[] => {
  const before = conditions.find(({ type }) => type === next.type)
  const same = before !== undefined && before.status === next.status
  const dated = { ...next, lastTransitionTime: same ? (before.lastTransitionTime ?? at) : at }
  return before ? conditions.map((each) => (each === before ? dated : each)) : [...conditions, dated]
}
