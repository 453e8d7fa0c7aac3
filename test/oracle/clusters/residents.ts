import type { Chance } from '../chance.ts'
import { required, term } from './neighbours.ts'
import { ownedBy } from './owners.ts'
import {
  APPS,
  BEGAN,
  container,
  GPU,
  HOST,
  type KubernetesItem,
  NAMESPACES,
  type PodDraft,
  pod,
  VERSIONS,
  ZONE,
} from './things.ts'
import { attachment, boundClaim, SHARED, usesClaim } from './volumes.ts'

export const PORTS = [8080, 8081, 9000] as const
export const PROTOCOLS = ['TCP', 'UDP'] as const
export const ADDRESSES = ['', '0.0.0.0', '127.0.0.1', '10.0.0.1'] as const

/** The claims of the first residents of each namespace that only one pod at a time may use. */
export const EXCLUSIVE = ['exclusive-0', 'exclusive-1'] as const

const resources = (lots: Chance): Readonly<Record<string, string>> => ({
  cpu: `${lots.between(1, 8) * 50}m`,
  memory: lots.pick(['128Mi', '512Mi', '900Mi', '1G']),
  ...(lots.happens(0.3) && { 'ephemeral-storage': lots.pick(['1Gi', '4Gi']) }),
  ...(lots.happens(0.08) && { [GPU]: '1' }),
  ...(lots.happens(0.1) && { 'hugepages-2Mi': '32Mi' }),
})

const ports = (lots: Chance): object =>
  lots.happens(0.12)
    ? { ports: [{ containerPort: 80, hostPort: lots.pick(PORTS), protocol: lots.pick(PROTOCOLS), hostIP: lots.pick(ADDRESSES) }] }
    : {}

/** Some are resized: what they have was not yet given back, or is not yet theirs. */
const resized = (lots: Chance): object =>
  lots.happens(0.08)
    ? {
        containerStatuses: [
          {
            name: 'main',
            ready: true,
            restartCount: 0,
            image: '',
            imageID: '',
            allocatedResources: { cpu: '1100m', memory: '1Gi' },
            resources: { requests: { cpu: lots.pick(['1100m', '1500m']), memory: '1Gi' } },
          },
        ],
      }
    : {}

const extra = (lots: Chance): PodDraft =>
  lots.pick<() => PodDraft>([
    () => ({ metadata: { deletionTimestamp: BEGAN, deletionGracePeriodSeconds: 30 } }),
    () => ({ status: { phase: 'Succeeded' } }),
    () => ({
      spec: {
        initContainers: [
          container('sidecar', { cpu: '300m' }, { restartPolicy: 'Always' }),
          container('setup', { cpu: '700m', memory: '64Mi' }),
        ],
      },
    }),
  ])()

const resident = (lots: Chance, name: string, node: string): readonly KubernetesItem[] => {
  const namespace = lots.pick(NAMESPACES)
  const labels = { app: lots.pick(APPS), ...(lots.happens(0.8) && { version: lots.pick(VERSIONS) }) }
  const repels = lots.happens(0.06) && {
    affinity: { podAntiAffinity: required(term(lots, labels, [HOST, HOST, ZONE])) },
  }
  const claims = lots.happens(0.2) ? [`${name}-data`] : []
  const shared = lots.happens(0.1) ? [SHARED] : []
  const { spec, ...rest } = lots.happens(0.12) ? extra(lots) : {}
  const draft: PodDraft = {
    labels,
    status: resized(lots),
    ...rest,
    metadata: { ...ownedBy(lots, namespace, labels.app), ...rest.metadata },
    spec: {
      containers: [container('main', resources(lots), ports(lots))],
      volumes: usesClaim(...claims, ...shared),
      ...repels,
      ...spec,
    },
  }
  return [
    ...claims.flatMap((claim) => boundClaim({ namespace, name: claim }, {})),
    // Also of those whose pod is over: it takes a while until a volume is detached.
    ...claims.flatMap((claim) => (lots.happens(0.7) ? [attachment({ namespace, name: claim }, node)] : [])),
    pod(namespace, name, node, draft),
  ]
}

const exclusive = (lots: Chance, nodes: readonly string[]): readonly KubernetesItem[] =>
  NAMESPACES.flatMap((namespace) =>
    EXCLUSIVE.flatMap((name, index) => [
      ...boundClaim({ namespace, name, accessModes: ['ReadWriteOncePod'] }, { driver: 'other.csi.example' }),
      // Of two such claims one is in use.
      ...(index === 0
        ? [pod(namespace, `${name}-user`, lots.pick(nodes), { labels: { app: 'quiet' }, spec: { volumes: usesClaim(name) } })]
        : []),
    ]),
  )

/** Who lives on the nodes: some six pods on each, of all namespaces. */
export const residents = (lots: Chance, nodes: readonly string[]): readonly KubernetesItem[] => [
  ...nodes.flatMap((node) =>
    Array.from({ length: lots.between(3, 8) }, (_, index) => resident(lots, `${node}-${index}`, node)).flat(),
  ),
  ...exclusive(lots, nodes),
  ...lots.some(nodes, 0.25).map((node) => attachment({ namespace: lots.pick(NAMESPACES), name: SHARED }, node)),
  ...NAMESPACES.flatMap((namespace) => boundClaim({ namespace, name: SHARED, accessModes: ['ReadWriteMany'] }, {})),
]
