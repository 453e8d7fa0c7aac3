import { expect, test } from 'vitest'
import { isNode } from '../../../src/actors/controller/drain-node.ts'
import { born, done, failed, given } from '../../../src/runtime/testing/given.ts'
import { shipped } from '../../shipped.ts'

const order = { id: 'a1', nodeName: 'n1', nodeUid: 'u1', drainTimeoutSeconds: 60, force: false }
const node = { name: 'n1', uid: 'u1', providerId: 'p1', unschedulable: false }
const pods = [
  { namespace: 'web', name: 'a', uid: 'pa' },
  { namespace: 'web', name: 'b', uid: 'pb' },
]
type Event = ReturnType<typeof done>
const birth = born({ order })
const drain = (...events: readonly Event[]) => given(shipped('drain-node'), birth, ...events)
const invokeIn = (state: string): string => `0.drain-node.${state}`
const read = done(invokeIn('reading'), node)
const cordoned = done(invokeIn('working.cordoning'))
const listed = (list: readonly unknown[] = pods) => done(invokeIn('working.listing'), list)
const left = (uid: string, outcome = 'evicted') => done(`a1.${uid}`, { uid, outcome, reason: 'why' })

test('drain: reads the node, cordons it, and has one actor made for each pod', () => {
  drain()
    .when(birth)
    .then({ effects: [['readNode', { name: 'n1' }]] })
  drain()
    .when(read)
    .then({ effects: [['cordon', { name: 'n1', uid: 'u1', action: 'a1' }]] })
  drain(read, cordoned)
    .when(listed())
    .then({
      effects: [
        ['spawn eviction/a1.pa', { action: 'a1', node: 'n1', pod: pods[0], deadline: 60_000, force: false }],
        ['spawn eviction/a1.pb', {}],
      ],
    })
})

test('drain: when all have left it looks for late arrivals, and ends when there are none', () => {
  const emptied = drain(read, cordoned, listed(), left('pa'), left('pb'))
  expect(emptied.state.value).toEqual({ working: 'listing' })
  emptied.when(listed([])).then({
    to: 'ended',
    emitted: [{ type: 'controller.ActionDone', evicted: 2, alreadyGone: false }],
  })
})

test('drain: another node of that name means that the one meant is gone', () => {
  drain()
    .when(done(invokeIn('reading'), { ...node, uid: 'u2' }))
    .then({
      to: 'ended',
      emitted: [{ alreadyGone: true }],
    })
  drain()
    .when(done(invokeIn('reading'), null))
    .then({ to: 'ended', emitted: [{ alreadyGone: true }] })
})

const reasons = { leaving: { 'a1.pb': 'web/b' } }

test('drain: a pod that will not go fails it: the others are told to stop, and then the cordon is taken back', () => {
  const failing = drain(read, cordoned, listed()).when(left('pa', 'failed'))
  failing.then({
    to: { restoring: 'stopping' },
    effects: [
      ['stop eviction/a1.pa', undefined],
      ['eviction.Cancel', { reason: 'pod web/a: why' }],
    ],
  })
  const stopped = drain(read, cordoned, listed(), left('pa', 'failed'))
  expect(stopped.state.context).toMatchObject(reasons)
  stopped.when(left('pb')).then({
    to: { restoring: 'uncordoning' },
    effects: [
      ['stop eviction/a1.pb', undefined],
      ['uncordon', { name: 'n1', uid: 'u1', action: 'a1' }],
    ],
  })
  const restored = drain(read, cordoned, listed(), left('pa', 'failed'), left('pb')).when(done(invokeIn('restoring.uncordoning')))
  restored.then({
    emitted: [{ type: 'controller.ActionCompensated' }, { type: 'controller.ActionFailed', reason: 'pod web/a: why' }],
  })
})

test('drain: cancelled, it gives the node back; one that was cordoned before stays so', () => {
  const cancel = { type: 'drain-node.Cancel', reason: 'the brake is on', at: 0 } as never
  drain(read, cordoned, listed())
    .when(cancel)
    .then({ to: { restoring: 'stopping' } })
  drain(read, cordoned)
    .when(cancel)
    .then({ to: { restoring: 'uncordoning' } })
  const before = done(invokeIn('reading'), { ...node, unschedulable: true })
  drain(before, cordoned)
    .when(cancel)
    .then({
      to: 'ended',
      emitted: [{ type: 'controller.ActionFailed', reason: 'the brake is on' }],
    })
})

test('drain: requests that are never answered end it two minutes after its deadline', () => {
  drain()
    .when(read)
    .then({ timers: [180_000] })
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
const asked = (force: boolean) => born({ action: 'a1', node: 'n1', pod, deadline: 60_000, force })
const evicting = (force: boolean, ...events: readonly Event[]) => given(shipped('eviction'), asked(force), ...events)
const ref = (state: string): string => `0.eviction.${state}`

test('eviction: evicts by UID, waits by UID, and says when it was asked', () => {
  evicting(false)
    .when(asked(false))
    .then({ effects: [['evictPod', pod]] })
  const gone = evicting(false, done(ref('evicting'), undefined, 5)).when(done(ref('leaving'), true, 9))
  gone.then({
    to: 'ended',
    emitted: [{ type: 'controller.StepDone', pod: 'web/a', uid: 'pa', outcome: 'evicted', owner: 'rs', since: 0 }],
  })
})

test('eviction: a budget that forbids it is asked again until the deadline, then the pod stays', () => {
  evicting(false)
    .when(failed(ref('evicting'), 'Blocked', 'budget web', 10))
    .then({
      to: 'blocked',
      timers: [2_010],
    })
  evicting(false)
    .when(failed(ref('evicting'), 'Blocked', 'budget web', 60_000))
    .then({
      to: 'ended',
      emitted: [{ outcome: 'failed', reason: 'budget web' }],
    })
  evicting(true)
    .when(failed(ref('evicting'), 'Blocked', 'budget web', 60_000))
    .then({ to: 'deleting' })
})

test('eviction: a pod that is gone is done, one that Kubernetes refuses is not tried again', () => {
  evicting(false)
    .when(failed(ref('evicting'), 'Gone'))
    .then({ to: 'ended', emitted: [{ outcome: 'gone' }] })
  evicting(false)
    .when(failed(ref('evicting'), 'Refused', 'two budgets'))
    .then({
      to: 'ended',
      emitted: [{ outcome: 'failed', reason: 'two budgets' }],
    })
})

test('eviction: cancelled, it hears what was asked already, says it, and asks nothing more', () => {
  const cancel = { type: 'eviction.Cancel', reason: 'the brake is on', at: 0 } as never
  const cancelled = evicting(false, cancel)
  expect(cancelled.state.value).toBe('evicting')
  cancelled.when(done(ref('evicting'), undefined, 5)).then({
    to: 'ended',
    emitted: [{ outcome: 'evicted', since: 0 }],
  })
  cancelled.when(failed(ref('evicting'), 'Blocked')).then({
    to: 'ended',
    emitted: [{ outcome: 'failed', reason: 'the brake is on' }],
  })
  evicting(false, failed(ref('evicting'), 'Blocked'))
    .when(cancel)
    .then({
      to: 'ended',
      emitted: [{ outcome: 'failed' }],
    })
  evicting(false, done(ref('evicting'), undefined, 5))
    .when(cancel)
    .then({
      to: 'ended',
      emitted: [{ outcome: 'evicted' }],
    })
})

test('eviction: held by the brake, it waits', () => {
  evicting(false)
    .when(failed(ref('evicting'), 'Held', 'the brake is on'))
    .then({ to: 'blocked' })
})

const deletion = (...events: readonly Event[]) =>
  given(shipped('delete-node'), born({ order: { id: 'd1', nodeName: 'n1', nodeUid: 'u1' } }), ...events)
const at = (state: string): string => `0.delete-node.${state}`

test('deletion: by UID, then what was bound to the node; a half-done one goes on', () => {
  const reading = done(at('reading'), node)
  deletion()
    .when(reading)
    .then({ effects: [['deleteNode', { name: 'n1', uid: 'u1' }]] })
  deletion(reading)
    .when(failed(at('deleting'), 'Gone'))
    .then({ effects: [['listBound', { name: 'n1' }]] })
  const clearing = deletion(reading, done(at('deleting')), done(at('listing'), pods))
  expect(clearing.state.value).toBe('clearing')
  clearing.when(done(at('clearing'))).then({ to: 'clearing', effects: [['deletePod', pods[1]]] })
  deletion(reading, done(at('deleting')))
    .when(done(at('listing'), []))
    .then({
      to: 'ended',
      emitted: [{ type: 'controller.ActionDone' }],
    })
})

test('deletion: can be cancelled only before it began', () => {
  const cancel = { type: 'delete-node.Cancel', reason: 'the brake is on' }
  deletion(done(at('reading'), node))
    .when(cancel)
    .then({ to: 'ended' })
  deletion(done(at('reading'), node), done(at('deleting')))
    .when(cancel)
    .then('refused')
})
