/** An object of the API, complete enough for an API server. */
export type KubernetesItem = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly [field: string]: unknown
  }
  readonly [field: string]: unknown
}
/** What a pod is made of beside the usual. */
export type PodDraft = {
  readonly labels?: Readonly<Record<string, string>>
  readonly spec?: object
  readonly status?: object
  readonly metadata?: object
  /** It must not be on a node already: what is asked about it would not be true of a living cluster. */
  readonly isPending?: true
  /** What must be there for it: claims, volumes. */
  readonly others?: readonly KubernetesItem[]
}

export const HOST = 'kubernetes.io/hostname'
export const ZONE = 'topology.kubernetes.io/zone'
export const REGION = 'topology.kubernetes.io/region'
export const ZONES: readonly string[] = ['a', 'b', 'c', 'd']
/** Apps whose pods are anybody's neighbours; the pods of all other apps are left in peace. */
export const APPS = ['web', 'api', 'db', 'cache'] as const
export const VERSIONS = ['v1', 'v2'] as const
export const GPU = 'example.com/gpu'
export const BEGAN = '2025-01-01T00:00:00Z'

const spaces = {
  shop: { team: 'x', env: 'prod' },
  bank: { team: 'y', env: 'prod' },
  lab: { team: 'x', env: 'dev' },
} as const
export const NAMESPACES = Object.keys(spaces)
export const namespaces: readonly KubernetesItem[] = Object.entries(spaces).map(([name, labels]) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { ...labels, 'kubernetes.io/metadata.name': name } },
}))

export const pod = (namespace: string, name: string, node: string | undefined, draft: PodDraft): KubernetesItem => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { ...draft.metadata, name, namespace, uid: `pod-${namespace}-${name}`, labels: { ...draft.labels } },
  spec: {
    schedulerName: 'default-scheduler',
    containers: [container('main', { cpu: '10m', memory: '16Mi' })],
    ...draft.spec,
    ...(node !== undefined && { nodeName: node }),
  },
  status: { phase: node === undefined ? 'Pending' : 'Running', ...draft.status },
})
export const container = (
  name: string,
  requests: Readonly<Record<string, string>>,
  more: object = {},
): Readonly<Record<string, unknown>> => ({
  name,
  image: 'example/main:1',
  ...more,
  resources: { requests },
})
