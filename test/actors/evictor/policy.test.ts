import { expect, test } from 'vitest'
import { balanceOf, evictionCost } from '../../../src/actors/evictor/balance.ts'
import { planCluster } from '../../../src/actors/evictor/plan.ts'
import { verifyDrains } from '../../../src/actors/evictor/verify.ts'
import { mayDisrupt } from '../../../src/actors/evictor/windows.ts'
import type { ModelObject } from '../../../src/events/model-kinds.ts'
import { DisruptionWindow, type Plan, Policy, Prices } from '../../../src/events/plan.ts'
import { modelOf, NOW, node, pod, web } from './cluster.ts'

const planFor = (objects: readonly ModelObject[], policy: object): Plan =>
  planCluster(modelOf(...objects), Policy.parse(policy), Prices.parse({}), { now: NOW })
const drained = ({ drains }: Plan): readonly string[] => drains.map((drain) => drain.node).sort()
const codeOf = ({ kept }: Plan, name: string) => kept.find((each) => each.node === name)?.reasons[0]?.code
const messageOf = ({ kept }: Plan, name: string) => kept.find((each) => each.node === name)?.reasons[0]?.message

// Four nodes of 4 cores with one pod each: three can go.
const four = [
  web(4),
  ...['a', 'b', 'c', 'd'].map((name) => node(name)),
  ...['a', 'b', 'c', 'd'].map((name) => pod(`p-${name}`, name)),
]

test('policy: no more nodes are emptied than maxNodes, and no more pods than maxEvictions', () => {
  expect(planFor(four, {}).drains).toHaveLength(3)
  const plan = planFor(four, { maxNodes: 1 })
  expect(plan.drains).toHaveLength(1)
  expect(plan.kept.map(({ reasons }) => reasons[0]?.code)).toContain('NodeLimit')
  expect(planFor(four, { maxEvictions: 2 }).drains).toHaveLength(2)
})

test('policy: a plan that saves less than minSaving empties nothing, and says what it would have saved', () => {
  expect(planFor(four, { minSaving: { hourly: 1.5, percent: 75 } }).drains).toHaveLength(3)
  const dear = planFor(four, { minSaving: { hourly: 1.6 } })
  expect(dear.drains).toEqual([])
  expect(dear.after).toEqual(dear.before)
  expect(dear.kept.map(({ reasons }) => reasons[0]?.code).sort()).toEqual(
    ['MinNodes', 'MinSaving', 'MinSaving', 'MinSaving'].sort(),
  )
  expect(dear.kept.flatMap(({ reasons }) => reasons.map(({ message }) => message))).toContain(
    'the whole plan would save $1.5/h: the policy wants $1.6/h',
  )
  expect(planFor(four, { minSaving: { percent: 76 } }).drains).toEqual([])
})

test('policy: only nodes below utilizationBelow are emptied, also when the drain begins', () => {
  const objects = [
    web(4),
    ...['a', 'b', 'c'].map((name) => node(name)),
    pod('p', 'a'),
    pod('q', 'b'),
    pod('r', 'b'),
    pod('s', 'c'),
  ]
  const plan = planFor(objects, { utilizationBelow: 0.5 })
  expect(drained(plan)).toEqual(['a', 'c'])
  expect(messageOf(plan, 'b')).toBe('50 % of it is requested: the policy empties nodes below 50 %')
  const later = [...objects, pod('t', 'a')]
  const { nodes, refused } = verifyDrains(modelOf(...later), plan, ['a', 'c'], Policy.parse({ utilizationBelow: 0.5 }), NOW)
  expect([nodes, refused[0]?.node]).toEqual([['c'], 'a'])
})

test('policy: no pod of a protected namespace is evicted', () => {
  const plan = planFor(four, { protectedNamespaces: ['shop'] })
  expect([plan.drains, codeOf(plan, 'a')]).toEqual([[], 'ProtectedNamespace'])
  expect(planFor(four, { protectedNamespaces: ['bank'] }).drains).toHaveLength(3)
})

test('policy: of each owner no more pods are evicted than its rule allows', () => {
  const limited = planFor(four, { workloads: [{ selector: { matchLabels: { app: 'web' } }, maxEvictions: 1 }] })
  expect(limited.drains).toHaveLength(1)
  expect(limited.kept.map(({ reasons }) => reasons[0]?.code)).toContain('WorkloadLimit')
  expect(planFor(four, { workloads: [{ namespaces: ['bank'], maxEvictions: 0 }] }).drains).toHaveLength(3)
})

// NOW is midnight UTC, a Thursday: one o'clock in Berlin.
test('policy: outside of its windows a pod stays, and outside of all windows nothing is carried out', () => {
  const windows = (from: string, to: string) => [{ from, to, timeZone: 'Europe/Berlin' }]
  const only = (from: string, to: string) => ({ workloads: [{ namespaces: ['shop'], disruptionWindows: windows(from, to) }] })
  expect(planFor(four, only('00:30', '02:00')).drains).toHaveLength(3)
  expect(codeOf(planFor(four, only('02:00', '00:30')), 'a')).toBe('OutsideWindow')
  const closed = { disruptionWindows: windows('02:00', '00:30') }
  const plan = planFor(four, closed)
  expect(plan.drains).toHaveLength(3) // it is shown what could be done
  const { nodes, refused } = verifyDrains(modelOf(...four), plan, ['a'], Policy.parse(closed), NOW)
  expect([nodes, refused.length]).toEqual([[], 1])
})

test.each([
  ['every day', { from: '22:00', to: '06:00' }, '2026-01-01T23:30:00Z', true],
  ['past midnight', { from: '22:00', to: '06:00' }, '2026-01-02T05:59:00Z', true],
  ['its end is outside', { from: '22:00', to: '06:00' }, '2026-01-02T06:00:00Z', false],
  ['by day', { from: '09:00', to: '17:00' }, '2026-01-01T12:00:00Z', true],
  ['before it', { from: '09:00', to: '17:00' }, '2026-01-01T08:59:00Z', false],
  ['Friday night is still open on Saturday', { days: ['Fri'], from: '22:00', to: '06:00' }, '2026-01-03T05:00:00Z', true],
  ['not on Friday morning', { days: ['Fri'], from: '22:00', to: '06:00' }, '2026-01-02T05:00:00Z', false],
  ['a whole day', { days: ['Sun'], from: '00:00', to: '00:00' }, '2026-01-04T23:59:00Z', true],
  ['in summer', { from: '02:00', to: '03:00', timeZone: 'Europe/Berlin' }, '2026-07-01T00:30:00Z', true],
  ['in winter', { from: '02:00', to: '03:00', timeZone: 'Europe/Berlin' }, '2026-01-01T00:30:00Z', false],
  [
    'beyond the date line',
    { days: ['Fri'], from: '00:00', to: '01:00', timeZone: 'Pacific/Auckland' },
    '2026-01-01T11:30:00Z',
    true,
  ],
])('windows: %s', (_, window, at, isOpen) => {
  expect(mayDisrupt([DisruptionWindow.parse(window)], Date.parse(at))).toBe(isOpen)
})

test('windows: a day, time or zone that is none is refused', () => {
  for (const window of [
    { from: '24:00', to: '01:00' },
    { from: '1:00', to: '02:00' },
    { days: ['Mo'], from: '01:00', to: '02:00' },
  ])
    expect(DisruptionWindow.safeParse(window).success).toBe(false)
  expect(DisruptionWindow.safeParse({ from: '01:00', to: '02:00', timeZone: 'Europe/Nowhere' }).success).toBe(false)
})

// Karpenter's own examples (designs/balanced-consolidation.md, k = 2): $ saved, of $ in all, disruption, of all.
test.each([
  ['an oversized node', 7.26, 58.08, 3, 80, 3.33, true],
  ['spare capacity', 4.84, 58.08, 4, 80, 1.67, true],
  ['a marginal move', 2.42, 58.08, 8, 80, 0.42, false],
  ['a well packed node', 0, 58.08, 10, 80, 0, false],
  ['a uniform pool', 2.42, 48.4, 8, 80, 0.5, true],
  ['ten times the pool', 7.26, 580.8, 3, 800, 3.33, true],
  ['cheap pods', 4.84, 58.08, 4, 107, 2.23, true],
  ['dear pods', 4.84, 58.08, 31, 107, 0.29, false],
  ['a spot pool', 1.45, 14.5, 8, 80, 1, true],
])('balance: %s', (_, saved, money, disrupted, all, score, isApproved) => {
  const balance = balanceOf({ part: saved, all: money }, { part: disrupted, all })
  expect(balance).toBeCloseTo(score, 2)
  expect(balance >= 1 / 2 - 1e-9).toBe(isApproved)
})

// Its table of k: how many pairs of types a replacement passes for in a pool of one type. Prices of c7i, m7i and r7i from
// medium to 4xlarge double with each size.
test.each([
  [1, 0],
  [2, 78],
  [3, 86],
  [4, 95],
  [5, 100],
])('balance: with k = %i a replacement passes for %i pairs of types', (k, pairs) => {
  const prices = [0.08925, 0.1008, 0.1323].flatMap((large) => [0.5, 1, 2, 4, 8].map((size) => large * size))
  const isApproved = (from: number, to: number): boolean =>
    to < from && balanceOf({ part: from - to, all: 10 * from }, { part: 1, all: 10 }) >= 1 / k - 1e-9
  expect(prices.flatMap((from) => prices.filter((to) => isApproved(from, to)))).toHaveLength(pairs)
})

test('balance: a pod costs more with its deletion cost and its priority, ten at most and never less than nothing', () => {
  const cost = (deletion: string | undefined, priority = 0): number =>
    evictionCost({
      annotations: deletion === undefined ? {} : { 'controller.kubernetes.io/pod-deletion-cost': deletion },
      spec: { containers: [], priority },
    })
  expect([cost(undefined), cost('2147483647'), cost('-2147483648'), cost('134217728'), cost('much')]).toEqual([1, 10, 0, 2, 1])
  expect([cost(undefined, 2 ** 25), cost(undefined, 2_000_001_000)]).toEqual([2, 10])
})

test('policy: under balance a node stays whose pods are too much to disturb for what it costs', () => {
  const requests = { cpu: '500m' }
  const dear = { requests, metadata: { annotations: { 'controller.kubernetes.io/pod-deletion-cost': '2147483647' } } }
  const objects = [
    web(5),
    ...['a', 'b', 'c'].map((name) => node(name)),
    pod('o', 'a', dear),
    pod('p', 'a', dear),
    ...['b', 'c', 'c'].map((at, n) => pod(`q${n}`, at, { requests })),
  ]
  expect(planFor(objects, {}).drains).toHaveLength(2)
  const plan = planFor(objects, { balance: 2 })
  expect(messageOf(plan, 'a')).toBe('its pods are too much to disturb for what it costs: 0.43 < 1/2')
  expect(drained(plan)).toEqual(['b', 'c'])
})
