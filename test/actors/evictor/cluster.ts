import fc from 'fast-check'
import { createModel, type Model } from '../../../src/actors/evictor/model.ts'
import { Node, type PlannedObject, Pod, PodDisruptionBudget, ReplicaSet } from '../../../src/events/kubernetes.ts'
import type { ModelObject } from '../../../src/events/model-kinds.ts'

export const NOW = Date.UTC(2026, 0, 1)
const OLD = '2025-01-01T00:00:00Z'

type Any = Readonly<Record<string, unknown>>
/** A node of 4 cores, 8 GiB and $0.50/h; `over` replaces whole parts. */
export const node = (name: string, over: { metadata?: Any; spec?: Any; allocatable?: Any; conditions?: unknown } = {}): Node =>
  Node.parse({
    kind: 'Node',
    metadata: {
      name,
      uid: `uid-${name}`,
      creationTimestamp: OLD,
      labels: { 'kubernetes.io/hostname': name },
      annotations: { 'quartermaster.dev/hourly-price': '0.5' },
      ...over.metadata,
    },
    spec: over.spec ?? {},
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '10', ...over.allocatable }, conditions: over.conditions },
  })

/** A pod of 1 core and 1 GiB of the ReplicaSet `web`. */
export const pod = (name: string, nodeName: string | undefined, over: { metadata?: Any; spec?: Any; requests?: Any } = {}): Pod =>
  Pod.parse({
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'shop',
      uid: `uid-${name}`,
      labels: { app: 'web' },
      ownerReferences: [{ kind: 'ReplicaSet', name: 'web', uid: 'uid-web', controller: true }],
      ...over.metadata,
    },
    spec: {
      ...(nodeName !== undefined && { nodeName }),
      containers: [{ name: 'main', resources: { requests: { cpu: '1', memory: '1Gi', ...over.requests } } }],
      ...over.spec,
    },
    status: { phase: nodeName === undefined ? 'Pending' : 'Running' },
  })

export const web = (replicas = 3): ReplicaSet =>
  ReplicaSet.parse({ kind: 'ReplicaSet', metadata: { name: 'web', namespace: 'shop', uid: 'uid-web' }, spec: { replicas } })

export const budget = (name: string, status: Any, app = 'web'): PodDisruptionBudget =>
  PodDisruptionBudget.parse({
    kind: 'PodDisruptionBudget',
    metadata: { name, namespace: 'shop' },
    spec: { selector: { matchLabels: { app } } },
    status,
  })

export const modelOf = (...objects: readonly ModelObject[]): Model => {
  const model = createModel()
  for (const object of objects) model.apply(object)
  return model
}

/** Everything the model knows, in an order of its own: two models of the same cluster are equal. */
export const contents = (model: Model): unknown => ({
  nodes: [...model.nodes.values()]
    .map(({ name, object, pods, index, claims, draining }) => ({
      name,
      object,
      pods: [...pods].map((each) => `${each.namespace}/${each.name}`).sort(),
      claims: [...claims].sort(),
      draining,
      columns: model.columns.names
        .map((resource, at) => [resource, model.columns.allocatable[at]?.[index], model.columns.requested[at]?.[index]])
        .filter(([, allocatable, requested]) => allocatable !== 0 || requested !== 0)
        .sort(),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1)),
  pods: [...model.pods.values()]
    .map(({ namespace, name, uid, leaving, node: at, home, shape }) => ({
      name: `${namespace}/${name}`,
      home: home?.name,
      uid,
      leaving,
      at: at?.name,
      shape: shape.key,
      of: shape.pods.length,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1)),
  shapes: [...model.shapes.keys()].sort(),
  repelling: [...model.repelling].map(({ key }) => key).sort(),
  claimUse: [...model.claimUse].sort(),
  draining: [...model.draining].map(({ name }) => name).sort(),
  books: [
    model.budgets,
    model.workloads,
    model.autoscalers,
    model.namespaces,
    model.quotas,
    model.limitRanges,
    model.services,
    model.deviceClasses,
    model.storage.claims,
    model.storage.volumes,
    model.storage.classes,
    model.storage.csiNodes,
    model.storage.csiDrivers,
    model.storage.attachments,
  ].map((book) => [...book].sort(([a], [b]) => (a < b ? -1 : 1))),
  attached: [...model.nodes.keys()]
    .sort()
    .map((name) => [...model.storage.attachedTo(name)].map(({ metadata }) => metadata.name).sort()),
})

const apps = ['a', 'b', 'c']
const rules = (app: string, kind: number): Any => {
  const mine = { labelSelector: { matchLabels: { app } }, topologyKey: 'kubernetes.io/hostname' }
  if (kind === 1) return { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [mine] } } }
  if (kind === 2)
    return { topologySpreadConstraints: [{ ...mine, topologyKey: 'zone', maxSkew: 2, whenUnsatisfiable: 'DoNotSchedule' }] }
  if (kind === 3) return { nodeSelector: { zone: 'x' } }
  return {}
}

/** Small clusters in a valid state: every pod is where the rules let it be, or waits. */
export const clusters = (most: { nodes: number; pods: number; ruled: boolean }): fc.Arbitrary<readonly PlannedObject[]> =>
  fc
    .record({
      nodes: fc.array(
        fc.record({
          cpu: fc.integer({ min: 1, max: 8 }),
          price: fc.integer({ min: 0, max: 9 }),
          zone: fc.constantFrom('x', 'y'),
        }),
        {
          minLength: 1,
          maxLength: most.nodes,
        },
      ),
      pods: fc.array(fc.record({ app: fc.nat(2), cpu: fc.integer({ min: 1, max: 6 }), at: fc.nat(99) }), {
        maxLength: most.pods,
      }),
      rule: fc.tuple(...apps.map(() => fc.nat(most.ruled ? 3 : 0))),
      allowed: fc.array(fc.nat(2), { maxLength: 3 }),
    })
    .map(({ nodes, pods, rule, allowed }) => [
      ...nodes.map(({ cpu, price, zone }, index) =>
        node(`n${index}`, {
          metadata: {
            labels: { 'kubernetes.io/hostname': `n${index}`, zone },
            annotations: { 'quartermaster.dev/hourly-price': String(price / 10) },
          },
          allocatable: { cpu: String(cpu) },
        }),
      ),
      ...seated(nodes, pods, rule),
      ...allowed.map((disruptionsAllowed, index) =>
        budget(`b${index}`, { disruptionsAllowed, expectedPods: 9, desiredHealthy: 8, currentHealthy: 8 }, apps[index]),
      ),
    ])

type Wish = { readonly app: number; readonly cpu: number; readonly at: number }
// From the wished node on to the first that takes it by room (in half cores), by the app's own rule, and by zone.
const seated = (
  nodes: readonly { cpu: number; zone: string }[],
  wishes: readonly Wish[],
  rule: readonly number[],
): readonly Pod[] => {
  const free = nodes.map(({ cpu }) => cpu * 2)
  const placed: { app: number; at: number }[] = []
  const inZone = (app: number, zone: string): number =>
    placed.filter((each) => each.app === app && nodes[each.at]?.zone === zone).length
  return wishes.flatMap(({ app, cpu, at }, index) => {
    const name = apps[app] ?? 'a'
    const allows = (n: number): boolean => {
      const zone = nodes[n]?.zone ?? ''
      const other = zone === 'x' ? 'y' : 'x'
      const least = nodes.some((each) => each.zone === other) ? inZone(app, other) : inZone(app, zone)
      if (rule[app] === 1) return !placed.some((each) => each.app === app && each.at === n)
      if (rule[app] === 2) return inZone(app, zone) + 1 - least <= 2
      return rule[app] !== 3 || zone === 'x'
    }
    const seat = nodes.map((_, n) => (at + n) % nodes.length).find((n) => (free[n] ?? 0) >= cpu && allows(n))
    if (seat === undefined) return []
    free[seat] = (free[seat] ?? 0) - cpu
    placed.push({ app, at: seat })
    return [
      pod(`p${index}`, `n${seat}`, {
        metadata: { labels: { app: name }, ownerReferences: [{ kind: 'ReplicaSet', name, uid: name, controller: true }] },
        spec: rules(name, rule[app] ?? 0),
        requests: { cpu: `${cpu * 500}m`, memory: '64Mi' },
      }),
    ]
  })
}
