import fc from 'fast-check'
import { expect, test } from 'vitest'
import { planCluster } from '../../../src/actors/evictor/plan.ts'
import { allocatableOf } from '../../../src/actors/evictor/replacement/reserved.ts'
import { verifyDrains } from '../../../src/actors/evictor/verify.ts'
import { highsSolver } from '../../../src/adapters/highs/solver.ts'
import { Catalogue } from '../../../src/events/catalogue.ts'
import type { PlannedObject, Pod } from '../../../src/events/kubernetes.ts'
import { Plan, Policy, Prices } from '../../../src/events/plan.ts'
import { clusters, contents, modelOf, NOW, node, pod, web } from './cluster.ts'

const TYPE = 'node.kubernetes.io/instance-type'
const ZONE = 'topology.kubernetes.io/zone'
const planFor = (objects: readonly PlannedObject[], policy: object = {}, types: readonly object[] = [], prices: object = {}) =>
  planCluster(modelOf(...objects), Policy.parse(policy), Prices.parse(prices), {
    now: NOW,
    catalogue: Catalogue.parse({ types }),
  })

/** 8 cores for $0.80 an hour, and what runs on it. */
const large = (name: string, pods: number, over: object = {}) => [
  node(name, {
    allocatable: { cpu: '8', memory: '32Gi', pods: '20' },
    metadata: {
      labels: { 'kubernetes.io/hostname': name, [TYPE]: 'large', ...over },
      annotations: { 'quartermaster.dev/hourly-price': '0.8' },
    },
  }),
  ...Array.from({ length: pods }, (_, n) => pod(`${name}-${n}`, name)),
]
const four = [web(12), ...['a', 'b', 'c', 'd'].flatMap((name) => large(name, 3))]
const small = { instanceType: 'small', hourly: 0.45, allocatable: { cpu: '6', memory: '16Gi' } }

test('replacement: four large nodes that are less than half full become two smaller ones', () => {
  const plan = planFor(four, { replacement: {} }, [small])
  expect(plan.launch).toEqual([
    { instanceType: 'small', count: 2, capacityType: 'on-demand', hourlyCost: 0.45, nodes: ['new/small/1', 'new/small/2'] },
  ])
  expect(plan.before).toEqual({ nodes: 4, hourlyCost: 3.2 })
  expect(plan.after).toEqual({ nodes: 2, hourlyCost: 0.9 })
  expect(plan.drains.map((drain) => drain.node).sort()).toEqual(['a', 'b', 'c', 'd'])
  expect(new Set(plan.drains.flatMap(({ moves }) => moves.map(({ to }) => to)))).toEqual(new Set(['new/small/1', 'new/small/2']))
  expect(plan.drains.every(({ replacedBy = [] }) => replacedBy.length > 0)).toBe(true)
  expect(plan.kept).toEqual([])
  expect(plan.bound).toEqual({
    hourlyCost: expect.any(Number),
    proven: true,
    covers: 'launching up to 10 nodes of each of 2 kinds (large, small)',
  })
  expect(Plan.parse(plan)).toEqual(plan)
})

test('replacement: nothing is launched unless the policy says so, and then what the catalogue holds changes nothing', () => {
  const plan = planFor(four, {}, [small])
  expect(plan).toEqual({ ...planCluster(modelOf(...four), Policy.parse({}), Prices.parse({}), { now: NOW }), solveMillis: 0 })
  expect(plan.launch).toEqual([])
  expect(plan.after).toEqual({ nodes: 2, hourlyCost: 1.6 })
})

test('replacement: what is saved has to exceed the least that the policy asks for', () => {
  const launchedAt = (minSavingPercent: number) => planFor(four, { replacement: { minSavingPercent } }, [small]).launch.length
  // Two for $0.90 save $0.70 more than two large nodes for $1.60 do: 77 % of their price. An eviction weighs a little, too.
  expect(launchedAt(65)).toBe(1)
  expect(launchedAt(78)).toBe(0)
})

test('replacement: no more are launched than the policy and the catalogue allow', () => {
  const countOf = (policy: object, type: object) =>
    planFor(four, { replacement: { minSavingPercent: 0, ...policy } }, [type]).launch.map(({ count }) => count)
  expect(countOf({ maxLaunches: 1 }, small)).toEqual([1])
  expect(countOf({}, { ...small, limit: 1 })).toEqual([1])
  expect(countOf({}, { ...small, limit: 0 })).toEqual([])
})

test('replacement: kinds that the cluster has need no catalogue; where they are, they are labelled and tainted as those are', () => {
  const tainted = { key: 'team', value: 'shop', effect: 'NoSchedule' }
  const beside = node('e', {
    allocatable: { cpu: '6', memory: '16Gi', pods: '20' },
    metadata: {
      labels: { 'kubernetes.io/hostname': 'e', [TYPE]: 'small', [ZONE]: 'x', serial: 'e-1', team: 'shop' },
      annotations: { 'quartermaster.dev/hourly-price': '0.45' },
    },
    spec: { taints: [tainted] },
  })
  const full = Array.from({ length: 6 }, (_, n) => pod(`e-${n}`, 'e', { spec: { tolerations: [tainted] } }))
  const tolerant = four.map((each) =>
    each.kind === 'Pod' ? pod(each.metadata.name, each.spec.nodeName, { spec: { tolerations: [tainted] } }) : each,
  )
  const { launch } = planFor([...tolerant, beside, ...full], { replacement: {} })
  expect(launch).toEqual([
    { instanceType: 'small', count: 2, zone: 'x', hourlyCost: 0.45, nodes: ['new/small/x/1', 'new/small/x/2'] },
  ])
  // Those that do not tolerate its taint can't go there.
  expect(planFor([...four, beside, ...full], { replacement: {} }).launch).toEqual([])
  // What one node alone is labelled with, its next of kind is not.
  const choosy = (label: object) =>
    tolerant.map((each) =>
      each.kind === 'Pod'
        ? pod(each.metadata.name, each.spec.nodeName, { spec: { tolerations: [tainted], nodeSelector: label } })
        : each,
    )
  expect(planFor([...choosy({ serial: 'e-1' }), beside, ...full], { replacement: {} }).launch).toEqual([])
  expect(planFor([...choosy({ [ZONE]: 'x' }), beside, ...full], { replacement: {} }).launch).toHaveLength(1)
})

test('replacement: the pods of DaemonSets come with a new node and take their room, where their affinity lets them', () => {
  const daemon = (name: string, cpu: string, spec: object = {}) =>
    pod(`ds-${name}`, name, {
      metadata: { ownerReferences: [{ kind: 'DaemonSet', name: 'ds', uid: 'ds', controller: true }], labels: { app: 'ds' } },
      requests: { cpu },
      spec: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }],
            },
          },
        },
        ...spec,
      },
    })
  const costWith = (...daemons: readonly PlannedObject[]) =>
    planFor([...four, ...daemons], { replacement: {} }, [small]).after.hourlyCost
  // 5.9 cores are left, so five pods on each: a large one and a small one are cheaper than three.
  expect(costWith(daemon('a', '100m'))).toBe(1.25)
  expect(costWith(daemon('a', '100m', { nodeSelector: { [TYPE]: 'large' } }))).toBe(0.9)
})

test('replacement: the shapes of a DaemonSet are one, whatever the nodes are called', () => {
  const bound = (name: string) =>
    pod(`ds-${name}`, name, {
      metadata: { ownerReferences: [{ kind: 'DaemonSet', name: 'ds', uid: 'ds', controller: true }] },
      spec: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                {
                  matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }],
                  matchExpressions: [{ key: TYPE, operator: 'Exists' }],
                },
              ],
            },
          },
        },
      },
    })
  const { shapes } = modelOf(bound('a'), bound('b'))
  expect([...shapes.values()].map(({ spec }) => spec.affinity?.nodeAffinity)).toEqual([
    {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [], matchExpressions: [{ key: TYPE, operator: 'Exists' }] }],
      },
    },
  ])
})

test('replacement: a guessed price is no reason to launch, and nothing is launched at one', () => {
  const unpriced = four.map((each) =>
    each.kind === 'Node'
      ? node(each.metadata.name, {
          allocatable: each.status.allocatable,
          metadata: { labels: each.metadata.labels, annotations: {} },
        })
      : each,
  )
  expect(planFor(unpriced, { replacement: {} }, [{ ...small, hourly: 0.01 }]).launch).toEqual([])
  expect(planFor(unpriced, { replacement: {} }, [small], { instanceTypes: { large: 0.8 } }).launch).toHaveLength(1)
})

test('replacement: what the policy leaves free may be on new nodes too', () => {
  const { after, launch } = planFor(four, { replacement: {}, headroom: { largestPod: true } }, [small])
  // Thirteen cores: two small nodes have twelve.
  expect(after).toEqual({ nodes: 2, hourlyCost: 1.25 })
  expect(launch.map(({ count }) => count)).toEqual([1])
})

test('replacement: spot only where the policy wants it', () => {
  const spot = { ...small, capacityType: 'spot', labels: { 'karpenter.sh/capacity-type': 'spot' } }
  expect(planFor(four, { replacement: {} }, [spot]).launch).toEqual([])
  expect(planFor(four, { replacement: { spot: true } }, [spot]).launch.map(({ capacityType }) => capacityType)).toEqual(['spot'])
})

test('replacement: what counts on new nodes is not carried out where nobody launches them', () => {
  const plan = planFor(four, { replacement: {} }, [small])
  const { nodes, refused } = verifyDrains(modelOf(...four), plan, ['a'], Policy.parse({}), NOW)
  expect(nodes).toEqual([])
  expect(refused[0]?.reason).toContain('nobody launches nodes here')
})

test('catalogue: of a capacity the system keeps its part', () => {
  const room = allocatableOf({ cpu: '4', memory: '16Gi', 'nvidia.com/gpu': 1 })
  // 6 % of the first core, 1 % of the second, 0.5 % of the next two; 25 % of 4 GiB, 20 % of 4, 10 % of 8, and 100 MiB.
  expect(Object.fromEntries(room)).toEqual({
    cpu: 4000 - 60 - 10 - 10,
    memory: Math.floor((16 - 1 - 0.8 - 0.8) * 2 ** 30 - 100 * 2 ** 20),
    pods: 110,
    'nvidia.com/gpu': 1,
  })
})

test('catalogue: what makes no sense is refused', () => {
  const problemOf = (type: object) => Catalogue.safeParse({ types: [type] }).error?.issues[0]?.message
  expect(problemOf(small)).toBeUndefined()
  expect(problemOf({ ...small, capacity: small.allocatable })).toBe('it needs allocatable or capacity, one of them')
  expect(problemOf({ ...small, allocatable: { cpu: '1' } })).toBe('it needs cpu and memory')
  expect(problemOf({ ...small, labels: { 'karpenter.sh/capacity-type': 'spot' } })).toBe('its labels say another capacity type')
  const many = Array.from({ length: 34 }, () => ({ ...small, zones: ['x', 'y', 'z'] }))
  expect(Catalogue.safeParse({ types: many }).error?.issues[0]?.message).toContain('more than 100 kinds')
})

// A checker that shares nothing with the planner: it knows only what `clusters` makes, and that planned nodes are empty.
const cpuOf = ({ spec }: Pod): number => Number.parseInt(String(spec.containers[0]?.resources?.requests?.cpu), 10)
type Kind = { readonly instanceType: string; readonly cpu: number; readonly price: number; readonly limit: number }
const violations = (objects: readonly PlannedObject[], kinds: readonly Kind[], { drains, launch }: Plan): readonly string[] => {
  const rooms = new Map(
    objects.flatMap((each) => (each.kind === 'Node' ? [[each.metadata.name, 1000 * Number(each.status.allocatable.cpu)]] : [])),
  ) as Map<string, number>
  const zones = new Map(
    objects.flatMap((each) => (each.kind === 'Node' ? [[each.metadata.name, each.metadata.labels?.zone ?? '']] : [])),
  ) as Map<string, string>
  for (const { instanceType, nodes = [] } of launch)
    for (const name of nodes) rooms.set(name, 1000 * (kinds.find((kind) => kind.instanceType === instanceType)?.cpu ?? 0))
  const pods = new Map(objects.flatMap((each) => (each.kind === 'Pod' ? [[each.metadata.name, each] as const] : [])))
  const at = new Map([...pods].map(([name, { spec }]) => [name, spec.nodeName ?? '']))
  const drained = new Set(drains.map((drain) => drain.node))
  const found: string[] = []
  for (const drain of drains)
    for (const { name, to } of drain.moves) {
      const moved = pods.get(name)
      if (!moved || drained.has(to) || !rooms.has(to)) found.push(`${name} → ${to}`)
      if (!moved) continue
      at.delete(name)
      const kin = [...at].filter(([other]) => pods.get(other)?.metadata.labels?.app === moved.metadata.labels?.app)
      const used = [...at].filter(([, n]) => n === to).reduce((sum, [other]) => sum + cpuOf(pods.get(other) ?? moved), 0)
      if (used + cpuOf(moved) > (rooms.get(to) ?? 0)) found.push(`${name} on ${to}: cpu`)
      if (moved.spec.affinity && kin.some(([, n]) => n === to)) found.push(`${name} on ${to}: anti-affinity`)
      if (moved.spec.nodeSelector && zones.get(to) !== 'x') found.push(`${name} on ${to}: zone`)
      if (moved.spec.topologySpreadConstraints && !zones.has(to)) found.push(`${name} on ${to}: spread`)
      at.set(name, to)
    }
  for (const [name, n] of at) if (drained.has(n)) found.push(`${name} left on ${n}`)
  return found
}

const kinds: fc.Arbitrary<readonly Kind[]> = fc
  .array(fc.record({ cpu: fc.integer({ min: 1, max: 8 }), price: fc.integer({ min: 1, max: 9 }), limit: fc.nat(2) }), {
    minLength: 1,
    maxLength: 2,
  })
  .map((list) => list.map((kind, index) => ({ ...kind, instanceType: `t${index}`, price: kind.price / 10 })))
const typesOf = (list: readonly Kind[]) =>
  list.map(({ instanceType, cpu, price, limit }) => ({
    instanceType,
    hourly: price,
    limit,
    allocatable: { cpu: String(cpu), memory: '8Gi', pods: '10' },
  }))

test('replacement: breaks no rule, keeps to its limits, is never dearer than a plan without, and leaves the model as it was', () => {
  let launches = 0
  fc.assert(
    fc.property(
      clusters({ nodes: 5, pods: 12, ruled: true }),
      kinds,
      fc.integer({ min: 1, max: 3 }),
      (objects, list, maxLaunches) => {
        const model = modelOf(...objects)
        const before = contents(model)
        const replacement = { maxLaunches, minSavingPercent: 10 }
        const plan = planCluster(model, Policy.parse({ aggressive: true, replacement }), Prices.parse({}), {
          now: NOW,
          catalogue: Catalogue.parse({ types: typesOf(list) }),
        })
        expect(contents(model)).toEqual(before)
        expect(violations(objects, list, plan)).toEqual([])
        const without = planFor(objects, { aggressive: true })
        const count = plan.launch.reduce((sum, each) => sum + each.count, 0)
        launches += count
        const price = plan.launch.reduce((sum, each) => sum + each.count * (each.hourlyCost ?? 0), 0)
        expect(plan.after.hourlyCost + 0.1 * price).toBeLessThanOrEqual(without.after.hourlyCost + 1e-6)
        expect(count).toBeLessThanOrEqual(maxLaunches)
        for (const each of plan.launch)
          expect(each.count).toBeLessThanOrEqual(list.find(({ instanceType }) => instanceType === each.instanceType)?.limit ?? 0)
        expect(plan.drains.length + plan.kept.length).toBe(plan.before.nodes)
        expect(plan.after.nodes).toBe(plan.before.nodes - plan.drains.length + count)
        expect(plan.risk.stranded).toBe(0)
      },
    ),
    { numRuns: 200, seed: 1 },
  )
  expect(launches).toBeGreaterThan(20)
})

/** The cheapest choice of nodes and launches that has room for all pods, by trying everything. */
const optimum = (objects: readonly PlannedObject[], list: readonly Kind[]): number => {
  const there = objects.flatMap((each) =>
    each.kind === 'Node'
      ? [
          {
            room: 1000 * Number(each.status.allocatable.cpu),
            price: Number(each.metadata.annotations?.['quartermaster.dev/hourly-price']),
          },
        ]
      : [],
  )
  const offered = list.flatMap(({ cpu, price, limit }) => Array.from({ length: limit }, () => ({ room: 1000 * cpu, price })))
  const all = [...there, ...offered]
  const pods = objects.flatMap((each) => (each.kind === 'Pod' ? [cpuOf(each)] : [])).sort((a, b) => b - a)
  const packs = (rooms: readonly number[], index = 0): boolean =>
    index === pods.length ||
    rooms.some((room, n) => room >= (pods[index] ?? 0) && packs(rooms.with(n, room - (pods[index] ?? 0)), index + 1))
  let least = Number.POSITIVE_INFINITY
  for (let set = 1; set < 2 ** all.length; set += 1) {
    const chosen = all.filter((_, index) => (set >> index) & 1)
    const cost = chosen.reduce((sum, { price }) => sum + price, 0)
    if (cost < least - 1e-9 && packs(chosen.map(({ room }) => room))) least = cost
  }
  return least
}

const tiny = { aggressive: true, minNodes: 0, replacement: { minSavingPercent: 0 } }
test('replacement: no choice of nodes and launches costs less than the bound of the relaxation, solved', () => {
  fc.assert(
    fc.property(clusters({ nodes: 4, pods: 6, ruled: false }), kinds, (objects, list) => {
      const options = { now: NOW, catalogue: Catalogue.parse({ types: typesOf(list) }), solver: highsSolver }
      const { bound, after } = planCluster(modelOf(...objects), Policy.parse(tiny), Prices.parse({}), options)
      expect(bound.hourlyCost).toBeLessThanOrEqual(Math.min(optimum(objects, list), after.hourlyCost) + 1e-6)
    }),
    { numRuns: 15 },
  )
})

test('replacement: no choice costs less than the bound of the volumes, and four plans of five are the cheapest there is', () => {
  let cheapest = 0
  fc.assert(
    fc.property(clusters({ nodes: 4, pods: 6, ruled: false }), kinds, (objects, list) => {
      const { bound, after } = planFor(objects, tiny, typesOf(list))
      const least = optimum(objects, list)
      expect(bound.hourlyCost).toBeLessThanOrEqual(least + 1e-6)
      if (after.hourlyCost <= least + 1e-6) cheapest += 1
    }),
    { numRuns: 100, seed: 1 },
  )
  expect(cheapest).toBeGreaterThanOrEqual(80)
})
