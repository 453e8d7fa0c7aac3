import { z } from 'zod'
import {
  DaemonSet,
  Deployment,
  FullObject,
  type KubernetesObject,
  Node,
  type PlannedObject,
  Pod,
  PodDisruptionBudget,
  PodMetrics,
  ReplicaSet,
} from './kubernetes.ts'

/** One kind of the catalogue: where it lives in the API, how it is read, and what of its objects is kept. */
export type Kind<O extends KubernetesObject = KubernetesObject> = {
  /** Kubernetes' own notation for a group's resource, as kubectl takes it: `pods`, `deployments.apps`. */
  readonly name: string
  /** '' is the core group. */
  readonly group: string
  readonly resource: string
  readonly kind: O['kind']
  /** The versions we can read, the best first: the first that is served is read. */
  readonly versions: readonly string[]
  readonly namespaced: boolean
  /** `always`: every cluster has it, and its absence is worth a word. `conditional`: there if somebody installed it. */
  readonly presence: 'always' | 'conditional'
  /** `slim`: the fields of its schema. `full`: everything that redaction lets through. */
  readonly record: 'slim' | 'full'
  /** What a record on OBJECTS holds at least. */
  readonly schema: z.ZodType<O>
  /** `fresh`: decisions are made on it, its news is never older than 15 s. `steady`: bookmarks, and a rare probe. */
  readonly news: 'fresh' | 'steady'
  readonly reading: 'watched' | 'polled'
  /** Reduces it at the server. */
  readonly fieldSelector?: string
  /** Reduces it here, asked with the object as the API gave it: what it says no to counts as deleted. */
  readonly keeps?: (raw: unknown) => boolean
  /** Only this namespace is read. Its name is then the path `namespaces/NAMESPACE/RESOURCE`. */
  readonly namespace?: string
}

type Traits = Pick<Kind, 'presence' | 'news' | 'reading'> & {
  readonly namespaced: boolean
  readonly fieldSelector?: string
  readonly keeps?: (raw: unknown) => boolean
}

const named = (name: string): Pick<Kind, 'name' | 'group' | 'resource'> => {
  const [resource = '', ...group] = name.split('.')
  return { name, resource, group: group.join('.') }
}
const slim = <O extends KubernetesObject>(
  name: string,
  versions: readonly string[],
  kind: O['kind'],
  schema: z.ZodType<O>,
  traits: Partial<Traits> = {},
): Kind<O> => ({
  ...named(name),
  kind,
  versions,
  record: 'slim',
  schema,
  namespaced: true,
  presence: 'always',
  news: 'fresh',
  reading: 'watched',
  ...traits,
})
/** A kind of which everything is kept that redaction lets through; whoever decides on it reads the part that the schema names. */
const whole = <O extends KubernetesObject>(...kind: Parameters<typeof slim<O>>): Kind<O> => ({ ...slim(...kind), record: 'full' })
export const full = (name: string, versions: readonly string[], kind: string, traits: Partial<Traits> = {}): Kind =>
  whole(name, versions, kind, FullObject, { news: 'steady', ...traits })
const global = { namespaced: false } as const
const conditional = { presence: 'conditional' } as const

export const nodes = slim('nodes', ['v1'], 'Node', Node, global)
export const pods = slim('pods', ['v1'], 'Pod', Pod)
const replicaSets = whole('replicasets.apps', ['v1'], 'ReplicaSet', ReplicaSet)

/** What the planner decides on. */
export const plannedKinds: readonly Kind<PlannedObject>[] = [
  nodes,
  pods,
  whole('deployments.apps', ['v1'], 'Deployment', Deployment),
  replicaSets,
  whole('daemonsets.apps', ['v1'], 'DaemonSet', DaemonSet),
  whole('poddisruptionbudgets.policy', ['v1'], 'PodDisruptionBudget', PodDisruptionBudget),
]

/**
 * What a record is made of an object: raised when slim shapes or redaction change that, so that records of an earlier
 * release are written anew once.
 */
export const RECORD_FORM = 2

/** What has to be allowed for a kind to be read. */
export const verbsToRead = ({ reading }: Kind): readonly string[] => (reading === 'polled' ? ['list'] : ['list', 'watch'])

const Counted = z.object({
  metadata: z.object({ ownerReferences: z.array(z.object({ controller: z.boolean().optional() })).optional() }),
  spec: z.object({ replicas: z.number().nullish() }).optional(),
  status: z.object({ replicas: z.number().optional() }).optional(),
})
/**
 * A Deployment keeps its last ten revisions as ReplicaSets of size 0: most ReplicaSets of a cluster, and nothing that
 * anybody decides on. One that still has pods is kept: the way from its last pods to the Deployment leads over it.
 */
const isInUse = (raw: unknown): boolean => {
  const { data } = Counted.safeParse(raw)
  const isOwned = data?.metadata.ownerReferences?.some(({ controller }) => controller === true) ?? false
  return !isOwned || data?.spec?.replicas !== 0 || (data.status?.replicas ?? 0) > 0
}

const Typed = z.object({ spec: z.object({ type: z.string().optional() }) })
/** An ExternalName is an alias in the DNS: no pod is behind it. */
const hasPods = (raw: unknown): boolean => Typed.safeParse(raw).data?.spec.type !== 'ExternalName'

const Said = z.object({ message: z.string().optional() })
/** The kubelet writes `The node was low on resource: memory. …` */
const isOfMemory = (raw: unknown): boolean => /low on resource: memory\b/.test(Said.safeParse(raw).data?.message ?? '')

/** Who writes the Events that are ours. */
const REPORTER = 'quartermaster.dev'

const everywhere: readonly Kind[] = [
  full('namespaces', ['v1'], 'Namespace', global),
  full('persistentvolumes', ['v1'], 'PersistentVolume', global),
  full('persistentvolumeclaims', ['v1'], 'PersistentVolumeClaim'),
  full('storageclasses.storage.k8s.io', ['v1'], 'StorageClass', global),
  full('replicationcontrollers', ['v1'], 'ReplicationController'),
  full('statefulsets.apps', ['v1'], 'StatefulSet'),
  full('jobs.batch', ['v1'], 'Job'),
  full('cronjobs.batch', ['v1'], 'CronJob'),
  full('services', ['v1'], 'Service', { keeps: hasPods }),
  // One store, two APIs, one selector each: through the one the evictions for want of memory, through the other our own.
  full('events', ['v1'], 'Event', { fieldSelector: 'involvedObject.kind=Pod,reason=Evicted', keeps: isOfMemory }),
  full('events.events.k8s.io', ['v1'], 'Event', { fieldSelector: `reportingController=${REPORTER}` }),
]

const resourceVersions = ['v1', 'v1beta2', 'v1beta1']
const installed: readonly Kind[] = [
  full('csinodes.storage.k8s.io', ['v1'], 'CSINode', global),
  full('horizontalpodautoscalers.autoscaling', ['v2', 'v1'], 'HorizontalPodAutoscaler'),
  full('ingresses.networking.k8s.io', ['v1'], 'Ingress'),
  full('networkpolicies.networking.k8s.io', ['v1'], 'NetworkPolicy'),
  full('roles.rbac.authorization.k8s.io', ['v1'], 'Role'),
  full('rolebindings.rbac.authorization.k8s.io', ['v1'], 'RoleBinding'),
  full('clusterroles.rbac.authorization.k8s.io', ['v1'], 'ClusterRole', global),
  full('clusterrolebindings.rbac.authorization.k8s.io', ['v1'], 'ClusterRoleBinding', global),
  full('limitranges', ['v1'], 'LimitRange'),
  full('resourcequotas', ['v1'], 'ResourceQuota'),
  full('deviceclasses.resource.k8s.io', resourceVersions, 'DeviceClass', global),
  full('resourceclaims.resource.k8s.io', resourceVersions, 'ResourceClaim'),
  full('resourceclaimtemplates.resource.k8s.io', resourceVersions, 'ResourceClaimTemplate'),
  full('resourceslices.resource.k8s.io', resourceVersions, 'ResourceSlice', global),
  full('nodepools.karpenter.sh', ['v1', 'v1beta1'], 'NodePool', global),
  full('nodeclaims.karpenter.sh', ['v1', 'v1beta1'], 'NodeClaim', global),
  full('nodeoverlays.karpenter.sh', ['v1alpha1'], 'NodeOverlay', global),
  full('provisioners.karpenter.sh', ['v1alpha5'], 'Provisioner', global),
  full('machines.karpenter.sh', ['v1alpha5'], 'Machine', global),
  full('ec2nodeclasses.karpenter.k8s.aws', ['v1', 'v1beta1'], 'EC2NodeClass', global),
  full('awsnodetemplates.karpenter.k8s.aws', ['v1alpha1'], 'AWSNodeTemplate', global),
  full('aksnodeclasses.karpenter.azure.com', ['v1beta1', 'v1alpha2'], 'AKSNodeClass', global),
  full('gcenodeclasses.karpenter.k8s.gcp', ['v1alpha1'], 'GCENodeClass', global),
  full('rollouts.argoproj.io', ['v1alpha1'], 'Rollout'),
  full('scaledobjects.keda.sh', ['v1alpha1'], 'ScaledObject'),
  full('scaledjobs.keda.sh', ['v1alpha1'], 'ScaledJob'),
  full('verticalpodautoscalers.autoscaling.k8s.io', ['v1', 'v1beta2'], 'VerticalPodAutoscaler'),
  full('extendeddaemonsetreplicasets.datadoghq.com', ['v1alpha1'], 'ExtendedDaemonSetReplicaSet'),
].map((kind) => ({ ...kind, ...conditional }))

const podMetrics = slim('pods.metrics.k8s.io', ['v1beta1'], 'PodMetrics', PodMetrics, {
  ...conditional,
  news: 'steady',
  reading: 'polled',
})

const configMapsOf = (namespace: string): Kind => ({
  ...full('configmaps', ['v1'], 'ConfigMap', conditional),
  name: `namespaces/${namespace}/configmaps`,
  namespace,
})

export type KindOptions = {
  /** Of these namespaces the ConfigMaps are read; by default of none, because anything may be in them. */
  readonly configMapNamespaces?: readonly string[]
  /** Whether owned ReplicaSets without replicas are kept. */
  readonly emptyReplicaSets?: boolean
}

/** Every kind that the agent streams, what the planner needs first. Cast's own are not among them, and Secrets never are. */
export const catalogue = ({ configMapNamespaces = [], emptyReplicaSets = false }: KindOptions = {}): readonly Kind[] => [
  ...plannedKinds.map((kind): Kind => (kind === replicaSets && !emptyReplicaSets ? { ...kind, keeps: isInUse } : kind)),
  ...everywhere,
  ...installed,
  podMetrics,
  ...configMapNamespaces.map(configMapsOf),
]
