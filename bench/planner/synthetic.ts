import type { ModelObject } from '../../src/events/model-kinds.ts'
import { seededRandom } from '../../src/simulator/random.ts'

/** Clusters that nobody has: nodes, prices, owners, budgets and rules are all synthetic. */

const ZONE = 'topology.kubernetes.io/zone'
const HOST = 'kubernetes.io/hostname'
const TYPE = 'node.kubernetes.io/instance-type'
const ZONES = ['a', 'b', 'c']
const OLD = '2025-01-01T00:00:00Z'
const GIB = 1024

/** Cores, GiB and $/h on demand; spot is 35 % of it. */
const TYPES = [
  { cores: 4, gib: 16, price: 0.192 },
  { cores: 8, gib: 32, price: 0.384 },
  { cores: 8, gib: 64, price: 0.504 },
  { cores: 16, gib: 64, price: 0.768 },
  { cores: 16, gib: 32, price: 0.68 },
  { cores: 32, gib: 128, price: 1.536 },
]
const SPOT = 0.35

type Rule = 'none' | 'apart' | 'zones' | 'zone' | 'port' | 'batch'
type App = {
  readonly name: string
  readonly namespace: string
  readonly replicas: number
  readonly milliCpu: number
  readonly mib: number
  readonly rule: Rule
  readonly zone: string
  readonly budget: number
}
type Spot = { readonly name: string; readonly zone: string; readonly isBatch: boolean; cpu: number; mib: number; pods: number }

/** How a cluster is made; the same seed makes the same. */
export type Recipe = {
  readonly nodes: number
  readonly pods: number
  readonly seed: number
  /** The part of the apps that each rule applies to. */
  readonly rules: Readonly<Partial<Record<Rule, number>>>
  /** What the largest pods ask for. */
  readonly largest: { readonly milliCpu: number; readonly mib: number }
}

const nodeOf = (index: number, type: (typeof TYPES)[number], isSpot: boolean, isBatch: boolean): ModelObject => {
  const name = `node-${index}`
  const hourly = type.price * (isSpot ? SPOT : 1)
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      uid: name,
      creationTimestamp: OLD,
      labels: {
        [HOST]: name,
        [ZONE]: ZONES[index % 3] ?? 'a',
        [TYPE]: `c${type.cores}-m${type.gib}`,
        pool: isBatch ? 'batch' : 'main',
      },
      annotations: { 'quartermaster.dev/hourly-price': hourly.toFixed(4) },
    },
    spec: isBatch ? { taints: [{ key: 'dedicated', value: 'batch', effect: 'NoSchedule' }] } : {},
    status: {
      allocatable: { cpu: `${type.cores * 1000 - 100}m`, memory: `${type.gib * GIB - 512}Mi`, pods: '110' },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  } as unknown as ModelObject
}

const replicaSetOf = (app: App): ModelObject =>
  ({
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: app.name, namespace: app.namespace, uid: app.name },
    spec: { replicas: app.replicas, selector: { matchLabels: { app: app.name } } },
  }) as unknown as ModelObject

const mine = (name: string) => ({ labelSelector: { matchLabels: { app: name } } })
const specOf = ({ name, rule, zone }: App): object => {
  if (rule === 'apart')
    return {
      affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ ...mine(name), topologyKey: HOST }] } },
    }
  if (rule === 'zones')
    return { topologySpreadConstraints: [{ ...mine(name), maxSkew: 2, topologyKey: ZONE, whenUnsatisfiable: 'DoNotSchedule' }] }
  if (rule === 'zone') return { nodeSelector: { [ZONE]: zone } }
  if (rule === 'batch')
    return { nodeSelector: { pool: 'batch' }, tolerations: [{ key: 'dedicated', operator: 'Exists', effect: 'NoSchedule' }] }
  return {}
}
const NAMESPACES = 200
const podOf = (app: App, index: number, nodeName: string): ModelObject =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${app.name}-${index}`,
      namespace: app.namespace,
      uid: `${app.name}-${index}`,
      labels: { app: app.name },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: app.name, uid: app.name, controller: true }],
    },
    spec: {
      ...specOf(app),
      nodeName,
      containers: [
        {
          name: 'main',
          resources: { requests: { cpu: `${app.milliCpu}m`, memory: `${app.mib}Mi` } },
          ...(app.rule === 'port' && { ports: [{ containerPort: 80, hostPort: 20_000 + Number(app.name.slice(4)) }] }),
        },
      ],
    },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  }) as unknown as ModelObject

const appsOf = ({ pods, rules, largest }: Recipe, random: () => number): readonly App[] => {
  const apps: App[] = []
  // Sizes are spread evenly over their logarithms, in steps that people write down.
  const size = (least: number, most: number, step: number): number =>
    Math.max(step, Math.round((least * (most / least) ** random()) / step) * step)
  const ruleOf = (dice: number): Rule => {
    let upTo = 0
    for (const [rule, part] of Object.entries(rules)) {
      upTo += part
      if (dice < upTo) return rule as Rule
    }
    return 'none'
  }
  for (let made = 0; made < pods; ) {
    const rule = ruleOf(random())
    const replicas = Math.min(pods - made, 2 + Math.floor(random() * 38))
    apps.push({
      name: `app-${apps.length}`,
      namespace: `team-${apps.length % NAMESPACES}`,
      replicas,
      milliCpu: size(50, largest.milliCpu, 50),
      mib: size(64, largest.mib, 64),
      rule,
      zone: ZONES[Math.floor(random() * 3)] ?? 'a',
      budget: Math.floor(random() * 3),
    })
    made += replicas
  }
  return apps
}

const TRIES = 24
/** The least used of some nodes drawn by lot that the app's rules allow. */
const seat = (
  app: App,
  spots: readonly Spot[],
  used: ReadonlySet<Spot>,
  zones: ReadonlyMap<string, number>,
  random: () => number,
) => {
  let best: Spot | undefined
  const least = Math.min(...ZONES.map((zone) => zones.get(zone) ?? 0))
  for (let tries = 0; tries < TRIES; tries += 1) {
    const spot = spots[Math.floor(random() * spots.length)]
    if (!spot || spot.isBatch !== (app.rule === 'batch') || spot.cpu < app.milliCpu || spot.mib < app.mib || spot.pods >= 100)
      continue
    if ((app.rule === 'apart' || app.rule === 'port') && used.has(spot)) continue
    if (app.rule === 'zone' && spot.zone !== app.zone) continue
    if (app.rule === 'zones' && (zones.get(spot.zone) ?? 0) >= least + 2) continue
    if (!best || spot.cpu > best.cpu) best = spot
  }
  return best
}

const budgetOf = ({ name, namespace, replicas, budget }: App): readonly ModelObject[] => {
  if (budget === 0) return []
  const allowed = budget === 1 ? 1 : Math.max(1, Math.floor(replicas / 5))
  return [
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name, namespace },
      spec: { selector: { matchLabels: { app: name } }, maxUnavailable: allowed },
      status: {
        disruptionsAllowed: allowed,
        expectedPods: replicas,
        desiredHealthy: replicas - allowed,
        currentHealthy: replicas,
      },
    } as unknown as ModelObject,
  ]
}

/** The objects of a synthetic cluster: pods where a scheduler that spreads them would have put them. */
export function* synthetic(recipe: Recipe): Generator<ModelObject> {
  const random = seededRandom(recipe.seed)
  const spots: Spot[] = []
  for (let index = 0; index < recipe.nodes; index += 1) {
    const type = TYPES[Math.floor(random() * TYPES.length)] ?? TYPES[0]
    if (!type) return
    const isBatch = recipe.rules.batch !== undefined && index % 10 === 0
    spots.push({
      name: `node-${index}`,
      zone: ZONES[index % 3] ?? 'a',
      isBatch,
      cpu: type.cores * 1000 - 100,
      mib: type.gib * GIB - 512,
      pods: 0,
    })
    yield nodeOf(index, type, random() < 0.3, isBatch)
  }
  for (const app of appsOf(recipe, random)) {
    const used = new Set<Spot>()
    const zones = new Map<string, number>()
    for (let index = 0; index < app.replicas; index += 1) {
      const spot = seat(app, spots, used, zones, random)
      if (!spot) continue
      spot.cpu -= app.milliCpu
      spot.mib -= app.mib
      spot.pods += 1
      used.add(spot)
      zones.set(spot.zone, (zones.get(spot.zone) ?? 0) + 1)
      yield podOf(app, index, spot.name)
    }
    yield replicaSetOf(app)
    yield* budgetOf(app)
  }
}

/** The shape of cluster-autoscaler's own bench: equal nodes, 40 pods of a hundredth on each. */
export function* equal(nodes: number): Generator<ModelObject> {
  const type = { cores: 10, gib: 40, price: 0.35 }
  const app: App = {
    name: 'app-0',
    namespace: 'team-0',
    replicas: nodes * 40,
    milliCpu: 99,
    mib: 256,
    rule: 'none',
    zone: 'a',
    budget: 0,
  }
  for (let index = 0; index < nodes; index += 1) yield nodeOf(index, type, false, false)
  for (let index = 0; index < app.replicas; index += 1) yield podOf(app, index, `node-${index % nodes}`)
  yield replicaSetOf(app)
}

export const recipes = {
  '1,000 nodes, 8,000 pods, rules of every kind': {
    nodes: 1_000,
    pods: 8_000,
    seed: 1,
    rules: { apart: 0.25, zones: 0.25, zone: 0.08, port: 0.04, batch: 0.08 },
    largest: { milliCpu: 4_000, mib: 8_192 },
  },
  '5,000 nodes, 150,000 pods': {
    nodes: 5_000,
    pods: 150_000,
    seed: 1,
    rules: { apart: 0.05, zones: 0.1 },
    largest: { milliCpu: 1_000, mib: 2_048 },
  },
} as const satisfies Readonly<Record<string, Recipe>>
