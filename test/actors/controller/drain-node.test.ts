import { expect, test } from 'vitest'
import { born, done, failed, given } from '../../../src/runtime/testing/given.ts'
import { shipped } from '../../shipped.ts'

const order = { id: 'a1', nodeName: 'n1', nodeUid: 'u1', drainTimeoutSeconds: 60, force: false, waitForVolumeDetach: false }
const node = { name: 'n1', uid: 'u1', providerId: 'p1', unschedulable: false }
const pods = [
  { namespace: 'web', name: 'a', uid: 'pa' },
  { namespace: 'web', name: 'b', uid: 'pb' },
]
type Event = ReturnType<typeof done>
const invokeIn = (state: string): string => `0.drain-node.${state}`
const drainOf = (changes: object, ...events: readonly Event[]) =>
  given(shipped('drain-node'), born({ order: { ...order, ...changes } }), ...events)
const drain = (...events: readonly Event[]) => drainOf({}, ...events)
const read = done(invokeIn('reading'), node)
const cordoned = done(invokeIn('working.cordoning'))
const listed = (list: readonly unknown[] = pods, after?: object) =>
  done(invokeIn('working.listing'), { pods: list, ...(after && { after }) })
const left = (uid: string, outcome = 'evicted') => done(`a1.${uid}`, { uid, outcome, reason: 'why' })
const cancel = { type: 'drain-node.Cancel', reason: 'the brake is on', at: 0 } as never

test('drain: reads the node, cordons it, and has one actor made for each pod', () => {
  drain()
    .when(born({ order }))
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

test('drain: to be removed, a node is not touched where nobody could remove its machine', () => {
  const removal = { forRemoval: true }
  drainOf(removal)
    .when(read)
    .then({ to: 'choosing', effects: [['findOwner', { name: 'n1', uid: 'u1' }]] })
  drainOf(removal, read)
    .when(done(invokeIn('choosing'), { by: 'karpenter' }))
    .then({ to: { working: 'cordoning' } })
  drainOf(removal, read)
    .when(failed(invokeIn('choosing'), 'Refused', 'nothing owns it'))
    .then({ to: 'ended', effects: [], output: { told: { type: 'controller.ActionFailed', reason: 'nothing owns it' } } })
  drainOf(removal, read)
    .when(failed(invokeIn('choosing'), 'Unavailable'))
    .then({ to: 'choosingLater' })
})

test('drain: a few pods at a time are begun, and the next of the tier at once', () => {
  const after = { tier: 0, priority: 0, uid: 'pb' }
  drain(read, cordoned)
    .when(listed(pods, after))
    .then({
      to: { working: 'listing' },
      effects: [
        ['spawn eviction/a1.pa', {}],
        ['spawn eviction/a1.pb', {}],
        ['listEvictable', { name: 'n1', after }],
      ],
    })
  const last = [{ namespace: 'web', name: 'c', uid: 'pc' }]
  const whole = drain(read, cordoned, listed(pods, after), left('pa'), listed(last))
  expect(whole.state.context).toMatchObject({ leaving: { 'a1.pb': 'web/b', 'a1.pc': 'web/c' }, pods: { evicted: 1 } })
  whole.when(left('pb')).then({ to: { working: 'evicting' } })
})

test('drain: when all have left it looks for the next tier and for late arrivals, and ends when there are none', () => {
  const emptied = drain(read, cordoned, listed(), left('pa'), left('pb', 'gone'))
  expect(emptied.state.value).toEqual({ working: 'listing' })
  emptied.when(listed([])).then({
    to: 'ended',
    output: { told: { type: 'controller.ActionDone', evicted: 2, alreadyGone: false, pods: { evicted: 1, gone: 1 } } },
  })
  emptied
    .when(listed([{ namespace: 'web', name: 'late', uid: 'pl' }]))
    .then({ to: { working: 'evicting' }, effects: [['spawn eviction/a1.pl', {}]] })
})

test('drain: a pod that does not end is told, not waited for, and not asked again', () => {
  drain(read, cordoned, listed(), left('pa', 'skipped'))
    .when(left('pb'))
    .then({
      effects: [
        ['stop eviction/a1.pb', undefined],
        ['listEvictable', { name: 'n1', except: ['pa'] }],
      ],
    })
  drain(read, cordoned, listed(), left('pa', 'skipped'), left('pb'))
    .when(listed([]))
    .then({ output: { told: { type: 'controller.ActionDone', evicted: 1, pods: { skipped: 1, evicted: 1 } } } })
})

test('drain: another node of that name means that the one meant is gone', () => {
  drain()
    .when(done(invokeIn('reading'), { ...node, uid: 'u2' }))
    .then({ to: 'ended', output: { told: { alreadyGone: true } } })
  drain()
    .when(done(invokeIn('reading'), null))
    .then({ to: 'ended', output: { told: { alreadyGone: true } } })
})

test('drain: its time is counted from when it was ordered, and never from the future', () => {
  const deadline = (changes: object) =>
    given(shipped('drain-node'), born({ order: { ...order, ...changes } }, 50_000)).state.context.deadline
  expect(deadline({})).toBe(110_000)
  expect(deadline({ createdAt: 20_000 })).toBe(80_000)
  expect(deadline({ createdAt: 90_000 })).toBe(110_000)
  expect(deadline({ id: '00000000-7530-7000-8000-000000000000.0' })).toBe(90_000) // 0x7530 ms
})

test('drain: received after its time it does nothing, unless it may force', () => {
  const late = done(invokeIn('reading'), node, 60_000)
  drain()
    .when(late)
    .then({
      to: 'ended',
      effects: [],
      output: { told: { type: 'controller.ActionFailed', reason: 'its time was over before it began' } },
    })
  drainOf({ force: true })
    .when(late)
    .then({ to: { working: 'cordoning' } })
})

const reasons = { leaving: { 'a1.pb': 'web/b' } }

test('drain: a pod that will not go fails it: the others are told to stop, and then the node is given back', () => {
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
    emitted: [{ type: 'controller.ActionCompensated' }],
    output: { told: { type: 'controller.ActionFailed', reason: 'pod web/a: why' } },
  })
})

test('drain: cancelled, it gives the node back; or leaves it cordoned, where the order says so', () => {
  drain(read, cordoned, listed())
    .when(cancel)
    .then({ to: { restoring: 'stopping' } })
  drain(read, cordoned)
    .when(cancel)
    .then({ to: { restoring: 'uncordoning' } })
  drainOf({ onFailure: 'keep' }, read, cordoned)
    .when(cancel)
    .then({ to: 'ended', effects: [], output: { told: { type: 'controller.ActionFailed', reason: 'the brake is on' } } })
})

test('drain: a node that may not be given back is said to stay cordoned', () => {
  drain(read, cordoned, cancel)
    .when(failed(invokeIn('restoring.uncordoning'), 'Refused', '403'))
    .then({ to: 'ended', output: { told: { reason: 'the brake is on; and the node stays cordoned: 403' } } })
  drain(read, cordoned, cancel)
    .when(failed(invokeIn('restoring.uncordoning'), 'Held', 'NATS away'))
    .then({ to: { restoring: 'uncordoningLater' } })
})

test('drain: what Kubernetes refuses fails it with the reason, what it does not answer is asked again', () => {
  drain()
    .when(failed(invokeIn('reading'), 'Refused', '403'))
    .then({ to: 'ended', output: { told: { type: 'controller.ActionFailed', reason: '403' } } })
  drain()
    .when(failed(invokeIn('reading'), 'Unavailable', 'no answer'))
    .then({ to: 'readingLater' })
  drain()
    .when(failed(invokeIn('reading'), 'Unavailable', 'no answer', 60_000))
    .then({ to: 'ended', output: { told: { reason: 'no answer' } } })
  drain(read, cordoned)
    .when(failed(invokeIn('working.listing'), 'Refused', '403'))
    .then({ to: { restoring: 'uncordoning' } })
  drain(read, cordoned)
    .when(failed(invokeIn('working.listing'), 'Unavailable'))
    .then({ to: { working: 'listingLater' } })
})

test('drain: requests that are never answered end it three minutes after its deadline', () => {
  drain()
    .when(read)
    .then({ timers: [240_000] })
})

test('drain: emptied, it waits for volumes within a time of their own, and tells what is still attached', () => {
  const emptied = [read, cordoned, done(invokeIn('working.listing'), { pods: [] }, 5_000)]
  const waiting = drainOf({ waitForVolumeDetach: undefined, volumeDetachTimeoutSeconds: 30 }, ...emptied.slice(0, 2))
  waiting.when(emptied[2] as Event).then({ to: 'detaching', effects: [['awaitDetached', { name: 'n1', until: 35_000 }]] })
  const ending = drainOf({ waitForVolumeDetach: true }, ...emptied)
  ending
    .when(done(invokeIn('detaching'), { count: 0, volumes: [] }))
    .then({ to: 'ended', output: { told: { type: 'controller.ActionDone' } } })
  ending
    .when(done(invokeIn('detaching'), { count: 1, volumes: ['pv1'] }))
    .then({ output: { told: { type: 'controller.ActionDone', attached: { count: 1, volumes: ['pv1'] } } } })
  ending.when(cancel).then({ to: { restoring: 'uncordoning' } })
})
