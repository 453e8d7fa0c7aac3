import type { Chance } from '../chance.ts'
import { claimsDevices } from './devices.ts'
import { merged, required, selector, term } from './neighbours.ts'
import { TAINT_KEYS, TAINT_VALUES } from './nodes.ts'
import { ownedBy } from './owners.ts'
import { ADDRESSES, EXCLUSIVE, PORTS, PROTOCOLS } from './residents.ts'
import {
  APPS,
  container,
  GPU,
  HOST,
  type KubernetesItem,
  NAMESPACES,
  type PodDraft,
  pod,
  REGION,
  VERSIONS,
  ZONE,
  ZONES,
} from './things.ts'
import { boundClaim, openClaim, SHARED, usesClaim, WAITING } from './volumes.ts'

/** Where the pod is and who it is; a theme may go by it. */
type Who = { readonly namespace: string; readonly name: string; readonly nodes: readonly string[] }
/** Makes a pod about one plugin's question. */
export type Theme = (lots: Chance, who: Who) => PodDraft

const requests = (lots: Chance): Readonly<Record<string, string>> => ({
  ...lots.pick<() => Readonly<Record<string, string>>>([
    () => ({ cpu: `${lots.between(5, 50) * 100}m` }),
    () => ({ cpu: `${lots.between(5, 50) * 100}m` }),
    () => ({}),
    () => ({ memory: lots.pick(['4Gi', '8000M', '12Gi', '20Gi', '25e9']) }),
    () => ({ [GPU]: String(lots.between(1, 3)) }),
    () => ({ 'ephemeral-storage': lots.pick(['12Gi', '60Gi', '90Gi']) }),
    () => ({ 'hugepages-2Mi': lots.pick(['32Mi', '128Mi']) }),
  ])(),
})
const large: Theme = (lots) => ({
  spec: lots.pick<() => object>([
    () => ({ containers: [container('main', requests(lots)), container('more', { cpu: '250m' })] }),
    () => ({ initContainers: [container('setup', requests(lots))] }),
    () => ({
      initContainers: [
        container('sidecar', requests(lots), { restartPolicy: 'Always' }),
        container('setup', { cpu: '900m' }),
        container('late', { memory: '1Gi' }, { restartPolicy: 'Always' }),
      ],
    }),
    () => ({ overhead: { cpu: '500m', memory: '1Gi' }, containers: [container('main', requests(lots))] }),
    () => ({ resources: { requests: { cpu: `${lots.between(10, 50) * 100}m`, memory: lots.pick(['1Gi', '18Gi']) } } }),
  ])(),
})

const tolerating: Theme = (lots) => ({
  spec: {
    tolerations: [
      { key: 'node.kubernetes.io/unschedulable', operator: 'Exists' },
      ...lots.some(TAINT_KEYS, 0.35).map((key) => ({
        key,
        ...(lots.happens(0.4) ? { operator: 'Exists' } : { operator: 'Equal', value: lots.pick(TAINT_VALUES) }),
        ...(lots.happens(0.5) && { effect: lots.pick(['NoSchedule', 'NoExecute', 'PreferNoSchedule']) }),
      })),
    ],
  },
})
/** Everything but the cordon. */
const notCordoned: Theme = () => ({ spec: { tolerations: TAINT_KEYS.map((key) => ({ key, operator: 'Exists' })) } })

const expression = (lots: Chance): object =>
  lots.pick<() => object>([
    () => ({ key: 'disk', operator: 'In', values: lots.some(['ssd', 'hdd', 'nvme'], 0.5).concat('tape') }),
    () => ({ key: 'disk', operator: 'NotIn', values: lots.some(['ssd', 'hdd', 'nvme'], 0.5).concat('tape') }),
    () => ({ key: 'rack', operator: lots.pick(['Exists', 'DoesNotExist']) }),
    () => ({ key: 'generation', operator: lots.pick(['Gt', 'Lt']), values: [lots.pick(['3', '5', '7', '-1', '007'])] }),
    () => ({ key: ZONE, operator: 'In', values: lots.some(ZONES, 0.6).concat('z') }),
    // What is no label's value makes the term match nothing.
    () => ({ key: 'disk', operator: 'NotIn', values: ['tape', lots.pick(['-odd', 'of two', 'fine'])] }),
  ])()
const field = (lots: Chance, { nodes }: Who): object => ({
  key: 'metadata.name',
  operator: lots.pick(['In', 'NotIn']),
  values: [lots.pick(nodes)],
})
const picky: Theme = (lots, who) => {
  const terms = Array.from({ length: lots.between(1, 2) }, () =>
    lots.pick<() => object>([
      () => ({ matchExpressions: [expression(lots)] }),
      () => ({ matchExpressions: [expression(lots)] }),
      () => ({ matchExpressions: [expression(lots), expression(lots)] }),
      () => ({ matchFields: [field(lots, who)] }),
      () => ({ matchExpressions: [expression(lots)], matchFields: [field(lots, who)] }),
    ])(),
  )
  return {
    spec: lots.happens(0.3)
      ? { nodeSelector: lots.pick([{ disk: 'ssd' }, { [ZONE]: 'b' }, { rack: 'r1', disk: 'hdd' }]) }
      : { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } } },
  }
}

const someone = (lots: Chance) => ({ app: lots.pick(APPS), ...(lots.happens(0.8) && { version: lots.pick(VERSIONS) }) })
const sociable: Theme = (lots, { name }) => {
  const labels = lots.happens(0.1) ? { app: name } : someone(lots)
  return {
    labels,
    spec: {
      affinity: lots.pick<() => object>([
        () => ({ podAffinity: required(term(lots, labels)) }),
        () => ({ podAntiAffinity: required(term(lots, labels, [HOST, HOST, 'rack', ZONE])) }),
        () => ({
          podAffinity: required(term(lots, labels, [ZONE, REGION])),
          podAntiAffinity: required(term(lots, labels, [HOST])),
        }),
        () => ({ podAffinity: required(term(lots, labels, [ZONE, REGION]), term(lots, labels, [ZONE, REGION])) }),
        // Its own kind, of which there may be none yet.
        () => ({ podAffinity: required({ topologyKey: lots.pick([ZONE, 'rack']), labelSelector: { matchLabels: labels } }) }),
        () => ({ podAffinity: required({ topologyKey: ZONE }) }),
        // Only what others say of it counts.
        () => ({}),
      ])(),
    },
  }
}

const spread = (lots: Chance, labels: Readonly<Record<string, string>>): object => {
  const base = lots.happens(0.6) ? { matchLabels: { app: labels['app'] ?? '' } } : selector(lots)
  const by = lots.happens(0.2) && !JSON.stringify(base).includes('version') ? { matchLabelKeys: ['version'] } : {}
  return {
    maxSkew: lots.between(1, 4),
    topologyKey: lots.pick([ZONE, ZONE, REGION, HOST, 'rack']),
    whenUnsatisfiable: lots.happens(0.9) ? 'DoNotSchedule' : 'ScheduleAnyway',
    ...(lots.happens(0.05) ? {} : merged(base, by, labels)),
    ...(lots.happens(0.25) && { minDomains: lots.between(1, 5), whenUnsatisfiable: 'DoNotSchedule' }),
    ...(lots.happens(0.3) && { nodeAffinityPolicy: lots.pick(['Honor', 'Ignore']) }),
    ...(lots.happens(0.3) && { nodeTaintsPolicy: lots.pick(['Honor', 'Ignore']) }),
  }
}
const spreading: Theme = (lots) => {
  const labels = someone(lots)
  const count = lots.between(1, 2)
  return { labels, spec: { topologySpreadConstraints: Array.from({ length: count }, () => spread(lots, labels)) } }
}

const port = (lots: Chance): object => ({
  containerPort: 80,
  hostPort: lots.pick(PORTS),
  ...(lots.happens(0.7) && { protocol: lots.pick(PROTOCOLS) }),
  ...(lots.happens(0.6) && { hostIP: lots.pick(ADDRESSES) }),
})
const listening: Theme = (lots) => ({
  isPending: true,
  spec: {
    containers: [container('main', { cpu: '10m' }, { ports: [port(lots), ...(lots.happens(0.5) ? [port(lots)] : [])] })],
  },
})

/** Needs what not every node declares. */
const restarting: Theme = () => ({
  spec: {
    restartPolicy: 'Never',
    containers: [
      container(
        'main',
        { cpu: '10m' },
        {
          restartPolicy: 'Never',
          restartPolicyRules: [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }],
        },
      ),
    ],
  },
})
const gated: Theme = () => ({ spec: { schedulingGates: [{ name: 'example.com/wait' }] } })

const withVolume = ({ namespace, name }: Who, volume: Parameters<typeof boundClaim>[1]): PodDraft => ({
  spec: { volumes: usesClaim(`${name}-data`) },
  others: boundClaim({ namespace, name: `${name}-data` }, { driver: 'other.csi.example', ...volume }),
})
const affine: Theme = (lots, who) =>
  lots.pick<() => PodDraft>([
    () => withVolume(who, { nodeAffinity: { nodeSelectorTerms: [{ matchExpressions: [expression(lots)] }] } }),
    () => withVolume(who, { nodeAffinity: { nodeSelectorTerms: [{ matchExpressions: [expression(lots)] }] } }),
    () =>
      withVolume(who, {
        nodeAffinity: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: HOST, operator: 'In', values: lots.some(who.nodes, 0.5).concat('x') }] },
          ],
        },
      }),
    () => ({
      spec: { volumes: usesClaim(`${who.name}-data`) },
      others: [
        openClaim({ namespace: who.namespace, name: `${who.name}-data` }, lots.pick([...WAITING, ...WAITING, 'immediate'])),
      ],
    }),
  ])()
const zonal: Theme = (lots, who) => {
  const zones = lots.some(ZONES, 0.5).concat('z').join('__')
  const key = lots.pick([ZONE, ZONE, 'failure-domain.beta.kubernetes.io/zone'])
  return withVolume(who, { labels: lots.happens(0.2) ? { [REGION]: lots.pick(['north', 'south']) } : { [key]: zones } })
}
const attaching: Theme = (lots, { namespace, name }) => {
  // What is attached already is not attached again.
  if (lots.happens(0.3)) return { spec: { volumes: usesClaim(SHARED) } }
  const claims = Array.from({ length: lots.between(1, 3) }, (_, index) => `${name}-disk-${index}`)
  return {
    spec: { volumes: usesClaim(...claims) },
    others: claims.flatMap((claim) => boundClaim({ namespace, name: claim }, {})),
  }
}
const exclusive: Theme = (lots) => ({ spec: { volumes: usesClaim(lots.pick(EXCLUSIVE)) } })

const joined = (a: PodDraft, b: PodDraft): PodDraft => ({
  ...a,
  ...b,
  labels: { ...a.labels, ...b.labels },
  spec: { ...a.spec, ...b.spec },
  others: [...(a.others ?? []), ...(b.others ?? [])],
})
const single = [large, tolerating, notCordoned, picky, sociable, spreading, listening, affine, zonal, attaching] as const
const mixed: Theme = (lots, who) =>
  joined(
    lots.pick([picky, large, tolerating, listening])(lots, who),
    lots.pick([sociable, spreading, zonal, affine, attaching])(lots, who),
  )
const nothing: Theme = () => ({})

/** The themes and how often each comes. */
export const themes: readonly (readonly [Theme, number])[] = [
  ...single.map((theme) => [theme, 70] as const),
  [sociable, 50],
  [spreading, 50],
  [exclusive, 36],
  [gated, 24],
  // What can't be decided is rare.
  [claimsDevices, 5],
  [restarting, 4],
  [mixed, 120],
  [nothing, 20],
]

const drawn = (lots: Chance, from: typeof themes): Theme => {
  let lot = lots.between(0, from.reduce((sum, [, weight]) => sum + weight, 0) - 1)
  for (const [theme, weight] of from) {
    if (lot < weight) return theme
    lot -= weight
  }
  return nothing
}
const TOLERANT = [{ operator: 'Exists' }]

/** A pod to ask about, on a node or pending, and the objects that belong to it. What it is not about it mostly tolerates. */
export const asked = (
  lots: Chance,
  nodes: readonly string[],
  index: number,
  from: typeof themes,
): { readonly pod: KubernetesItem; readonly others: readonly KubernetesItem[] } => {
  const who = { namespace: lots.pick(NAMESPACES), name: `asked-${index}`, nodes }
  const { others = [], ...draft } = drawn(lots, from)(lots, who)
  const usual = lots.happens(0.93) ? { tolerations: TOLERANT } : {}
  const isPending = lots.happens(0.5) || draft.isPending === true
  return {
    others,
    pod: pod(who.namespace, who.name, isPending ? undefined : lots.pick(nodes), {
      ...draft,
      metadata: ownedBy(lots, who.namespace, draft.labels?.['app'] ?? 'quiet'),
      labels: { app: 'quiet', ...draft.labels },
      spec: { ...usual, ...draft.spec },
    }),
  }
}
