import { expect, test } from 'vitest'
import { evictor } from '../../src/actors/evictor.ts'
import { done, failed, given } from '../given.ts'

const summary = {
  plan: 'p1',
  hash: 'h1',
  planner: 'greedy',
  nodes: 3,
  nodesAfter: 1,
  hourlyCost: 3,
  hourlyCostAfter: 1,
  bound: 1,
  evictions: 2,
  drains: 2,
  kept: { NoRoom: 1 },
}
const wave = [
  { node: 'n1', uid: 'u1', evictions: 1, hourlyCost: 1 },
  { node: 'n2', uid: 'u2', evictions: 1, hourlyCost: 1 },
]
type Event = { readonly type: string; readonly at?: number }
const story = (...events: readonly Event[]) => given(evictor, { cluster: 'demo' }, {}, ...events)
const execute = { type: 'evictor.SetMode', execute: true }
const planned = done('0.evictor.planning', { summary, wave, leftover: [] })
const verified = done('0.evictor.verifying', { nodes: ['n1', 'n2'], refused: [] })
const ended = (action: string, verb: string, nodeName: string, outcome = 'done', at = 0) => ({
  type: 'evictor.ActionEnded',
  action,
  verb,
  nodeName,
  outcome,
  at,
})

test('evictor: while observing it plans, says the plan once, and does nothing', () => {
  expect(story().when(planned)).toMatchObject({
    to: 'idle',
    fx: [],
    facts: [{ type: 'evictor.PlanMade', plan: 'p1', hourlyCostAfter: 1 }],
  })
  expect(story(planned, { type: 'evictor.Plan' }).when(planned)).toMatchObject({ to: 'idle', facts: [] })
})

test('evictor: allowed to act, it verifies the wave against the newest objects, then orders the drains', () => {
  expect(story(execute).when(planned)).toMatchObject({ to: 'verifying', fx: [['verify', { plan: 'p1', nodes: ['n1', 'n2'] }]] })
  const decided = story(execute, planned).when(
    done('0.evictor.verifying', { nodes: ['n2'], refused: [{ node: 'n1', reason: 'a pod came' }] }),
  )
  expect(decided).toMatchObject({
    to: { acting: 'executing' },
    facts: [
      { type: 'evictor.NodeKept', node: 'n1', reason: 'a pod came' },
      { type: 'evictor.NodeChosen', plan: 'p1', node: 'n2' },
    ],
    fx: [['controller.DrainNode', { id: 'p1.0', nodeName: 'n2', nodeUid: 'u2', requester: 'evictor/demo' }]],
  })
})

test('evictor: an emptied node is deleted, and the wave ends with its last action', () => {
  const running = story(execute, planned, verified)
  expect(running.when(ended('p1.0', 'DrainNode', 'n1'))).toMatchObject({
    to: { acting: 'executing' },
    facts: [{ type: 'evictor.NodeEmptied', node: 'n1' }],
    fx: [['controller.DeleteNode', { id: 'p1.0.delete', nodeName: 'n1', nodeUid: 'u1' }]],
  })
  const last = story(execute, planned, verified, ended('p1.0', 'DrainNode', 'n1'), ended('p1.0.delete', 'DeleteNode', 'n1'))
  expect(last.state.value).toEqual({ acting: 'executing' })
  expect(last.when(ended('p1.1', 'DrainNode', 'n2', 'failed'))).toMatchObject({
    to: 'settling',
    facts: [{ type: 'evictor.NodeKept', node: 'n2' }],
  })
})

test('evictor: a node that would not go is left alone for ten minutes', () => {
  const tried = story(
    execute,
    planned,
    verified,
    ended('p1.0', 'DrainNode', 'n1', 'gone'),
    ended('p1.1', 'DrainNode', 'n2', 'failed', 1_000),
  )
  expect(tried.state.context).toMatchObject({ avoid: { n2: 601_000 } })
})

test('evictor: demoted while it plans or verifies, it starts nothing', () => {
  const demoted = { type: 'evictor.SetMode', execute: false }
  expect(story(execute, demoted).when(planned)).toMatchObject({ to: 'idle', fx: [] })
  expect(story(execute, planned, demoted).when(verified)).toMatchObject({ to: 'idle', fx: [] })
})

test('evictor: paused in the middle of a wave, it lets the wave end and then stays', () => {
  const pausing = story(
    execute,
    planned,
    verified,
    { type: 'evictor.Pause' },
    ended('p1.0', 'DrainNode', 'n1', 'failed'),
    ended('p1.1', 'DrainNode', 'n2', 'failed'),
  )
  expect(pausing.state.value).toBe('paused')
  expect(pausing.when({ type: 'evictor.Resume' })).toMatchObject({ to: 'planning' })
})

test('evictor: told to stop in the middle of a wave, it gives back what was emptied and orders nothing more', () => {
  const stop = { type: 'evictor.SetMode', execute: false }
  const withdrawing = story(execute, planned, verified, stop)
  expect(withdrawing.state.value).toEqual({ acting: 'withdrawing' })
  expect(withdrawing.when(ended('p1.0', 'DrainNode', 'n1'))).toMatchObject({
    to: { acting: 'withdrawing' },
    fx: [['controller.UncordonNode', { id: 'p1.0.uncordon', nodeName: 'n1', nodeUid: 'u1', action: 'p1.0' }]],
  })
  const last = story(execute, planned, verified, stop, ended('p1.0', 'DrainNode', 'n1', 'failed'))
  expect(last.when(ended('p1.1', 'DrainNode', 'n2', 'failed'))).toMatchObject({ to: 'settling', fx: [] })
})

test('evictor: a node whose deletion is refused is given back', () => {
  const emptied = story(execute, planned, verified, ended('p1.0', 'DrainNode', 'n1'))
  expect(emptied.when(ended('p1.0.delete', 'DeleteNode', 'n1', 'refused'))).toMatchObject({
    facts: [{ type: 'evictor.NodeKept', node: 'n1' }],
    fx: [['controller.UncordonNode', { action: 'p1.0' }]],
  })
})

test('evictor: a cordon that an earlier drain left, and that no plan wants, is taken back once it may act', () => {
  const leftover = [{ node: 'n9', uid: 'u9', action: 'old.3' }]
  const nothing = done('0.evictor.planning', { summary, wave: [], leftover })
  expect(story(execute).when(nothing)).toMatchObject({
    to: 'idle',
    fx: [['controller.UncordonNode', { nodeName: 'n9', action: 'old.3' }]],
  })
  expect(story().when(nothing)).toMatchObject({ to: 'idle', fx: [] })
})

test('evictor: a controller that says nothing does not hold it for ever', () => {
  expect(story(execute, planned).when(verified)).toMatchObject({ timers: [1_200_000] })
})

test('evictor: while its model is not ready it asks again; a failed plan is said', () => {
  expect(story().when(failed('0.evictor.planning', 'NotReady'))).toMatchObject({ to: 'waiting', facts: [] })
  expect(story().when(failed('0.evictor.planning', 'Error', 'out of memory'))).toMatchObject({
    to: 'idle',
    facts: [{ type: 'evictor.PlanAborted', reason: 'out of memory' }],
  })
})
