import { expect, test } from 'vitest'
import { born, done, failed, given } from '../../src/runtime/testing/given.ts'
import { shipped } from '../shipped.ts'

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
type Event = { readonly type: string; readonly at?: number | undefined }
const story = (...events: readonly Event[]) => given(shipped('evictor'), born({ cluster: 'demo' }), ...events)
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
  story()
    .when(planned)
    .then({
      to: 'idle',
      effects: [],
      emitted: [{ type: 'evictor.PlanMade', plan: 'p1', hourlyCostAfter: 1 }],
    })
  story(planned, { type: 'evictor.Plan' }).when(planned).then({ to: 'idle', emitted: [] })
})

test('evictor: allowed to act, it verifies the wave against the newest objects, then orders the drains', () => {
  story(execute)
    .when(planned)
    .then({ to: 'verifying', effects: [['verify', { plan: 'p1', nodes: ['n1', 'n2'] }]] })
  const decided = story(execute, planned).when(
    done('0.evictor.verifying', { nodes: ['n2'], refused: [{ node: 'n1', reason: 'a pod came' }] }),
  )
  decided.then({
    to: { acting: 'executing' },
    emitted: [
      { type: 'evictor.NodeKept', node: 'n1', reason: 'a pod came' },
      { type: 'evictor.NodeChosen', plan: 'p1', node: 'n2' },
    ],
    effects: [['controller.DrainNode', { id: 'p1.0', nodeName: 'n2', nodeUid: 'u2', requester: 'evictor/demo' }]],
  })
})

test('evictor: an emptied node is deleted, and the wave ends with its last action', () => {
  const running = story(execute, planned, verified)
  running.when(ended('p1.0', 'DrainNode', 'n1')).then({
    to: { acting: 'executing' },
    emitted: [{ type: 'evictor.NodeEmptied', node: 'n1' }],
    effects: [['controller.DeleteNode', { id: 'p1.0.delete', nodeName: 'n1', nodeUid: 'u1' }]],
  })
  const last = story(execute, planned, verified, ended('p1.0', 'DrainNode', 'n1'), ended('p1.0.delete', 'DeleteNode', 'n1'))
  expect(last.state.value).toEqual({ acting: 'executing' })
  last.when(ended('p1.1', 'DrainNode', 'n2', 'failed')).then({
    to: 'settling',
    emitted: [{ type: 'evictor.NodeKept', node: 'n2' }],
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
  story(execute, demoted).when(planned).then({ to: 'idle', effects: [] })
  story(execute, planned, demoted).when(verified).then({ to: 'idle', effects: [] })
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
  pausing.when({ type: 'evictor.Resume' }).then({ to: 'planning' })
})

test('evictor: told to stop in the middle of a wave, it gives back what was emptied and orders nothing more', () => {
  const stop = { type: 'evictor.SetMode', execute: false }
  const withdrawing = story(execute, planned, verified, stop)
  expect(withdrawing.state.value).toEqual({ acting: 'withdrawing' })
  withdrawing.when(ended('p1.0', 'DrainNode', 'n1')).then({
    to: { acting: 'withdrawing' },
    effects: [['controller.UncordonNode', { id: 'p1.0.uncordon', nodeName: 'n1', nodeUid: 'u1', action: 'p1.0' }]],
  })
  const last = story(execute, planned, verified, stop, ended('p1.0', 'DrainNode', 'n1', 'failed'))
  last.when(ended('p1.1', 'DrainNode', 'n2', 'failed')).then({ to: 'settling', effects: [] })
})

test('evictor: a node whose deletion is refused is given back', () => {
  const emptied = story(execute, planned, verified, ended('p1.0', 'DrainNode', 'n1'))
  emptied.when(ended('p1.0.delete', 'DeleteNode', 'n1', 'refused')).then({
    emitted: [{ type: 'evictor.NodeKept', node: 'n1' }],
    effects: [['controller.UncordonNode', { action: 'p1.0' }]],
  })
})

test('evictor: a cordon that an earlier drain left, and that no plan wants, is taken back once it may act', () => {
  const leftover = [{ node: 'n9', uid: 'u9', action: 'old.3' }]
  const nothing = done('0.evictor.planning', { summary, wave: [], leftover })
  story(execute)
    .when(nothing)
    .then({
      to: 'idle',
      effects: [['controller.UncordonNode', { nodeName: 'n9', action: 'old.3' }]],
    })
  story().when(nothing).then({ to: 'idle', effects: [] })
})

test('evictor: a controller that says nothing does not hold it for ever', () => {
  story(execute, planned)
    .when(verified)
    .then({ timers: [1_200_000] })
})

test('evictor: while its model is not ready it asks again; a failed plan is said', () => {
  story().when(failed('0.evictor.planning', 'NotReady')).then({ to: 'waiting', emitted: [] })
  story()
    .when(failed('0.evictor.planning', 'Error', 'out of memory'))
    .then({
      to: 'idle',
      emitted: [{ type: 'evictor.PlanAborted', reason: 'out of memory' }],
    })
})

test('evictor: a node that the controller refuses is left alone for a minute, not ordered again by the next plan', () => {
  const refused = story(
    execute,
    planned,
    verified,
    ended('p1.0', 'DrainNode', 'n1', 'refused'),
    ended('p1.1', 'DrainNode', 'n2', 'failed'),
  )
  expect(refused.state.context.avoid).toEqual({ n1: 60_000, n2: 600_000 })
})
