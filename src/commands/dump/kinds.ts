import { catalogue, full, type Kind } from '../../events/kinds.ts'

const global = { namespaced: false } as const

/** What the agent has no use for yet, and lint and the planner of a later release have. */
const beside: readonly Kind[] = [
  full('serviceaccounts', ['v1'], 'ServiceAccount'),
  full('priorityclasses.scheduling.k8s.io', ['v1'], 'PriorityClass', global),
  full('runtimeclasses.node.k8s.io', ['v1'], 'RuntimeClass', global),
  full('volumeattachments.storage.k8s.io', ['v1'], 'VolumeAttachment', global),
  full('csidrivers.storage.k8s.io', ['v1'], 'CSIDriver', global),
  full('csistoragecapacities.storage.k8s.io', ['v1'], 'CSIStorageCapacity'),
  full('validatingwebhookconfigurations.admissionregistration.k8s.io', ['v1'], 'ValidatingWebhookConfiguration', global),
  full('mutatingwebhookconfigurations.admissionregistration.k8s.io', ['v1'], 'MutatingWebhookConfiguration', global),
]

/** Every kind that a dump asks for, what planning needs first. Secrets are not among them, nor ConfigMaps. */
export const dumpedKinds: readonly Kind[] = [...catalogue({ emptyReplicaSets: true }), ...beside]

/** Without these there is nothing to plan, lint or show. */
export const isIndispensable = ({ name }: Kind): boolean => name === 'nodes' || name === 'pods'

// By the group or the name of a kind: what is weaker without it.
const WEAKENED: readonly (readonly [names: RegExp, how: string])[] = [
  [/^poddisruptionbudgets/, 'budgets are not known, so evictions that a plan counts on may be refused when it is carried out'],
  [
    /^(deployments|replicasets|replicationcontrollers|rollouts)/,
    'how many replicas are wanted is not known and is taken from the pods that run: one that is down looks like one that is not wanted',
  ],
  [/^daemonsets/, 'what a new node would start with is not known; plans that only empty nodes are not affected'],
  [
    /^(persistentvolume|storageclasses|csi|volumeattachments)/,
    'where a volume can be attached is not known: pods that have one stay where they are',
  ],
  [/resource\.k8s\.io$/, 'which devices are free is not known: pods that claim devices stay where they are'],
  [/^namespaces/, 'pods with affinity to namespaces by their labels stay where they are'],
  [/^(limitranges|resourcequotas)/, 'a quota may refuse the replacement of an evicted pod when a plan is carried out'],
  [
    /^(horizontalpodautoscalers|scaledobjects|verticalpodautoscalers)/,
    'sizes and numbers of pods may change while a plan is carried out, and it is not known which',
  ],
  [/karpenter/, 'Karpenter may add and remove nodes at the same time, and it is not known by which rules'],
  [/^(priorityclasses|runtimeclasses)/, 'nothing for planning: what a pod got from its class is in the pod'],
  [/^(statefulsets|jobs|cronjobs|scaledjobs|extendeddaemonset)/, 'planning goes by their pods; their templates are not linted'],
  [/^(pods\.metrics|events)/, 'what pods really use is not known: plans go by what they request'],
]
const LINT = 'nothing for planning; lint rules that look at them say nothing'

/** How a plan or a lint run is weaker without a kind, for people. */
export const weakenedWithout = (name: string): string => WEAKENED.find(([names]) => names.test(name))?.[1] ?? LINT
