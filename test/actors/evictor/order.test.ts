import fc from 'fast-check'
import { expect, test } from 'vitest'
import { billOf } from '../../../src/actors/evictor/commitments.ts'
import { disruption } from '../../../src/actors/evictor/disruption.ts'
import type { Drained, Task } from '../../../src/actors/evictor/emptying.ts'
import { noHeadroom } from '../../../src/actors/evictor/headroom/headroom.ts'
import type { Model } from '../../../src/actors/evictor/model.ts'
import { toMove } from '../../../src/actors/evictor/placing.ts'
import { dearestFirst, likeness, scarcestFirst } from '../../../src/actors/evictor/scheduling/order.ts'
import { relief } from '../../../src/actors/evictor/scheduling/relief.ts'
import { Policy, Prices } from '../../../src/events/plan.ts'
import { clusters, contents, modelOf, NOW, node, pod } from './cluster.ts'

const POLICY = Policy.parse({ aggressive: true })
const taskOf = (model: Model, price: (name: string) => number = () => 1): Task => {
  const nodes = [...model.nodes.values()].filter(({ object }) => object)
  return {
    model,
    policy: POLICY,
    disruption: disruption(model, POLICY, NOW),
    nodes,
    hourly: new Map(nodes.map((each) => [each, price(each.name)])),
    bill: billOf(new Map(), Prices.parse({}).commitments),
    covered: new Map(),
    fixed: new Map(),
    headroom: noHeadroom,
    isLate: () => false,
    isOver: () => false,
  }
}
/** Every other node, with all that it would have to give. */
const drainsOf = ({ model, nodes, disruption: judge }: Task): readonly Drained[] =>
  nodes
    .filter((_, index) => index % 2 === 0)
    .map((from) => ({ node: from, moves: toMove(model, from, judge).map((moved) => ({ pod: moved, to: from })) }))
const podsOf = (drains: readonly Drained[]) => drains.flatMap(({ moves }) => moves.map(({ pod: moved }) => moved))

test('orders: each has the same drains with the same pods, and leaves the model as it was', () => {
  fc.assert(
    fc.property(clusters({ nodes: 8, pods: 20, ruled: true }), (objects) => {
      const task = taskOf(modelOf(...objects))
      const drained = drainsOf(task)
      const before = contents(task.model)
      for (const order of [scarcestFirst, dearestFirst]) {
        const sorted = order(task, drained)
        expect(new Set(sorted.map(({ node: each }) => each))).toEqual(new Set(drained.map(({ node: each }) => each)))
        for (const { node: from, moves } of sorted) {
          const same = drained.find(({ node: each }) => each === from)
          expect(new Set(moves)).toEqual(new Set(same?.moves))
          expect(moves).toHaveLength(same?.moves.length ?? -1)
        }
      }
      expect(contents(task.model)).toEqual(before)
    }),
  )
})

test('dearest first: a pod that only dear nodes can hold goes before a larger one that fits on cheap ones', () => {
  const model = modelOf(
    node('dear', { allocatable: { cpu: '8', 'nvidia.com/gpu': '1' } }),
    node('cheap', { allocatable: { cpu: '8' } }),
    pod('large', 'cheap', { requests: { cpu: '6' } }),
    pod('graphics', 'dear', { requests: { cpu: '1', 'nvidia.com/gpu': '1' } }),
  )
  const task = taskOf(model, (name) => (name === 'dear' ? 10 : 1))
  const all = task.nodes.map((from) => ({ node: from, moves: [...from.pods].map((moved) => ({ pod: moved, to: from })) }))
  expect(podsOf(dearestFirst(task, all)).map(({ name }) => name)).toEqual(['graphics', 'large'])
})

test('relief: enough pods like the stranded ones stay where they are, on no more nodes than it takes', () => {
  fc.assert(
    fc.property(
      clusters({ nodes: 8, pods: 20, ruled: false }),
      fc.array(fc.nat(), { maxLength: 6 }),
      fc.constantFrom(0.3, 0.5, 1),
      (objects, picks, share) => {
        const task = taskOf(modelOf(...objects))
        const drained = drainsOf(task)
        const pods = podsOf(drained)
        const stranded = [...new Set(picks.flatMap((pick) => pods[pick % pods.length] ?? []))]
        const kept = relief(task, drained, stranded, share)
        const keys = stranded.map(({ shape }) => likeness(shape))
        /** How many of the stranded have their like on these nodes. */
        const madeUp = (nodes: ReadonlySet<unknown>): number => {
          const there = podsOf(drained.filter(({ node: each }) => nodes.has(each))).map(({ shape }) => likeness(shape))
          return [...new Set(keys)].reduce((sum, key) => {
            const count = (list: readonly string[]): number => list.filter((each) => each === key).length
            return sum + Math.min(count(keys), count(there))
          }, 0)
        }
        expect(madeUp(new Set(kept.keys()))).toBeGreaterThanOrEqual(Math.ceil(share * stranded.length))
        const allButLast = new Set([...kept.keys()].slice(0, -1))
        if (kept.size > 0) expect(madeUp(allButLast)).toBeLessThan(Math.ceil(share * stranded.length))
        for (const [from, { shape }] of kept)
          expect(podsOf(drained.filter(({ node: each }) => each === from)).map((each) => likeness(each.shape))).toContain(
            likeness(shape),
          )
      },
    ),
  )
})
