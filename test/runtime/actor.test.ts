import { expect, test } from 'vitest'
import type { KillPoint } from '../../src/runtime/ground.ts'
import { Held, type Licence, unrestricted } from '../../src/runtime/licence.ts'
import { settled } from '../../src/runtime/testing/virtual-clock.ts'
import { bed } from './bed.ts'
import { parcelDef } from './parcel.ts'
import { self, story } from './world.ts'

const begin = { node: 'n1' }

test('actor: a command is committed, its effects run in order, a timer brings it home', async () => {
  const { process, inbox, clock, calls, journal, state } = story()
  await process('a')
  inbox.publish('worker', 'Begin', begin, 'cmd-1')
  await clock.advance(100)
  expect(state()).toBe('cooling')
  expect(calls.map(({ effect }) => effect)).toEqual(['audit', 'cordon', 'evict', 'count'])
  await clock.advance(1_000)
  expect(state()).toBe('idle')
  expect(journal.of(self).flatMap(({ em }) => em.map(({ ev }) => ev))).toEqual([{ type: 'worker.NodeEmptied', node: 'n1' }])
  expect(inbox.waiting()).toEqual([])
})

test('actor: the time is in the event, and never goes back', async () => {
  const { process, inbox, clock, journal } = story()
  await process('a')
  inbox.publish('worker', 'Begin', begin)
  await clock.advance(2_000)
  const times = journal.of(self).map(({ ts, ev }) => [ts, ev.at])
  for (const [ts, at] of times) expect(at).toBe(ts)
  expect(times.map(([ts]) => ts)).toEqual(times.map(([ts]) => ts).toSorted())
})

test('actor: a command id is decided once, however often it comes and whoever decides', async () => {
  const { process, inbox, clock, calls } = story()
  const first = await process('a')
  expect(await inbox.call('worker', 'Begin', begin, 'same')).toMatchObject({ ok: true })
  expect(await inbox.call('worker', 'Begin', begin, 'same')).toMatchObject({ ok: false, why: 'duplicate' })
  await clock.advance(5_000)
  await first.stop()
  await process('b')
  expect(await inbox.call('worker', 'Begin', begin, 'same')).toMatchObject({ ok: false, why: 'duplicate' })
  await clock.advance(5_000)
  expect(calls.filter(({ effect }) => effect === 'cordon')).toHaveLength(1)
})

test('actor: what it does not accept is refused with the state, as a fact and as the answer, and stays refused', async () => {
  const { process, inbox, clock, journal } = story()
  await process('a')
  const detail = 'worker/one does not accept worker.Stop while it is idle'
  expect(await inbox.call('worker', 'Stop', {}, 'early')).toEqual({ ok: false, why: 'refused', detail })
  await inbox.call('worker', 'Begin', begin)
  expect(await inbox.call('worker', 'Stop', {}, 'early')).toMatchObject({ why: 'duplicate' })
  await clock.advance(100)
  expect(journal.of(self).find(({ ev }) => ev.type === '$refused')?.em[0]?.ev).toMatchObject({
    type: 'worker.CommandRefused',
    reason: detail,
  })
})

test('actor: a command that its process bars is refused with the reason, whatever the state, and stays refused', async () => {
  const one = { type: 'parcel', id: 'one' }
  const { process, inbox, journal, facts } = bed([parcelDef], one)
  const sending = { ...parcelDef.events['parcel.Send'], barred: 'nothing leaves this house' }
  const first = await process('a', { definitions: [{ ...parcelDef, events: { ...parcelDef.events, 'parcel.Send': sending } }] })
  expect(await inbox.call('parcel', 'Address', { to: 'Ada' })).toMatchObject({ ok: true })
  expect(await inbox.call('parcel', 'Send', {}, 'barred')).toEqual({ ok: false, why: 'refused', detail: sending.barred })
  expect(facts(one)).toMatchObject([{ type: 'parcel.CommandRefused', reason: sending.barred }])
  await first.stop()
  await process('b')
  expect(await inbox.call('parcel', 'Send', {}, 'barred')).toMatchObject({ why: 'duplicate' })
  expect(journal.of(one).at(-1)?.to).toBe('packing')
  expect(await inbox.call('parcel', 'Send', {}, 'another')).toMatchObject({ ok: true })
})

test('actor: a field that only another actor writes is not taken from outside', async () => {
  const one = { type: 'parcel', id: 'one' }
  const addressing = { ...parcelDef.events['parcel.Address'], inside: ['to'] }
  const { process, inbox } = bed([{ ...parcelDef, events: { ...parcelDef.events, 'parcel.Address': addressing } }], one)
  await process('a')
  const detail = 'parcel.Address: to: only another actor says so'
  expect(await inbox.call('parcel', 'Address', { to: 'Ada' })).toEqual({ ok: false, why: 'refused', detail })
})

test.each([
  ['an unknown verb', 'Explode', {}, /worker knows no command "Explode"; it knows Begin, Stop, Poison/],
  ['a missing field', 'Begin', {}, /worker\.Begin: node: /],
  ['an unknown field', 'Begin', { node: 'a', colour: 1 }, /colour/],
  ['no payload', 'Begin', null, /worker\.Begin: the payload: /],
  ['a list for a payload', 'Begin', [1], /worker\.Begin: the payload: /],
  ['a letter without an event', '$Send', null, /worker\.\$Send: the payload: /],
  ['a letter with an event that is none', '$Child', { event: 'x' }, /worker\.\$Child: event: /],
  ['an unknown letter', '$Steal', {}, /worker knows no command "\$Steal"/],
  ['a wrong type', 'Begin', { node: 7 }, /worker\.Begin: node: .*string/],
])('actor: %s is refused at the door with a sentence, journaled, and changes nothing', async (_, verb, payload, message) => {
  const { process, inbox, journal } = story()
  await process('a')
  const before = journal.of(self).length
  const outcome = await inbox.call('worker', verb, payload, 'bad')
  expect(outcome).toMatchObject({ ok: false, why: 'refused', detail: expect.stringMatching(message) })
  expect(journal.of(self)).toHaveLength(before)
  expect(journal.entries.at(-1)?.record).toMatchObject({ refused: { verb }, cmd: 'bad' })
})

test.each(['throw', 'not json'] as const)(
  'actor: an event on which the machine fails (%s) is set aside; the actor goes on',
  async (how) => {
    const { process, inbox, clock, state, journal } = story()
    await process('a')
    expect(await inbox.call('worker', 'Poison', { how })).toMatchObject({ ok: false, why: 'refused' })
    expect(journal.of(self).at(-1)).toMatchObject({ ev: { type: '$dead' }, em: [{ ev: { type: 'worker.EventFailed' } }] })
    inbox.publish('worker', 'Begin', begin)
    await clock.advance(100)
    expect(state()).toBe('cooling')
  },
)

test('fence: of two owners only one writes, and the other forgets what it held', async () => {
  const { process, inbox, clock, calls, journal } = story()
  const first = await process('a')
  await process('b')
  // Both hold the actor; the commands go to the newer process, the older one is a zombie with a stale state.
  const zombie = first.actors().find((actor) => actor.self.id === 'one')
  await inbox.call('worker', 'Begin', begin)
  await clock.advance(100)
  const lost = zombie?.receive({ type: 'worker', verb: 'Begin', id: 'one', cmd: 'late', payload: { node: 'n2' }, sentAt: 0 })
  await expect(lost).rejects.toThrow(/wrote commit \d+ first/)
  expect(calls.every(({ effect, attempt }) => attempt === 1 || effect === 'evict')).toBe(true)
  expect(journal.of(self).map(({ n }) => n)).toEqual(journal.of(self).map((_, index) => index + 1))
  expect(journal.of(self).filter(({ ev }) => ev['node'] === 'n2')).toEqual([])
})

test.each(['answer lost', 'not stored'] as const)(
  'fence: an append whose outcome is unknown (%s) happens once',
  async (fault) => {
    const { process, inbox, clock, calls, journal, state } = story()
    await process('a')
    journal.fault = fault
    journal.silent = 5
    const outcome = inbox.call('worker', 'Begin', begin, 'doubted')
    await clock.advance(10_000)
    expect(await outcome).toMatchObject({ ok: true })
    expect(journal.of(self).filter(({ cmd }) => cmd === 'doubted')).toHaveLength(1)
    expect(calls.filter(({ effect }) => effect === 'cordon')).toHaveLength(1)
    expect(state()).toBe('idle')
  },
)

const steps: readonly KillPoint[] = ['before-append', 'after-append', 'before-effect', 'after-effect']

test.each(steps.flatMap((point) => Array.from({ length: 9 }, (_, nth) => [point, nth] as const)))(
  'kill: at %s, occurrence %i, nothing is lost and no effect runs twice without its key',
  async (point, nth) => {
    const { process, inbox, clock, calls, state, journal } = story()
    let seen = 0
    let dead = false
    const first = await process('a', {
      reach: (at) => {
        dead ||= at === point && seen++ === nth
        return dead ? new Promise(() => {}) : Promise.resolve()
      },
    })
    inbox.publish('worker', 'Begin', begin, 'cmd-1')
    await clock.advance(100)
    void first.stop() // never answers: what is killed says no goodbye
    await process('b')
    await clock.advance(5_000)
    expect(state()).toBe('idle')
    expect(journal.of(self).filter(({ cmd }) => cmd === 'cmd-1')).toHaveLength(1)
    const byEffect = Map.groupBy(calls, ({ effect }) => effect)
    expect([...byEffect.keys()].toSorted()).toEqual(['audit', 'cordon', 'count', 'evict'])
    for (const runs of byEffect.values()) expect(new Set(runs.map(({ key }) => key)).size).toBe(1)
    for (const runs of byEffect.values()) expect(runs.length).toBeLessThanOrEqual(2)
    expect(journal.of(self).at(-1)?.p).toBeDefined()
  },
)

test('timers: are absolute and survive the process', async () => {
  const { process, inbox, clock, state } = story()
  const first = await process('a')
  inbox.publish('worker', 'Begin', begin)
  await clock.advance(100)
  await first.stop()
  await clock.advance(800)
  await process('b')
  expect(state()).toBe('cooling')
  await clock.advance(150)
  expect(state()).toBe('idle')
})

test('effects: one that the state has left is cancelled, and its end is not heard', async () => {
  const aborted: string[] = []
  const { process, inbox, clock, state } = story(async ({ effect }, { signal }) => {
    if (effect !== 'cordon') return { pods: 1 }
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        aborted.push(effect)
        reject(signal.reason as Error)
      })
    })
  })
  await process('a')
  inbox.publish('worker', 'Begin', begin)
  await clock.advance(100)
  expect(state()).toBe('cordoning')
  inbox.publish('worker', 'Stop', {})
  await clock.advance(100)
  expect([state(), aborted]).toEqual(['idle', ['cordon']])
})

test('effects: one that failed for good with nobody to hear it is parked, and an event says so', async () => {
  const { process, inbox, clock, state, journal, calls } = story(async ({ effect }) => {
    if (effect === 'evict') throw new RangeError('no such node')
    return { pods: 1 }
  })
  const first = await process('a')
  inbox.publish('worker', 'Begin', begin)
  await clock.advance(100)
  expect(state()).toBe('evicting')
  expect(journal.of(self).at(-1)?.em[0]?.ev).toMatchObject({
    type: 'worker.EffectParked',
    effect: 'evict',
    error: 'no such node',
  })
  await first.stop()
  await process('b')
  await clock.advance(100)
  expect(calls.filter(({ effect }) => effect === 'evict')).toHaveLength(1)
})

test('effects: without a licence nothing disruptive starts, and the machine hears why', async () => {
  const held: Licence = {
    ...unrestricted,
    during: () => Promise.reject(new Held('the brake is on')),
  }
  const { process, inbox, clock, calls, journal } = story()
  await process('a', { licence: held })
  inbox.publish('worker', 'Begin', begin)
  await clock.advance(100)
  expect(calls).toEqual([])
  expect(journal.of(self).find(({ ev }) => ev.type.startsWith('xstate.error'))?.ev['error']).toMatchObject({ name: 'Held' })
})

test('children: have a journal of their own, and their end reaches the parent once', async () => {
  const { process, inbox, clock, journal } = story()
  await process('a')
  inbox.publish('worker', 'Begin', begin)
  await clock.advance(3_000)
  inbox.publish('worker', 'Begin', { node: 'n2' })
  await clock.advance(3_000)
  const child = journal.of({ type: 'helper', id: 'one' })
  expect(child.filter(({ ev }) => ev.type === 'xstate.init').map(({ ev }) => ev['input'])).toEqual([
    { node: 'n1' },
    { node: 'n2' },
  ])
  expect(journal.of(self).filter(({ ev }) => ev.type === 'xstate.done.actor.helper')).toHaveLength(2)
})

test('children: leaving the state that invoked one stops it, and that is journaled', async () => {
  const { process, inbox, clock, journal } = story(async ({ effect }, { signal }) => {
    if (effect !== 'count') return { pods: 1 }
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
  })
  await process('a')
  inbox.publish('worker', 'Begin', begin)
  await clock.advance(100)
  inbox.publish('worker', 'Stop', {})
  await clock.advance(100)
  await settled()
  expect(journal.of({ type: 'helper', id: 'one' }).at(-1)?.ev.type).toBe('$stop')
})
