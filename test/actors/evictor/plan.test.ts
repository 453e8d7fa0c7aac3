import fc from 'fast-check'
import { expect, test } from 'vitest'
import { planCluster } from '../../../src/actors/evictor/plan.ts'
import { verifyDrains } from '../../../src/actors/evictor/verify.ts'
import { highsSolver } from '../../../src/adapters/highs/solver.ts'
import type { PlannedObject, Pod } from '../../../src/events/kubernetes.ts'
import { Plan, Policy, Prices } from '../../../src/events/plan.ts'
import { budget, clusters, contents, modelOf, NOW, node, pod, web } from './cluster.ts'
import { openbObjects } from './openb.ts'

const prices = Prices.parse({})
const planFor = (objects: readonly PlannedObject[], policy: object = {}) =>
  planCluster(modelOf(...objects), Policy.parse(policy), prices, { now: NOW })
const reasonsOf = (plan: Plan, name: string) => plan.kept.find((kept) => kept.node === name)?.reasons.map(({ code }) => code)
const nodesOf = (objects: readonly PlannedObject[]) => objects.filter((each) => each.kind === 'Node')
const podsOf = (objects: readonly PlannedObject[]) => objects.filter((each) => each.kind === 'Pod')

// A checker that shares nothing with the planner: it knows only what `clusters` makes (cpu, one rule per app, zones).
const cpuOf = ({ spec }: Pod): number => Number.parseInt(String(spec.containers[0]?.resources?.requests?.cpu), 10)
const violations = (objects: readonly PlannedObject[], { drains }: Plan): readonly string[] => {
  const nodes = new Map(nodesOf(objects).map((each) => [each.metadata.name, each]))
  const at = new Map(podsOf(objects).map((each) => [each.metadata.name, each.spec.nodeName ?? '']))
  const pods = new Map(podsOf(objects).map((each) => [each.metadata.name, each]))
  const drained = new Set(drains.map((drain) => drain.node))
  const found: string[] = []
  const zoneOf = (name: string): string => nodes.get(name)?.metadata.labels?.zone ?? ''
  for (const drain of drains) {
    for (const { name, to } of drain.moves) {
      const moved = pods.get(name)
      if (!moved || drained.has(to) || at.get(name) !== drain.node) found.push(`${name} → ${to}`)
      if (!moved) continue
      at.delete(name)
      const app = moved.metadata.labels?.app
      const kin = [...at].filter(([other]) => pods.get(other)?.metadata.labels?.app === app)
      const used = [...at].filter(([, n]) => n === to).reduce((sum, [other]) => sum + cpuOf(pods.get(other) ?? moved), 0)
      if (used + cpuOf(moved) > 1000 * Number(nodes.get(to)?.status.allocatable.cpu)) found.push(`${name} on ${to}: cpu`)
      if (moved.spec.affinity && kin.some(([, n]) => n === to)) found.push(`${name} on ${to}: anti-affinity`)
      if (moved.spec.nodeSelector && zoneOf(to) !== 'x') found.push(`${name} on ${to}: zone`)
      const zones = [...new Set([...nodes.keys()].map(zoneOf))].map((zone) => kin.filter(([, n]) => zoneOf(n) === zone).length)
      const inZone = kin.filter(([, n]) => zoneOf(n) === zoneOf(to)).length
      if (moved.spec.topologySpreadConstraints && inZone + 1 - Math.min(...zones) > 2) found.push(`${name} on ${to}: spread`)
      at.set(name, to)
    }
    for (const [name, n] of at) if (n === drain.node) found.push(`${name} left on ${n}`)
  }
  return found
}

test('plan: replayed move by move breaks no rule, accounts for every node, and explains every one it keeps', () => {
  fc.assert(
    fc.property(
      clusters({ nodes: 6, pods: 14, ruled: true }),
      fc.option(fc.nat(6), { nil: undefined }),
      (objects, maxEvictions) => {
        const plan = planFor(objects, { maxEvictions })
        expect(violations(objects, plan)).toEqual([])
        expect(plan.drains.length + plan.kept.length).toBe(nodesOf(objects).length)
        expect(plan.kept.every(({ reasons }) => reasons.length > 0 && reasons.every(({ message }) => message !== ''))).toBe(true)
        expect(plan.evictions).toBe(plan.drains.flatMap(({ moves }) => moves).length)
        expect(plan.evictions).toBeLessThanOrEqual(maxEvictions ?? Number.POSITIVE_INFINITY)
        expect(Plan.parse(plan)).toEqual(plan)
      },
    ),
    { numRuns: 300 },
  )
})

test('plan: leaves the model as it was, and is the same for the same cluster in any order', () => {
  const shuffled = clusters({ nodes: 6, pods: 14, ruled: true }).chain((objects) =>
    fc.tuple(fc.constant(objects), fc.shuffledSubarray([...objects], { minLength: objects.length })),
  )
  fc.assert(
    fc.property(shuffled, ([objects, other]) => {
      const model = modelOf(...objects)
      const before = contents(model)
      const plan = planCluster(model, Policy.parse({}), prices, { now: NOW })
      expect(contents(model)).toEqual(before)
      expect(planFor(other)).toEqual(plan)
    }),
    { numRuns: 400 },
  )
})

// The cheapest set of nodes on which all pods fit by cpu, by trying all sets and all ways to fill them.
const optimum = (objects: readonly PlannedObject[]): number => {
  const nodes = nodesOf(objects).map((each) => ({
    room: 1000 * Number(each.status.allocatable.cpu),
    price: Number(each.metadata.annotations?.['quartermaster.dev/hourly-price']),
  }))
  const pods = podsOf(objects).map(cpuOf)
  const packs = (rooms: readonly number[], index = 0): boolean =>
    index === pods.length ||
    rooms.some((room, n) => room >= (pods[index] ?? 0) && packs(rooms.with(n, room - (pods[index] ?? 0)), index + 1))
  let least = Number.POSITIVE_INFINITY
  for (let set = 0; set < 2 ** nodes.length; set += 1) {
    const chosen = nodes.filter((_, index) => (set >> index) & 1)
    const cost = chosen.reduce((sum, { price }) => sum + price, 0)
    if (cost < least && packs(chosen.map(({ room }) => room))) least = cost
  }
  return least
}

test('bound: is never above the cheapest choice of nodes, nor above the plan', () => {
  fc.assert(
    fc.property(clusters({ nodes: 5, pods: 7, ruled: false }), (objects) => {
      const { bound, after } = planFor(objects)
      expect(bound.hourlyCost).toBeLessThanOrEqual(optimum(objects) + 1e-9)
      expect(bound.hourlyCost).toBeLessThanOrEqual(after.hourlyCost + 1e-9)
    }),
    { numRuns: 200 },
  )
})

test('bound: of the relaxation, solved, is as little above any choice, and never below that of the volumes', () => {
  fc.assert(
    fc.property(clusters({ nodes: 5, pods: 7, ruled: false }), (objects) => {
      const solved = planCluster(modelOf(...objects), Policy.parse({}), prices, { now: NOW, solver: highsSolver })
      const { bound, after } = solved
      expect(bound.hourlyCost).toBeLessThanOrEqual(after.hourlyCost + 1e-6)
      expect(bound.hourlyCost).toBeGreaterThanOrEqual(planFor(objects).bound.hourlyCost)
      if (solved.kept.every(({ reasons }) => reasons.every(({ pod: stuck }) => stuck === undefined)))
        expect(bound.hourlyCost).toBeLessThanOrEqual(optimum(objects) + 1e-6)
    }),
    { numRuns: 12 },
  )
})

test('plan: the same with a solver as often as it is asked, and no pod is moved twice', () => {
  const cluster = openbObjects(80, 700)
  const plans = [1, 2].map(() => planCluster(modelOf(...cluster), Policy.parse({}), prices, { now: NOW, solver: highsSolver }))
  expect({ ...plans[0], solveMillis: 0 }).toEqual({ ...plans[1], solveMillis: 0 })
  const moved = plans[0]?.drains.flatMap(({ moves }) => moves.map(({ uid }) => uid)) ?? []
  expect(moved.length).toBeGreaterThan(10)
  expect(new Set(moved).size).toBe(moved.length)
})

// The clusters that cluster-autoscaler measures itself by: pkg/core/bench and its scaledown/efficiency.
test('plan: of equal nodes with 40 pods of a hundredth each, three of five are freed', () => {
  const objects = [
    web(8_000),
    ...Array.from({ length: 200 }, (_, n) => node(`n${n}`, { allocatable: { cpu: '10', memory: '40Gi', pods: '110' } })),
    ...Array.from({ length: 8_000 }, (_, n) => pod(`p${n}`, `n${n % 200}`, { requests: { cpu: '100m', memory: '256Mi' } })),
  ]
  const { drains, after, bound } = planFor(objects)
  expect(drains).toHaveLength(120)
  expect(after.hourlyCost).toBeCloseTo(bound.hourlyCost)
})

test('plan: six nodes of three sizes are left as those that six pods fill exactly', () => {
  const sizes = [1, 1, 4, 4, 4, 9]
  const objects = [
    web(6),
    ...sizes.map((cpu, n) =>
      node(`n${n}`, {
        metadata: { annotations: { 'quartermaster.dev/hourly-price': String(cpu) } },
        allocatable: { cpu: String(cpu), memory: '32Gi' },
      }),
    ),
    ...sizes.map((_, n) => pod(`p${n}`, `n${n}`)),
  ]
  const { after } = planFor(objects)
  expect(after).toEqual({ nodes: 3, hourlyCost: 6 })
})

const pair = [node('a'), node('b'), web(), pod('p', 'a'), pod('q', 'b'), pod('r', 'b')]

test('plan: empties the node whose pods go elsewhere, and says where', () => {
  const { drains, kept, before, after } = planFor(pair)
  expect(drains).toEqual([{ node: 'a', uid: 'uid-a', wave: 1, moves: [{ namespace: 'shop', name: 'p', uid: 'uid-p', to: 'b' }] }])
  expect(kept).toEqual([{ node: 'b', reasons: [{ code: 'MinNodes', message: 'the policy keeps 1 node(s)' }] }])
  expect([before.hourlyCost, after.hourlyCost]).toEqual([1, 0.5])
})

test('plan: says which pod found no room, and what each node has against it', () => {
  const big = (name: string, at: string) => pod(name, at, { requests: { cpu: '3' } })
  const { kept } = planFor([node('a'), node('b'), web(), big('p', 'a'), big('q', 'b')])
  expect(kept[0]?.reasons).toEqual([
    { code: 'NoRoom', message: 'pod shop/p (3 cpu, 1 GiB) fits on no other node: 1× Insufficient cpu', pod: 'shop/p' },
  ])
})

test.each([
  ['RemovalDisabled', { metadata: { annotations: { 'karpenter.sh/do-not-disrupt': 'true' } } }],
  ['RemovalDisabled', { metadata: { annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' } } }],
  ['RemovalDisabled', { metadata: { labels: { 'autoscaling.cast.ai/removal-disabled': 'true' } } }],
  ['BarePod', { metadata: { ownerReferences: [] } }],
  ['NotReplicated', { metadata: { ownerReferences: [{ kind: 'StatefulSet', name: 's', uid: 's', controller: true }] } }],
  ['LocalStorage', { spec: { volumes: [{ name: 'v', emptyDir: {} }] } }],
  ['Undecided', { spec: { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'v' } }] } }],
])('disruption: a pod keeps its node by %s', (code, over) => {
  const plan = planFor([node('a'), node('b'), web(), pod('p', 'a', over), pod('q', 'b', over)])
  expect(plan.drains).toEqual([])
  expect(reasonsOf(plan, 'a')).toEqual([code])
})

test('disruption: pods of DaemonSets and static pods are no obstacle', () => {
  const stays = (name: string, kind: string) =>
    pod(name, 'a', { metadata: { ownerReferences: [{ kind, name, uid: name, controller: true }] } })
  const { drains } = planFor([node('a'), node('b'), stays('d', 'DaemonSet'), stays('s', 'Node')])
  expect(drains.map((drain) => drain.moves.length)).toEqual([0])
})

test('disruption: the policy "aggressive" moves what is alone', () => {
  const alone = pod('p', 'a', { metadata: { ownerReferences: [] } })
  expect(planFor([node('a'), node('b'), alone], { aggressive: true, minNodes: 1 }).drains).toHaveLength(1)
})

test('disruption: a single replica keeps its node', () => {
  const alone = [node('a'), node('b'), web(1), pod('p', 'a')]
  expect(reasonsOf(planFor(alone, { minNodes: 0 }), 'a')).toEqual(['SingleReplica'])
})

const named = (over: object) => ({ metadata: { ...node('a').metadata, ...over } })
test.each([
  ['TooYoung', named({ creationTimestamp: new Date(NOW - 10_000).toISOString() })],
  ['Cordoned', { spec: { unschedulable: true } }],
  ['NotReady', { conditions: [{ type: 'Ready', status: 'False' }] }],
  ['ControlPlane', named({ labels: { 'node-role.kubernetes.io/control-plane': '' } })],
])('disruption: a node is kept that is %s', (code, over) => {
  expect(reasonsOf(planFor([node('a', over), node('b')]), 'a')).toEqual([code])
})

test('budgets: two on one pod block, one that can never allow a disruption blocks, one that allows none now does not', () => {
  const open = { disruptionsAllowed: 0, expectedPods: 3, desiredHealthy: 2, currentHealthy: 2 }
  expect(reasonsOf(planFor([...pair, budget('x', open), budget('y', open)]), 'a')).toEqual(['TwoBudgets'])
  expect(reasonsOf(planFor([...pair, budget('x', { ...open, desiredHealthy: 3 })]), 'a')).toEqual(['BudgetForbids'])
  expect(planFor([...pair, budget('x', open)]).drains).toHaveLength(1)
})

test('waves: no budget is asked for more than it allows by the nodes of one wave', () => {
  const nodes = ['a', 'b', 'c', 'd'].map((name) => node(name))
  const pods = ['a', 'b', 'c'].map((name) => pod(`p${name}`, name))
  const wavesAt = (disruptionsAllowed: number) =>
    planFor([
      ...nodes,
      ...pods,
      web(),
      pod('q', 'd'),
      budget('x', { disruptionsAllowed, expectedPods: 4, desiredHealthy: 2 }),
    ]).drains.map(({ wave }) => wave)
  expect(wavesAt(1)).toEqual([1, 2, 3])
  expect(wavesAt(2)).toEqual([1, 1, 2])
})

test('verify: a planned node may go while nothing has changed, and says what has', () => {
  const plan = planFor(pair)
  const verify = (objects: readonly PlannedObject[], names = ['a']) =>
    verifyDrains(modelOf(...objects), plan, names, Policy.parse({}), NOW)
  expect(verify(pair)).toEqual({ nodes: ['a'], refused: [] })
  expect(verify([...pair, pod('s', 'b', { requests: { cpu: '2' } })]).refused[0]?.reason).toContain('Insufficient cpu')
  expect(verify(pair.slice(1)).refused[0]?.reason).toBe('the node is gone')
  expect(
    verify([...pair, node('a', { metadata: { uid: 'new', creationTimestamp: '2025-01-01T00:00:00Z' } })]).refused[0]?.reason,
  ).toBe('another node has its name now')
  expect(verify(pair, ['b']).refused[0]?.reason).toBe('the plan does not empty it')
})

test('plan: the room of pods that wait is left to them', () => {
  const waits = pod('w', undefined, { requests: { cpu: '3' } })
  expect(planFor([...pair, waits]).drains).toEqual([])
})

test('prices: annotation, file and formula, in that order; spot is cheaper', () => {
  const bare = (labels = {}) => node('a', { metadata: { annotations: {}, labels } })
  const at = (each: PlannedObject, file: object) =>
    planCluster(modelOf(each), Policy.parse({}), Prices.parse(file), { now: NOW }).before.hourlyCost
  const typed = { 'node.kubernetes.io/instance-type': 'm' }
  expect(at(node('a'), { nodes: { a: 9 } })).toBe(0.5)
  expect(at(bare(typed), { nodes: { a: 9 }, instanceTypes: { m: 2 } })).toBe(9)
  expect(at(bare(typed), { region: 'r', currency: 'USD', unit: 'h', asOf: 'd', onDemand: { m: 2 } })).toBe(2)
  expect(at(bare({ ...typed, 'karpenter.sh/capacity-type': 'spot' }), { instanceTypes: { m: 2 } })).toBe(0.8)
  expect(at(bare(), {})).toBeCloseTo(4 * 0.035 + 8 * 0.0045)
})

test('plan: a part of the openb cluster is packed near the bound', () => {
  const { before, after, bound } = planFor(openbObjects(150, 300))
  expect(after.hourlyCost).toBeLessThan(before.hourlyCost)
  expect(after.hourlyCost).toBeLessThan(bound.hourlyCost * 1.25)
})
