import { expect, test } from 'vitest'
import { born, done, failed, given } from '../../../src/runtime/testing/given.ts'
import { shipped } from '../../shipped.ts'

type Event = ReturnType<typeof done>
const pod = { namespace: 'web', name: 'a', uid: 'pa', owner: 'rs' }
const asked = (force: boolean) => born({ action: 'a1', node: 'n1', pod, deadline: 60_000, force })
const evicting = (force: boolean, ...events: readonly Event[]) => given(shipped('eviction'), asked(force), ...events)
const ref = (state: string): string => `0.eviction.${state}`
const cancel = { type: 'eviction.Cancel', reason: 'the brake is on', at: 0 } as never
const deadline = (state: string) => ({ type: `xstate.after.deadline.eviction.${state}`, at: 60_000 }) as Event
const refused = (budget: string, at = 10, retryAfterMs?: number): Event => {
  const event = failed(ref('evicting'), 'Blocked', `${budget} forbids it`, at)
  return { ...event, error: { ...(event['error'] as object), budget, ...(retryAfterMs && { retryAfterMs }) } }
}

test('eviction: evicts by UID, waits by UID, and says when it was asked', () => {
  evicting(false)
    .when(asked(false))
    .then({ effects: [['evictPod', pod]] })
  evicting(false)
    .when(done(ref('evicting'), undefined, 5))
    .then({ effects: [['awaitGone', pod]], timers: [60_000] })
  const gone = evicting(false, done(ref('evicting'), undefined, 5)).when(done(ref('leaving'), 'gone', 9))
  gone.then({
    to: 'ended',
    emitted: [{ type: 'controller.StepDone', pod: 'web/a', uid: 'pa', outcome: 'evicted', owner: 'rs', since: 0, begunAt: 0 }],
  })
})

test('eviction: a budget that forbids it is named once, and the pod waits for its turn, not before the server wishes', () => {
  evicting(false)
    .when(refused('front', 10, 10_000))
    .then({
      to: 'queued',
      effects: [['awaitTurn', { namespace: 'web', uid: 'pa', budget: 'front', since: 10, notBefore: 10_010 }]],
      timers: [60_000],
      emitted: [{ type: 'controller.EvictionBlocked', pod: 'web/a', budget: 'front', reason: 'front forbids it' }],
    })
  const turn = done(ref('queued'), undefined, 2_000)
  evicting(false, refused('front'), turn).when(refused('front', 2_500)).then({ to: 'queued', emitted: [] })
  evicting(false, refused('front'), turn, done(ref('evicting'), undefined, 2_100))
    .when(done(ref('leaving'), 'gone'))
    .then({ emitted: [{ outcome: 'evicted', budget: 'front', since: 2_000, begunAt: 0 }] })
})

test('eviction: a wish of the server beyond a minute is not believed', () => {
  evicting(false)
    .when(refused('front', 0, 1e9))
    .then({ effects: [['awaitTurn', { notBefore: 60_000 }]] })
})

test('eviction: at the deadline a pod that is not let go stays, or is deleted by force', () => {
  evicting(false, refused('front'))
    .when(deadline('queued'))
    .then({ to: 'ended', emitted: [{ outcome: 'failed', reason: 'front forbids it', budget: 'front' }] })
  evicting(true, refused('front'))
    .when(deadline('queued'))
    .then({ to: 'deleting', effects: [['deletePod', pod]] })
  evicting(false).when(refused('front', 60_000)).then({ to: 'looking' })
  evicting(true).when(refused('front', 60_000)).then({ to: 'deleting' })
})

test('eviction: a refusal without the name of a budget is asked again after a time', () => {
  evicting(false)
    .when(failed(ref('evicting'), 'Blocked', 'some budget', 10))
    .then({ to: 'blocked', timers: [2_010] })
})

test('eviction: by force it has its own grace first, then none', () => {
  const deleting = [refused('front'), deadline('queued')]
  evicting(true, ...deleting)
    .when(done(ref('deleting'), undefined, 60_001))
    .then({ to: 'dying', effects: [['awaitGone', pod]], timers: [120_001] })
  const dying = [...deleting, done(ref('deleting'), undefined, 60_001)]
  evicting(true, ...dying)
    .when(done(ref('dying'), 'gone'))
    .then({ to: 'ended', emitted: [{ outcome: 'deleted' }] })
  evicting(true, ...dying)
    .when(done(ref('dying'), 'stuck'))
    .then({ to: 'killing', effects: [['deletePod', { ...pod, graceSeconds: 0 }]] })
})

test('eviction: what is refused for good fails that pod; force waits for the deadline all the same', () => {
  evicting(false)
    .when(failed(ref('evicting'), 'Gone'))
    .then({ to: 'ended', emitted: [{ outcome: 'gone' }] })
  evicting(false)
    .when(failed(ref('evicting'), 'Refused', 'two budgets'))
    .then({ to: 'looking', effects: [['look', pod]] })
  evicting(false, failed(ref('evicting'), 'Refused', 'two budgets'))
    .when(done(ref('looking'), 'there'))
    .then({ to: 'ended', emitted: [{ outcome: 'failed', reason: 'two budgets' }] })
  const internal = { ...failed(ref('evicting'), 'Unavailable', '500'), error: { name: 'Unavailable', message: '500', code: 500 } }
  evicting(false).when(internal).then({ to: 'looking' })
  evicting(false)
    .when({ ...internal, error: { name: 'Unavailable', message: '503', code: 503 } })
    .then({ to: 'blocked' })
  evicting(true)
    .when(failed(ref('evicting'), 'Refused', 'two budgets'))
    .then({ to: 'refused', timers: [60_000] })
  evicting(true, failed(ref('evicting'), 'Refused', 'two budgets'))
    .when(deadline('refused'))
    .then({ to: 'deleting' })
})

test('eviction: cancelled, it hears what was asked already, says it, and asks nothing more', () => {
  const cancelled = evicting(false, cancel)
  expect(cancelled.state.value).toBe('evicting')
  cancelled.when(done(ref('evicting'), undefined, 5)).then({ to: 'ended', emitted: [{ outcome: 'evicted', since: 0 }] })
  cancelled.when(failed(ref('evicting'), 'Blocked')).then({ to: 'looking' })
  evicting(false, failed(ref('evicting'), 'Blocked'))
    .when(cancel)
    .then({ to: 'looking' })
  for (const before of [
    [cancel, failed(ref('evicting'), 'Blocked')],
    [failed(ref('evicting'), 'Blocked'), cancel],
  ])
    evicting(false, ...before)
      .when(done(ref('looking'), 'there'))
      .then({ to: 'ended', emitted: [{ outcome: 'failed', reason: 'the brake is on' }] })
  evicting(false, refused('front'))
    .when(cancel)
    .then({ to: 'ended', emitted: [{ outcome: 'failed', reason: 'the brake is on' }] })
  evicting(true, failed(ref('evicting'), 'Refused'))
    .when(cancel)
    .then({ to: 'ended', emitted: [{ outcome: 'failed' }] })
  evicting(false, done(ref('evicting'), undefined, 5))
    .when(cancel)
    .then({ to: 'ended', emitted: [{ outcome: 'evicted' }] })
})

test('eviction: what failed may have been done by a process that died: it has failed only if the pod is still there', () => {
  const held = failed(ref('evicting'), 'Held', 'the brake is on')
  const cancelled = evicting(false, cancel, held)
  cancelled.when(done(ref('looking'), 'there')).then({ to: 'ended', emitted: [{ outcome: 'failed', reason: 'the brake is on' }] })
  cancelled.when(done(ref('looking'), 'gone')).then({ to: 'ended', emitted: [{ outcome: 'gone' }] })
  cancelled.when(done(ref('looking'), 'terminating')).then({ to: 'ended', emitted: [{ outcome: 'evicted' }] })
  cancelled.when(failed(ref('looking'), 'Refused', 'may not get pods')).then({
    to: 'ended',
    emitted: [{ outcome: 'failed', reason: 'the brake is on; whether it goes is not known: may not get pods' }],
  })
  const refusedForGood = evicting(false, failed(ref('evicting'), 'Refused', 'two budgets'))
  refusedForGood.when(done(ref('looking'), 'terminating', 20)).then({ to: 'leaving', effects: [['awaitGone', pod]] })
  evicting(true, refused('front'), deadline('queued'), failed(ref('deleting'), 'Held', 'the brake is on', 60_001))
    .when(done(ref('looking'), 'terminating', 60_002))
    .then({ to: 'ended', emitted: [{ outcome: 'evicted' }] })
})

test('eviction: held by the brake, it waits', () => {
  evicting(false)
    .when(failed(ref('evicting'), 'Held', 'the brake is on'))
    .then({ to: 'blocked' })
})

test('eviction: one that does not end a minute after its grace is skipped; at the deadline it fails, or is forced', () => {
  const leaving = done(ref('evicting'), undefined, 5)
  evicting(false, leaving)
    .when(done(ref('leaving'), 'stuck'))
    .then({ to: 'ended', emitted: [{ outcome: 'skipped' }] })
  evicting(false, leaving)
    .when(deadline('leaving'))
    .then({ to: 'ended', emitted: [{ outcome: 'failed', reason: 'still terminating at the deadline' }] })
  evicting(true, leaving).when(deadline('leaving')).then({ to: 'deleting' })
  evicting(false, leaving)
    .when(failed(ref('leaving'), 'Refused', '403', 10))
    .then({ to: 'asking' })
  evicting(false, leaving)
    .when(failed(ref('leaving'), 'Refused', '403', 60_000))
    .then({ to: 'ended', emitted: [{ outcome: 'failed' }] })
})
