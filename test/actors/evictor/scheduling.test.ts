import fc from 'fast-check'
import { expect, test } from 'vitest'
import { billOf } from '../../../src/actors/evictor/commitments.ts'
import { disruption } from '../../../src/actors/evictor/disruption.ts'
import type { Task } from '../../../src/actors/evictor/emptying.ts'
import { search } from '../../../src/actors/evictor/fit.ts'
import { noHeadroom } from '../../../src/actors/evictor/headroom/headroom.ts'
import type { Model, NodeEntry, PodEntry } from '../../../src/actors/evictor/model.ts'
import { planCluster } from '../../../src/actors/evictor/plan.ts'
import { createBoard } from '../../../src/actors/evictor/scheduling/board.ts'
import { scarcestFirst } from '../../../src/actors/evictor/scheduling/order.ts'
import { rehearse } from '../../../src/actors/evictor/scheduling/rehearsal.ts'
import { enoughNodes, searchOrder } from '../../../src/actors/evictor/scheduling/sampling.ts'
import { bestOf, groundOf, resourceScorers, scoresOf } from '../../../src/actors/evictor/scheduling/score.ts'
import { steady } from '../../../src/actors/evictor/scheduling/steady.ts'
import type { PlannedObject } from '../../../src/events/kubernetes.ts'
import { type Plan, Policy, Prices, SchedulerProfile } from '../../../src/events/plan.ts'
import { clusters, contents, modelOf, NOW, node, pod, web } from './cluster.ts'

const only = (plugin: keyof SchedulerProfile['weights'], profile: object = {}) => {
  const none = Object.fromEntries(Object.keys(SchedulerProfile.parse({}).weights).map((name) => [name, 0]))
  return SchedulerProfile.parse({ ...profile, weights: { ...none, [plugin]: 1 } })
}
const shapeOf = (model: Model, name: string) => {
  const found = model.pods.get(`shop/${name}`)?.shape
  if (!found) throw new Error(`there is no pod ${name}`)
  return found
}
/** What the nodes of these names are worth to the pod. */
const scores = (model: Model, profile: SchedulerProfile, name: string, ...nodes: readonly string[]): readonly number[] => {
  const entries = nodes.flatMap((each) => model.nodes.get(each) ?? [])
  return [...scoresOf(groundOf(model, profile), shapeOf(model, name), entries)]
}

// The examples of `least_allocated_test.go`, `most_allocated_test.go` and `requested_to_capacity_ratio_test.go`.
const unequal = [
  node('small', { allocatable: { cpu: '4', memory: '10000' } }),
  node('large', { allocatable: { cpu: '6', memory: '10000' } }),
  pod('asks', undefined, { requests: { cpu: '3', memory: '5000' } }),
]
const ratio = { requestedToCapacityRatio: { shape: [0, 100].map((utilization) => ({ utilization, score: utilization / 10 })) } }
test.each([
  ['LeastAllocated', {}, [37, 50]],
  ['MostAllocated', {}, [62, 50]],
  ['RequestedToCapacityRatio', ratio, [63, 50]],
])('scores: NodeResourcesFit by %s', (type, more, expected) => {
  const profile = only('NodeResourcesFit', { scoringStrategy: { type, ...more } })
  expect(scores(modelOf(...unequal), profile, 'asks', 'small', 'large')).toEqual(expected)
})

test('scores: a container that asks for nothing counts for 100m and 200Mi, where it is and where it comes', () => {
  const silent = { spec: { containers: [{ name: 'main' }] } }
  const model = modelOf(
    node('a'),
    node('b'),
    pod('there', 'a', { spec: { ...silent.spec, nodeName: 'a' } }),
    pod('comes', undefined, silent),
  )
  const profile = only('NodeResourcesFit', { scoringStrategy: { resources: [{ name: 'cpu' }] } })
  expect(scores(model, profile, 'comes', 'a', 'b')).toEqual([95, 97])
})

test('scores: NodeResourcesBalancedAllocation prefers the node that the pod brings into balance', () => {
  const hungry = pod('there', 'a', { requests: { cpu: '1', memory: '6Gi' } })
  const model = modelOf(node('a'), node('b'), hungry, pod('comes', undefined, { requests: { cpu: '2', memory: '1Gi' } }))
  const [a = 0, b = 0] = scores(model, only('NodeResourcesBalancedAllocation'), 'comes', 'a', 'b')
  expect(a).toBeGreaterThan(b)
})

test('scores: TaintToleration minds the taints PreferNoSchedule that the pod does not tolerate, and no others', () => {
  const tainted = (...effects: readonly string[]) => ({
    spec: { taints: effects.map((effect, at) => ({ key: `k${at}`, effect })) },
  })
  const model = modelOf(
    node('free'),
    node('once', tainted('PreferNoSchedule')),
    node('twice', tainted('PreferNoSchedule', 'PreferNoSchedule')),
    pod('asks', undefined),
    pod('bears', undefined, { spec: { tolerations: [{ operator: 'Exists' }] } }),
  )
  expect(scores(model, only('TaintToleration'), 'asks', 'free', 'once', 'twice')).toEqual([100, 50, 0])
  expect(scores(model, only('TaintToleration'), 'bears', 'free', 'once', 'twice')).toEqual([100, 100, 100])
})

test('scores: NodeAffinity adds up the weights of preferred terms', () => {
  const preferring = (...terms: readonly (readonly [string, number])[]) => ({
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: terms.map(([key, weight]) => ({
          weight,
          preference: { matchExpressions: [{ key, operator: 'Exists' }] },
        })),
      },
    },
  })
  const model = modelOf(
    node('both', { metadata: { labels: { ssd: '', gpu: '' } } }),
    node('one', { metadata: { labels: { ssd: '' } } }),
    node('none'),
    pod('asks', undefined, { spec: preferring(['ssd', 10], ['gpu', 30]) }),
  )
  expect(scores(model, only('NodeAffinity'), 'asks', 'both', 'one', 'none')).toEqual([100, 25, 0])
})

test('scores: pods of an owner are spread over hosts by the defaults of the system, and the more the less of them are there', () => {
  const owner = { ...web(), spec: { replicas: 3, selector: { matchLabels: { app: 'web' } } } }
  const model = modelOf(owner, node('a'), node('b'), node('c'), pod('p', 'a'), pod('q', 'a'), pod('r', 'b'), pod('s', undefined))
  const [a = 0, b = 0, c = 0] = scores(model, only('PodTopologySpread'), 's', 'a', 'b', 'c')
  expect([c > b, b > a]).toEqual([true, true])
  expect(
    new Set(scores(modelOf(node('a'), node('b'), pod('p', 'a'), pod('s', undefined)), only('PodTopologySpread'), 's', 'a', 'b'))
      .size,
  ).toBe(1)
})

test('scores: InterPodAffinity hears both the pod and those that are there', () => {
  const wish = (which: string, app: string) => ({
    affinity: {
      [which]: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 50,
            podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app } } },
          },
        ],
      },
    },
  })
  const saying = (app: string, spec: Readonly<Record<string, unknown>>) => ({ metadata: { labels: { app } }, spec })
  const model = modelOf(
    node('db'),
    node('grump'),
    node('empty'),
    pod('database', 'db', saying('db', { nodeName: 'db' })),
    pod('hermit', 'grump', saying('hermit', { nodeName: 'grump', ...wish('podAntiAffinity', 'api') })),
    pod('asks', undefined, saying('api', wish('podAffinity', 'db'))),
  )
  expect(scores(model, only('InterPodAffinity'), 'asks', 'db', 'grump', 'empty')).toEqual([100, 0, 50])
})

// The examples of `schedule_one_test.go` TestNumFeasibleNodesToFind, and the ends of the range.
test.each([
  [10, 0, 10],
  [99, 0, 99],
  [100, 0, 100],
  [1000, 0, 420],
  [1000, 40, 400],
  [6000, 0, 300],
  [6000, 40, 2400],
])('sampling: of %i nodes at %i %% enough are %i', (nodes, percent, enough) => {
  expect(enoughNodes(nodes, percent)).toBe(enough)
})

test('sampling: zones take turns', () => {
  const zoned = (name: string, zone: string) => node(name, { metadata: { labels: { 'topology.kubernetes.io/zone': zone } } })
  const model = modelOf(zoned('a1', 'a'), zoned('a2', 'a'), zoned('a3', 'a'), zoned('b1', 'b'))
  const order = searchOrder([...model.nodes.values()], () => 0).map(({ name }) => name[0])
  expect(order.slice(0, 2).sort()).toEqual(['a', 'b'])
  expect(order.slice(2)).toEqual(['a', 'a'])
})

const labelled = (name: string, pool: string, cpu: string) =>
  node(name, {
    metadata: { labels: { 'kubernetes.io/hostname': name, pool } },
    allocatable: { cpu, memory: '64Gi' },
  })
const scope = { matchLabels: { pool: 'old' } }
const planOf = (objects: readonly PlannedObject[]): Plan =>
  planCluster(modelOf(...objects), Policy.parse({ scope, aggressive: true }), Prices.parse({}), { now: NOW })
const sized = (name: string, at: string, cpu: string) => pod(name, at, { requests: { cpu } })

test('plan: the pod with the fewest places goes first, before others take its room', () => {
  const objects = [
    labelled('large', 'new', '4'),
    labelled('small', 'new', '1'),
    labelled('a-little', 'old', '4'),
    labelled('b-big', 'old', '4'),
    sized('little', 'a-little', '1'),
    sized('big', 'b-big', '3500m'),
  ]
  const { drains, risk } = planOf(objects)
  expect(drains.map((drain) => [drain.node, drain.moves.map(({ name, to }) => [name, to])])).toEqual([
    ['b-big', [['big', 'large']]],
    ['a-little', [['little', 'small']]],
  ])
  expect(risk.stranded).toBe(0)
})

test('plan: a node is spared when in every order the scheduler would leave one of its pods pending', () => {
  // Two threes and three twos fit into two sixes, but not as LeastAllocated puts them.
  const objects = [
    labelled('six', 'new', '6'),
    labelled('seis', 'new', '6'),
    labelled('threes', 'old', '6'),
    labelled('twos', 'old', '6'),
    ...['a', 'b'].map((name) => sized(`three-${name}`, 'threes', '3')),
    ...['a', 'b', 'c'].map((name) => sized(`two-${name}`, 'twos', '2')),
  ]
  const { drains, kept, risk, evictions } = planOf(objects)
  expect(drains.map((drain) => drain.node)).toEqual(['threes'])
  expect([evictions, risk.stranded]).toEqual([2, 0])
  expect(kept.find((each) => each.node === 'twos')?.reasons).toMatchObject([
    { code: 'NoRoom', pod: expect.stringMatching(/^shop\/two-/) },
  ])
})

test('steady: of drains that strand a pod one is given up, for its sake', () => {
  const model = modelOf(
    ...['six', 'seis', 'threes', 'twos'].map((name) => labelled(name, 'new', '6')),
    ...['a', 'b'].map((name) => sized(`three-${name}`, 'threes', '3')),
    ...['a', 'b', 'c'].map((name) => sized(`two-${name}`, 'twos', '2')),
  )
  const policy = Policy.parse({ aggressive: true })
  const nodes = [...model.nodes.values()]
  const task: Task = {
    model,
    policy,
    disruption: disruption(model, policy, NOW),
    nodes,
    hourly: new Map(nodes.map((each) => [each, 1])),
    fixed: new Map(),
    isLate: () => false,
    bill: billOf(new Map(), Prices.parse({}).commitments),
    covered: new Map(),
    headroom: noHeadroom,
    isOver: () => false,
  }
  const six = demand(model.nodes.get('six'))
  const drained = ['threes', 'twos'].map((name) => {
    const from = demand(model.nodes.get(name))
    return { node: from, moves: [...from.pods].map((moved) => ({ pod: moved, to: six })) }
  })
  const { drains, spared, stranded } = steady(task, groundOf(model), scarcestFirst, drained)
  expect([drains.map((drain) => drain.node.name), stranded]).toEqual([['threes'], 0])
  expect([...spared].map(([{ name }, reasons]) => [name, reasons])).toEqual([
    [
      'twos',
      [
        {
          code: 'WouldStrand',
          pod: expect.stringMatching(/^shop\/two-/),
          message: expect.stringContaining('kube-scheduler puts others'),
        },
      ],
    ],
  ])
})

test('plan: with a scheduler that packs the same nodes are both emptied', () => {
  const objects = [
    labelled('six', 'new', '6'),
    labelled('seis', 'new', '6'),
    labelled('threes', 'old', '6'),
    labelled('twos', 'old', '6'),
    ...['a', 'b'].map((name) => sized(`three-${name}`, 'threes', '3')),
    ...['a', 'b', 'c'].map((name) => sized(`two-${name}`, 'twos', '2')),
  ]
  const scheduler = only('NodeResourcesFit', { scoringStrategy: { type: 'MostAllocated', resources: [{ name: 'cpu' }] } })
  const policy = Policy.parse({ scope, aggressive: true, scheduler })
  expect(planCluster(modelOf(...objects), policy, Prices.parse({}), { now: NOW }).drains).toHaveLength(2)
})

test('plan: no rehearsal leaves a pod pending, and each leaves the model as it was', () => {
  fc.assert(
    fc.property(clusters({ nodes: 8, pods: 20, ruled: true }), (objects) => {
      const model = modelOf(...objects)
      const plan = planCluster(model, Policy.parse({ aggressive: true }), Prices.parse({}), { now: NOW })
      expect(plan.risk.stranded).toBe(0)
      const before = contents(model)
      const drains = plan.drains.map(({ node: name, moves }) => ({
        node: demand(model.nodes.get(name)),
        moves: moves.map((each) => ({
          pod: demand(model.pods.get(`${each.namespace}/${each.name}`)),
          to: demand(model.nodes.get(each.to)),
        })),
      }))
      const ground = groundOf(model)
      for (let seed = 1; seed <= 20; seed += 2) expect(rehearse(ground, drains, seed).stranded).toEqual([])
      expect(contents(model)).toEqual(before)
      expect(groundOf(model).unsaid.cpu).toEqual(ground.unsaid.cpu)
    }),
    { numRuns: 60 },
  )
})
const demand = <Item>(item: Item | undefined): Item => {
  if (item === undefined) throw new Error('the model lacks what the plan names')
  return item
}

test('board: finds the nodes that a search through all of them finds, with the same scores', () => {
  fc.assert(
    fc.property(
      clusters({ nodes: 5, pods: 12, ruled: false }),
      fc.array(fc.record({ which: fc.nat(), where: fc.nat(), start: fc.nat(), enough: fc.integer({ min: 1, max: 6 }) }), {
        maxLength: 20,
      }),
      (objects, moves) => {
        const model = modelOf(...objects)
        const ground = groundOf(model)
        const nodes = [...model.nodes.values()].filter(({ object }) => object)
        const pods = [...model.pods.values()]
        if (nodes.length === 0 || pods.length === 0) return
        const put = (pod: PodEntry, to: NodeEntry | undefined): void => {
          ground.unsaid.move(pod, to)
          model.move(pod, to)
        }
        for (const pod of pods) put(pod, undefined)
        const board = createBoard(ground, nodes)
        for (const { which, where, start, enough } of moves) {
          const [moved, to] = [demand(pods[which % pods.length]), demand(nodes[where % nodes.length])]
          if (!moved.node) put(moved, to)
          board.changed(to)
          const { shape } = demand(pods[where % pods.length])
          const first = start % nodes.length
          const asked = search(model, shape)
          const round = [...nodes.slice(first), ...nodes.slice(0, first)]
          const fits = (node: NodeEntry): boolean => asked?.quick(node) === true && !asked.rest?.(node)
          const all = nodes.filter(fits)
          const fitting = all.length < enough ? all : round.filter(fits).slice(0, enough)
          const found = board.find(shape, first, enough)
          expect(new Set(found.nodes)).toEqual(new Set(fitting))
          const last = all.length < enough ? undefined : fitting.at(-1)
          expect(found.last === undefined ? undefined : nodes[found.last]).toBe(last)
          expect([...found.scores]).toEqual([...scoresOf(ground, shape, found.nodes, resourceScorers)])
        }
      },
    ),
  )
})

test('rehearsal: the same seed gives the same landings, and equals share them', () => {
  const equal = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => labelled(name, 'new', '4'))
  const model = modelOf(labelled('source', 'old', '4'), ...equal, sized('web', 'source', '1'))
  const ground = groundOf(model)
  const moved = demand(model.pods.get('shop/web'))
  const drains = [{ node: demand(model.nodes.get('source')), moves: [{ pod: moved, to: demand(model.nodes.get('a')) }] }]
  const landing = (seed: number) => rehearse(ground, drains, seed).landings.get(moved)?.name
  expect(landing(3)).toBe(landing(3))
  expect(new Set(Array.from({ length: 40 }, (_, seed) => landing(seed))).size).toBeGreaterThan(3)
  expect(
    bestOf(
      ground,
      moved.shape,
      [...model.nodes.values()].filter(({ name }) => name !== 'source'),
    ),
  ).toHaveLength(6)
})
