import { expect, test } from 'vitest'
import { deleteNode } from '../../../src/actors/controller/delete-node.ts'
import { drainNode, isNode } from '../../../src/actors/controller/drain-node.ts'
import { eviction } from '../../../src/actors/controller/eviction.ts'
import { done, failed, given } from '../../given.ts'

const order = { id: 'a1', nodeName: 'n1', nodeUid: 'u1', drainTimeoutSeconds: 60, force: false }
const node = { name: 'n1', uid: 'u1', providerId: 'p1', unschedulable: false }
const pods = [
  { namespace: 'web', name: 'a', uid: 'pa' },
  { namespace: 'web', name: 'b', uid: 'pb' },
]
const children = { eviction: { type: 'eviction', id: 'ref' } } as const
type Event = ReturnType<typeof done>
const drain = (...events: readonly Event[]) => given(drainNode, { order }, children, ...events)
const invokeIn = (state: string): string => `0.drain-node.${state}`
const read = done(invokeIn('reading'), node)
const cordoned = done(invokeIn('working.cordoning'))
const listed = (list: readonly unknown[] = pods) => done(invokeIn('working.listing'), list)
const left = (uid: string, outcome = 'evicted') => done(`a1.${uid}`, { uid, outcome, reason: 'why' })

test('drain: reads the node, cordons it, and has one actor made for each pod', () => {
  expect(drain().begun.fx).toEqual([['readNode', { name: 'n1' }]])
  expect(drain().when(read)).toMatchObject({ fx: [['cordon', { name: 'n1', uid: 'u1', action: 'a1' }]] })
  expect(drain(read, cordoned).when(listed())).toMatchObject({
    fx: [
      ['spawn eviction/a1.pa', { action: 'a1', node: 'n1', pod: pods[0], deadline: 60_000, force: false }],
      ['spawn eviction/a1.pb', {}],
    ],
  })
})

test('drain: when all have left it looks for late arrivals, and ends when there are none', () => {
  const emptied = drain(read, cordoned, listed(), left('pa'), left('pb'))
  expect(emptied.state.value).toEqual({ working: 'listing' })
  expect(emptied.when(listed([]))).toMatchObject({
    to: 'ended',
    facts: [{ type: 'controller.ActionDone', evicted: 2, alreadyGone: false }],
  })
})

test('drain: another node of that name means that the one meant is gone', () => {
  expect(drain().when(done(invokeIn('reading'), { ...node, uid: 'u2' }))).toMatchObject({
    to: 'ended',
    facts: [{ alreadyGone: true }],
  })
  expect(drain().when(done(invokeIn('reading'), null))).toMatchObject({ to: 'ended', facts: [{ alreadyGone: true }] })
})

const reasons = { leaving: { 'a1.pb': 'web/b' } }

test('drain: a pod that will not go fails it: the others are told to stop, and then the cordon is taken back', () => {
  const failing = drain(read, cordoned, listed()).when(left('pa', 'failed'))
  expect(failing).toMatchObject({
    to: { restoring: 'stopping' },
    fx: [
      ['stop eviction/a1.pa', undefined],
      ['eviction.Cancel', { reason: 'pod web/a: why' }],
    ],
  })
  const stopped = drain(read, cordoned, listed(), left('pa', 'failed'))
  expect(stopped.state.context).toMatchObject(reasons)
  expect(stopped.when(left('pb'))).toMatchObject({
    to: { restoring: 'uncordoning' },
    fx: [
      ['stop eviction/a1.pb', undefined],
      ['uncordon', { name: 'n1', uid: 'u1', action: 'a1' }],
    ],
  })
  const restored = drain(read, cordoned, listed(), left('pa', 'failed'), left('pb')).when(done(invokeIn('restoring.uncordoning')))
  expect(restored).toMatchObject({
    facts: [{ type: 'controller.ActionCompensated' }, { type: 'controller.ActionFailed', reason: 'pod web/a: why' }],
  })
})

test('drain: cancelled, it gives the node back; one that was cordoned before stays so', () => {
  const cancel = { type: 'drain-node.Cancel', reason: 'the brake is on', at: 0 } as never
  expect(drain(read, cordoned, listed()).when(cancel)).toMatchObject({ to: { restoring: 'stopping' } })
  expect(drain(read, cordoned).when(cancel)).toMatchObject({ to: { restoring: 'uncordoning' } })
  const before = done(invokeIn('reading'), { ...node, unschedulable: true })
  expect(drain(before, cordoned).when(cancel)).toMatchObject({
    to: 'ended',
    facts: [{ type: 'controller.ActionFailed', reason: 'the brake is on' }],
  })
})

test('drain: requests that are never answered end it two minutes after its deadline', () => {
  expect(drain().when(read)).toMatchObject({ timers: [180_000] })
})

test.each([
  [{}, true],
  [{ nodeUid: 'u1' }, true],
  [{ nodeUid: 'u2' }, false],
  [{ providerId: 'P1' }, true],
  [{ providerId: 'p2' }, false],
])('node identity: %o', (ids, same) => {
  expect(isNode(ids, node)).toBe(same)
  expect(isNode(ids, null)).toBe(false)
})

const pod = { namespace: 'web', name: 'a', uid: 'pa', owner: 'rs' }
const evicting = (force: boolean, ...events: readonly Event[]) =>
  given(eviction, { action: 'a1', node: 'n1', pod, deadline: 60_000, force }, {}, ...events)
const ref = (state: string): string => `0.eviction.${state}`

test('eviction: evicts by UID, waits by UID, and says when it was asked', () => {
  expect(evicting(false).begun.fx).toEqual([['evictPod', pod]])
  const gone = evicting(false, done(ref('evicting'), undefined, 5)).when(done(ref('leaving'), true, 9))
  expect(gone).toMatchObject({
    to: 'ended',
    facts: [{ type: 'controller.StepDone', pod: 'web/a', uid: 'pa', outcome: 'evicted', owner: 'rs', since: 0 }],
  })
})

test('eviction: a budget that forbids it is asked again until the deadline, then the pod stays', () => {
  expect(evicting(false).when(failed(ref('evicting'), 'Blocked', 'budget web', 10))).toMatchObject({
    to: 'blocked',
    timers: [2_010],
  })
  expect(evicting(false).when(failed(ref('evicting'), 'Blocked', 'budget web', 60_000))).toMatchObject({
    to: 'ended',
    facts: [{ outcome: 'failed', reason: 'budget web' }],
  })
  expect(evicting(true).when(failed(ref('evicting'), 'Blocked', 'budget web', 60_000))).toMatchObject({ to: 'deleting' })
})

test('eviction: a pod that is gone is done, one that Kubernetes refuses is not tried again', () => {
  expect(evicting(false).when(failed(ref('evicting'), 'Gone'))).toMatchObject({ to: 'ended', facts: [{ outcome: 'gone' }] })
  expect(evicting(false).when(failed(ref('evicting'), 'Refused', 'two budgets'))).toMatchObject({
    to: 'ended',
    facts: [{ outcome: 'failed', reason: 'two budgets' }],
  })
})

test('eviction: cancelled, it hears what was asked already, says it, and asks nothing more', () => {
  const cancel = { type: 'eviction.Cancel', reason: 'the brake is on', at: 0 } as never
  const asked = evicting(false, cancel)
  expect(asked.state.value).toBe('evicting')
  expect(asked.when(done(ref('evicting'), undefined, 5))).toMatchObject({
    to: 'ended',
    facts: [{ outcome: 'evicted', since: 0 }],
  })
  expect(asked.when(failed(ref('evicting'), 'Blocked'))).toMatchObject({
    to: 'ended',
    facts: [{ outcome: 'failed', reason: 'the brake is on' }],
  })
  expect(evicting(false, failed(ref('evicting'), 'Blocked')).when(cancel)).toMatchObject({
    to: 'ended',
    facts: [{ outcome: 'failed' }],
  })
  expect(evicting(false, done(ref('evicting'), undefined, 5)).when(cancel)).toMatchObject({
    to: 'ended',
    facts: [{ outcome: 'evicted' }],
  })
})

test('eviction: held by the brake, it waits', () => {
  expect(evicting(false).when(failed(ref('evicting'), 'Held', 'the brake is on'))).toMatchObject({ to: 'blocked' })
})

const deletion = (...events: readonly Event[]) =>
  given(deleteNode, { order: { id: 'd1', nodeName: 'n1', nodeUid: 'u1' } }, {}, ...events)
const at = (state: string): string => `0.delete-node.${state}`

test('deletion: by UID, then what was bound to the node; a half-done one goes on', () => {
  const reading = done(at('reading'), node)
  expect(deletion().when(reading)).toMatchObject({ fx: [['deleteNode', { name: 'n1', uid: 'u1' }]] })
  expect(deletion(reading).when(failed(at('deleting'), 'Gone'))).toMatchObject({ fx: [['listBound', { name: 'n1' }]] })
  const clearing = deletion(reading, done(at('deleting')), done(at('listing'), pods))
  expect(clearing.state.value).toBe('clearing')
  expect(clearing.when(done(at('clearing')))).toMatchObject({ to: 'clearing', fx: [['deletePod', pods[1]]] })
  expect(deletion(reading, done(at('deleting'))).when(done(at('listing'), []))).toMatchObject({
    to: 'ended',
    facts: [{ type: 'controller.ActionDone' }],
  })
})

test('deletion: can be cancelled only before it began', () => {
  const cancel = { type: 'delete-node.Cancel', reason: 'the brake is on' }
  expect(deletion(done(at('reading'), node)).when(cancel)).toMatchObject({ to: 'ended' })
  expect(deletion(done(at('reading'), node), done(at('deleting'))).when(cancel)).toBe('refused')
})
