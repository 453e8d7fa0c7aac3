import fc from 'fast-check'
import { expect, test } from 'vitest'
import { billOf, sharesOf } from '../../../src/actors/evictor/commitments.ts'
import { planCluster } from '../../../src/actors/evictor/plan.ts'
import { highsSolver } from '../../../src/adapters/highs/solver.ts'
import type { Node, PlannedObject } from '../../../src/events/kubernetes.ts'
import { Policy, Prices } from '../../../src/events/plan.ts'
import { clusters, modelOf, NOW, node, pod, web } from './cluster.ts'

const bought = (name: string, type: string, price: number, labels: Readonly<Record<string, string>> = {}): Node =>
  node(name, {
    metadata: {
      labels: { 'kubernetes.io/hostname': name, 'node.kubernetes.io/instance-type': type, ...labels },
      annotations: { 'quartermaster.dev/hourly-price': String(price) },
    },
  })
const billFor = (nodes: readonly Node[], commitments: object) => {
  const model = modelOf(...nodes)
  const list = new Map([...model.nodes.values()].map((each) => [each, priceOf(each.object)] as const))
  return billOf(list, Prices.parse({ commitments }).commitments)
}
const priceOf = (object: Node | undefined): number => Number(object?.metadata.annotations?.['quartermaster.dev/hourly-price'])
const totals = (nodes: readonly Node[], commitments: object): readonly number[] => {
  const bill = billFor(nodes, commitments)
  const all = [...bill.list.keys()]
  return Array.from({ length: all.length + 1 }, (_, count) => Math.round(bill.total(all.slice(0, count)) * 1e6) / 1e6)
}
const three = ['a', 'b', 'c'].map((name) => bought(name, 'm5.large', 1))

test.each([
  ['nothing: each node counts', {}, [0, 1, 2, 3]],
  ['two of three: only the third counts', { instances: [{ instanceType: 'm5.large', count: 2 }] }, [2, 2, 2, 3]],
  ['more than there are', { instances: [{ instanceType: 'm5.large', count: 5 }] }, [5, 5, 5, 5]],
  ['at a price of their own', { instances: [{ instanceType: 'm5.large', count: 2, hourly: 0.6 }] }, [1.2, 1.2, 1.2, 2.2]],
  ['of another type', { instances: [{ instanceType: 'c5.large', count: 2, hourly: 1 }] }, [2, 3, 4, 5]],
  ['in a zone where none is', { instances: [{ instanceType: 'm5.large', zone: 'z', count: 1, hourly: 1 }] }, [1, 2, 3, 4]],
  ['to spend, a third less than on demand', { spend: [{ hourly: 1, discount: 1 / 3 }] }, [1, 1, 1.5, 2.5]],
  [
    'instances first, what is beyond is spent',
    { instances: [{ instanceType: 'm5.large', count: 1 }], spend: [{ hourly: 0.5, discount: 0.5 }] },
    [1.5, 1.5, 1.5, 2.5],
  ],
])('commitments: %s', (_, commitments, costs) => {
  expect(totals(three, commitments)).toEqual(costs)
})

test('commitments: spot nodes use none, and those of a zone come before those of any', () => {
  const spot = ['a', 'b'].map((name) => bought(name, 'm5.large', 1, { 'karpenter.sh/capacity-type': 'spot' }))
  expect(totals(spot, { instances: [{ instanceType: 'm5.large', count: 2 }] })).toEqual([2, 3, 4])
  const zoned = ['a', 'b', 'c'].map((name) => bought(name, 'm5.large', 1, { 'topology.kubernetes.io/zone': 'z' }))
  const both = [
    { instanceType: 'm5.large', count: 1 },
    { instanceType: 'm5.large', zone: 'z', count: 1 },
  ]
  expect(totals(zoned, { instances: both })).toEqual([2, 2, 2, 3])
})

const types = ['s', 'm', 'l']
const TYPE_PRICE: Readonly<Record<string, number>> = { s: 0.3, m: 0.5, l: 0.9 }
const commitments = fc.record({
  instances: fc.array(
    fc.record({
      instanceType: fc.constantFrom(...types),
      zone: fc.constantFrom(undefined, 'x', 'y'),
      count: fc.integer({ min: 1, max: 3 }),
      hourly: fc.constantFrom(undefined, 0.1),
    }),
    { maxLength: 3 },
  ),
  spend: fc.array(fc.record({ hourly: fc.constantFrom(0.2, 0.5, 1), discount: fc.constantFrom(0, 0.3) }), { maxLength: 2 }),
})
const typed = (objects: readonly PlannedObject[], of: readonly number[]): readonly PlannedObject[] => {
  let index = 0
  return objects.map((each) => {
    if (each.kind !== 'Node') return each
    const type = types[(of[index++] ?? 0) % types.length] ?? 's'
    const labels = {
      ...each.metadata.labels,
      'node.kubernetes.io/instance-type': type,
      'topology.kubernetes.io/zone': each.metadata.labels?.zone ?? '',
    }
    return {
      ...each,
      metadata: { ...each.metadata, labels, annotations: { 'quartermaster.dev/hourly-price': String(TYPE_PRICE[type]) } },
    }
  })
}
const worlds = fc
  .tuple(clusters({ nodes: 5, pods: 7, ruled: false }), fc.array(fc.nat(2), { minLength: 5, maxLength: 5 }), commitments)
  .map(([objects, of, committed]) => ({ objects: typed(objects, of), prices: Prices.parse({ commitments: committed }) }))
const nodesOf = (objects: readonly PlannedObject[]) => objects.filter((each): each is Node => each.kind === 'Node')

test('commitments: no set of nodes costs more than what is left to each, and all of them just that', () => {
  fc.assert(
    fc.property(worlds, fc.nat(31), ({ objects, prices }, set) => {
      const bill = billFor(nodesOf(objects), prices.commitments)
      const all = [...bill.list.keys()]
      const { hourly } = sharesOf(bill, all)
      const sum = (nodes: typeof all): number => nodes.reduce((total, each) => total + (hourly.get(each) ?? 0), bill.fixed)
      const some = all.filter((__, index) => (set >> index) & 1)
      expect(bill.total(some)).toBeLessThanOrEqual(sum(some) + 1e-9)
      expect(bill.total(all)).toBeCloseTo(sum(all), 9)
    }),
    { numRuns: 300 },
  )
})

// The cheapest set of nodes on which all pods fit by cpu, by trying all sets and all ways to fill them.
const optimum = (objects: readonly PlannedObject[], prices: Prices): number => {
  const bill = billFor(nodesOf(objects), prices.commitments)
  const pods = objects.flatMap((each) =>
    each.kind === 'Pod' ? [Number.parseInt(String(each.spec.containers[0]?.resources?.requests?.cpu), 10)] : [],
  )
  const packs = (rooms: readonly number[], index = 0): boolean =>
    index === pods.length ||
    rooms.some((room, n) => room >= (pods[index] ?? 0) && packs(rooms.with(n, room - (pods[index] ?? 0)), index + 1))
  const nodes = [...bill.list.keys()]
  let least = Number.POSITIVE_INFINITY
  for (let set = 0; set < 2 ** nodes.length; set += 1) {
    const chosen = nodes.filter((_, index) => (set >> index) & 1)
    const cost = bill.total(chosen)
    if (cost < least && packs(chosen.map(({ object }) => 1000 * Number(object?.status.allocatable.cpu)))) least = cost
  }
  return least
}

test('commitments: the bound is below the cheapest choice, the plan above it, and no node goes that saves nothing', () => {
  let covered = 0
  let tight = 0
  fc.assert(
    fc.property(worlds, ({ objects, prices }) => {
      const policy = Policy.parse({ aggressive: true })
      const { bound, before, after, kept, drains } = planCluster(modelOf(...objects), policy, prices, {
        now: NOW,
        solver: highsSolver,
      })
      expect(bound.hourlyCost).toBeLessThanOrEqual(optimum(objects, prices) + 1e-6)
      expect(bound.hourlyCost).toBeLessThanOrEqual(after.hourlyCost + 1e-6)
      const bill = billFor(nodesOf(objects), prices.commitments)
      const names = new Set(kept.map((each) => each.node))
      const stay = [...bill.list.keys()].filter(({ name }) => names.has(name))
      expect(after.hourlyCost).toBeCloseTo(bill.total(stay), 5)
      expect(before.hourlyCost).toBeCloseTo(bill.total(bill.list.keys()), 5)
      for (const each of bill.list.keys())
        if (drains.some((drain) => drain.node === each.name))
          expect(bill.total([...stay, each])).toBeGreaterThan(bill.total(stay) + 1e-9)
      covered += kept.filter(({ reasons }) => reasons[0]?.code === 'Committed').length
      if (bound.hourlyCost > after.hourlyCost - 1e-6) tight += 1
    }),
    { numRuns: 25, seed: 1 },
  )
  expect(covered).toBeGreaterThan(0)
  expect(tight).toBeGreaterThan(0)
})

test('commitments: of two that could be emptied the one that is not committed goes', () => {
  const objects = [bought('a', 'm5.large', 1), bought('b', 'm5.large', 1), web(2), pod('p', 'a'), pod('q', 'b')]
  const planFor = (count: number) =>
    planCluster(
      modelOf(...objects),
      Policy.parse({}),
      Prices.parse({ commitments: { instances: [{ instanceType: 'm5.large', count }] } }),
      { now: NOW },
    )
  expect(planFor(1)).toMatchObject({ before: { hourlyCost: 2 }, after: { hourlyCost: 1 }, bound: { hourlyCost: 1 } })
  const { drains, kept, after } = planFor(2)
  expect([drains.length, after.hourlyCost]).toEqual([0, 2])
  expect(kept[0]?.reasons).toEqual([
    { code: 'Committed', message: 'it is paid for whether it stays or not: 2 of m5.large committed' },
  ])
})
