import { z } from 'zod'

// The slim shapes: of each kind the fields that some actor uses, under Kubernetes' own names. Parsing an object of
// the API with one of them is the projection: what is not named here is dropped. So the records on OBJECTS, a
// `kubectl get -o json` List and the simulated cluster's answers are all read by the same schemas.

const strings = z.record(z.string(), z.string())
const Quantity = z.union([z.string(), z.number()])
const quantities = z.record(z.string(), Quantity)

export const OwnerReference = z.object({
  apiVersion: z.string().optional(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().optional(),
})
export type OwnerReference = z.infer<typeof OwnerReference>

export const ObjectMeta = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  uid: z.string().default(''),
  resourceVersion: z.string().default(''),
  creationTimestamp: z.string().nullish(),
  deletionTimestamp: z.string().optional(),
  labels: strings.optional(),
  annotations: strings.optional(),
  ownerReferences: z.array(OwnerReference).optional(),
})
export type ObjectMeta = z.infer<typeof ObjectMeta>

const LabelSelectorRequirement = z.object({
  key: z.string(),
  operator: z.string(),
  values: z.array(z.string()).optional(),
})
export const LabelSelector = z.object({
  matchLabels: strings.optional(),
  matchExpressions: z.array(LabelSelectorRequirement).optional(),
})
export type LabelSelector = z.infer<typeof LabelSelector>

export const Taint = z.object({ key: z.string(), value: z.string().optional(), effect: z.string() })
export type Taint = z.infer<typeof Taint>

export const Toleration = z.object({
  key: z.string().optional(),
  operator: z.string().optional(),
  value: z.string().optional(),
  effect: z.string().optional(),
})
export type Toleration = z.infer<typeof Toleration>

const Condition = z.object({ type: z.string(), status: z.string(), reason: z.string().optional() })

export const Node = z.object({
  kind: z.literal('Node'),
  metadata: ObjectMeta,
  spec: z
    .object({ providerID: z.string().optional(), unschedulable: z.boolean().optional(), taints: z.array(Taint).optional() })
    .default({}),
  status: z
    .object({ allocatable: quantities.default({}), conditions: z.array(Condition).optional() })
    .default({ allocatable: {} }),
})
export type Node = z.infer<typeof Node>

const Resources = z.object({ requests: quantities.optional(), limits: quantities.optional() })

const Container = z.object({
  name: z.string(),
  resources: Resources.optional(),
  restartPolicy: z.string().optional(),
  restartPolicyRules: z.array(z.object({ action: z.string() })).optional(),
  ports: z
    .array(z.object({ hostPort: z.number().optional(), protocol: z.string().optional(), hostIP: z.string().optional() }))
    .optional(),
})

export const NodeSelectorTerm = z.object({
  matchExpressions: z.array(LabelSelectorRequirement).optional(),
  matchFields: z.array(LabelSelectorRequirement).optional(),
})
export type NodeSelectorTerm = z.infer<typeof NodeSelectorTerm>
export const NodeSelector = z.object({ nodeSelectorTerms: z.array(NodeSelectorTerm) })
export type NodeSelector = z.infer<typeof NodeSelector>

export const PodAffinityTerm = z.object({
  topologyKey: z.string(),
  labelSelector: LabelSelector.nullish(),
  namespaces: z.array(z.string()).optional(),
  namespaceSelector: LabelSelector.nullish(),
  matchLabelKeys: z.array(z.string()).optional(),
  mismatchLabelKeys: z.array(z.string()).optional(),
})
export type PodAffinityTerm = z.infer<typeof PodAffinityTerm>

const PodAffinity = z.object({
  requiredDuringSchedulingIgnoredDuringExecution: z.array(PodAffinityTerm).optional(),
  preferredDuringSchedulingIgnoredDuringExecution: z
    .array(z.object({ weight: z.number(), podAffinityTerm: PodAffinityTerm }))
    .optional(),
})

const Affinity = z.object({
  nodeAffinity: z
    .object({
      requiredDuringSchedulingIgnoredDuringExecution: NodeSelector.optional(),
      preferredDuringSchedulingIgnoredDuringExecution: z
        .array(z.object({ weight: z.number(), preference: NodeSelectorTerm }))
        .optional(),
    })
    .optional(),
  podAffinity: PodAffinity.optional(),
  podAntiAffinity: PodAffinity.optional(),
})

export const TopologySpreadConstraint = z.object({
  maxSkew: z.number(),
  topologyKey: z.string(),
  whenUnsatisfiable: z.string(),
  labelSelector: LabelSelector.nullish(),
  minDomains: z.number().optional(),
  matchLabelKeys: z.array(z.string()).optional(),
  nodeAffinityPolicy: z.string().optional(),
  nodeTaintsPolicy: z.string().optional(),
})

// Of a volume only its source matters, and of most sources only that it is there.
const Volume = z.object({
  name: z.string(),
  emptyDir: z.object({ medium: z.string().optional() }).optional(),
  hostPath: z.object({ path: z.string() }).optional(),
  persistentVolumeClaim: z.object({ claimName: z.string() }).optional(),
  ephemeral: z
    .object({ volumeClaimTemplate: z.object({ spec: z.object({ storageClassName: z.string().optional() }) }).optional() })
    .optional(),
  configMap: z.object({}).optional(),
  secret: z.object({}).optional(),
  projected: z.object({}).optional(),
  downwardAPI: z.object({}).optional(),
  csi: z.object({}).optional(),
  nfs: z.object({}).optional(),
  image: z.object({}).optional(),
})

export const PodSpec = z.object({
  nodeName: z.string().optional(),
  nodeSelector: strings.optional(),
  affinity: Affinity.nullish(),
  tolerations: z.array(Toleration).optional(),
  topologySpreadConstraints: z.array(TopologySpreadConstraint).optional(),
  priority: z.number().optional(),
  priorityClassName: z.string().optional(),
  schedulerName: z.string().optional(),
  schedulingGroup: z.object({ podGroupName: z.string().optional() }).optional(),
  activeDeadlineSeconds: z.number().optional(),
  hostNetwork: z.boolean().optional(),
  hostUsers: z.boolean().optional(),
  terminationGracePeriodSeconds: z.number().nullish(),
  resources: Resources.optional(),
  schedulingGates: z.array(z.object({ name: z.string() })).optional(),
  resourceClaims: z.array(z.object({ name: z.string() })).optional(),
  overhead: quantities.optional(),
  containers: z.array(Container).default([]),
  initContainers: z.array(Container).optional(),
  volumes: z.array(Volume).optional(),
})
export type PodSpec = z.infer<typeof PodSpec>

// What a resize in place has given to a container so far; while nothing is resized it says what its spec says.
const ContainerStatus = z.object({
  name: z.string(),
  allocatedResources: quantities.optional(),
  resources: Resources.optional(),
})

export const Pod = z.object({
  kind: z.literal('Pod'),
  metadata: ObjectMeta,
  spec: PodSpec,
  status: z
    .object({
      phase: z.string().optional(),
      startTime: z.string().nullish(),
      conditions: z.array(Condition).optional(),
      containerStatuses: z.array(ContainerStatus).optional(),
      initContainerStatuses: z.array(ContainerStatus).optional(),
      resources: Resources.optional(),
      allocatedResources: quantities.optional(),
    })
    .default({}),
})
export type Pod = z.infer<typeof Pod>

const workloadSpec = z.object({ replicas: z.number().nullish(), selector: LabelSelector.nullish() })
const Workload = <Kind extends string>(kind: Kind) =>
  z.object({
    kind: z.literal(kind),
    metadata: ObjectMeta,
    spec: workloadSpec.default({}),
    status: z.object({ replicas: z.number().optional(), readyReplicas: z.number().optional() }).default({}),
  })
export const Deployment = Workload('Deployment').extend({
  spec: workloadSpec
    .extend({
      strategy: z
        .object({
          type: z.string().optional(),
          rollingUpdate: z.object({ maxSurge: z.union([z.string(), z.number()]).optional() }).nullish(),
        })
        .nullish(),
    })
    .default({}),
})
export type Deployment = z.infer<typeof Deployment>
export const ReplicaSet = Workload('ReplicaSet')
export type ReplicaSet = z.infer<typeof ReplicaSet>
export const DaemonSet = Workload('DaemonSet')
export type DaemonSet = z.infer<typeof DaemonSet>

export const StatefulSet = Workload('StatefulSet')
export type StatefulSet = z.infer<typeof StatefulSet>
/** Its selector is a set of labels, not a selector with expressions. */
export const ReplicationController = z.object({
  kind: z.literal('ReplicationController'),
  metadata: ObjectMeta,
  spec: z.object({ replicas: z.number().nullish(), selector: strings.nullish() }).default({}),
})
export type ReplicationController = z.infer<typeof ReplicationController>

export const PodDisruptionBudget = z.object({
  kind: z.literal('PodDisruptionBudget'),
  metadata: ObjectMeta,
  spec: z.object({
    minAvailable: z.union([z.string(), z.number()]).optional(),
    maxUnavailable: z.union([z.string(), z.number()]).optional(),
    selector: LabelSelector.nullish(),
    unhealthyPodEvictionPolicy: z.string().optional(),
  }),
  status: z
    .object({
      disruptionsAllowed: z.number().default(0),
      currentHealthy: z.number().default(0),
      desiredHealthy: z.number().default(0),
      expectedPods: z.number().default(0),
    })
    .default({ disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }),
})
export type PodDisruptionBudget = z.infer<typeof PodDisruptionBudget>

export const HorizontalPodAutoscaler = z.object({
  kind: z.literal('HorizontalPodAutoscaler'),
  metadata: ObjectMeta,
  spec: z.object({ maxReplicas: z.number(), scaleTargetRef: z.object({ kind: z.string(), name: z.string() }) }),
})
export type HorizontalPodAutoscaler = z.infer<typeof HorizontalPodAutoscaler>

/** What a container of a pod used when it was last measured. */
export const PodMetrics = z.object({
  kind: z.literal('PodMetrics'),
  metadata: ObjectMeta,
  timestamp: z.string(),
  window: z.string(),
  containers: z.array(z.object({ name: z.string(), usage: quantities.default({}) })).default([]),
})

/** An object of any kind, as far as all of them are alike. */
export type KubernetesObject = {
  readonly kind: string
  readonly apiVersion?: string | undefined
  readonly metadata: ObjectMeta
  readonly [field: string]: unknown
}
/** A full record: what is beside kind and metadata depends on its kind. */
export const FullObject = z.looseObject({ kind: z.string(), apiVersion: z.string().optional(), metadata: ObjectMeta })

/** What the planner decides on. */
export type PlannedObject = Node | Pod | Deployment | ReplicaSet | DaemonSet | PodDisruptionBudget

/** The owner that manages the object, if any. */
export const controllerOf = (meta: ObjectMeta): OwnerReference | undefined =>
  meta.ownerReferences?.find(({ controller }) => controller === true)
