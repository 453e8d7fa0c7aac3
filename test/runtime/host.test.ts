import { expect, test } from 'vitest'
import { Corrupt } from '../../src/runtime/journal.ts'
import { recover } from '../../src/runtime/recover.ts'
import { freeFrom, leasesUntil } from '../../src/runtime/testing/memory-leases.ts'
import { settled } from '../../src/runtime/testing/virtual-clock.ts'
import { self, story } from './world.ts'

const begin = { node: 'n1' }

test('host: with its lease it loses its actors, and does not open them again', async () => {
  const { process, clock, journal, inbox } = story()
  const lost = new AbortController()
  const first = await process('a', { leases: leasesUntil(lost.signal, 2) })
  inbox.publish('worker', 'Begin', begin)
  await clock.advance(100)
  expect(first.actors().length).toBeGreaterThan(0)
  lost.abort()
  await clock.advance(10_000)
  expect(first.actors()).toEqual([])
  const before = journal.of(self).length
  await clock.advance(10_000)
  expect(journal.of(self)).toHaveLength(before)
  await first.stop()
})

test('host: an actor whose first commit the owner before had under way is taken over when it has landed', async () => {
  const { process, clock, journal, inbox, calls } = story()
  const lost = new AbortController()
  await process('a', { leases: leasesUntil(lost.signal, 2) })
  const { append } = journal
  const landed = Promise.withResolvers<void>()
  Object.assign(journal, {
    append: async (...args: Parameters<typeof append>) => {
      await landed.promise
      return append(...args)
    },
  })
  const answer = inbox.call('helper', '$Spawn', { input: begin }, 'late', 'x').catch((error: Error) => error.message)
  await clock.advance(100)
  lost.abort()
  Object.assign(journal, { append })
  await process('b', { leases: freeFrom(clock.monotonic() + 10_000) })
  landed.resolve()
  await clock.advance(5_000)
  expect([await answer, calls]).toEqual([{ ok: true, n: 1, to: 'counting' }, []])
  await clock.advance(6_000)
  expect(calls.map(({ effect }) => effect)).toEqual(['count'])
})

test('host: with its lease it aborts what is under way at once, also while NATS does not let go of its consumers', async () => {
  const aborted: string[] = []
  const { process, clock, inbox } = story(({ effect }, { signal }) => {
    signal.addEventListener('abort', () => aborted.push(effect))
    return new Promise(() => {})
  })
  // Stopping a consumer asks the server, and the server is silent.
  const { consume } = inbox
  const consumeForEver = (...args: Parameters<typeof consume>): Promise<void> => {
    void consume(...args)
    return new Promise(() => {})
  }
  Object.assign(inbox, { consume: consumeForEver })
  const lost = new AbortController()
  const host = await process('a', { leases: leasesUntil(lost.signal, 2) })
  inbox.publish('worker', 'Begin', { node: 'n1' })
  await clock.advance(100)
  expect(host.actors().length).toBeGreaterThan(0)
  lost.abort()
  await clock.advance(0)
  expect(aborted).toContain('cordon')
  expect(host.actors()).toEqual([])
})

test('recovery: a later reading has what was written since the one before', async () => {
  const { process, clock, journal, inbox } = story()
  const readers = recover(journal, ['worker', 'helper'])
  expect((await readers.read('worker')).books).toEqual([])
  await process('a')
  inbox.publish('worker', 'Begin', begin)
  await clock.advance(2_000)
  expect((await readers.read('worker')).books.map(({ actor, state }) => [actor.id, state.state.value])).toEqual([['one', 'idle']])
  expect((await readers.read('helper')).books).toEqual([]) // it has ended: nobody needs it in memory
})

test('recovery: a record that is none quarantines its actor, and no other', async () => {
  const { process, clock, journal, inbox } = story()
  const first = await process('a')
  inbox.publish('worker', 'Begin', begin)
  await clock.advance(2_000)
  await first.stop()
  journal.entries.push({ seq: journal.entries.length + 1, type: 'helper', id: 'one', record: new Corrupt('format 2') })
  const { books, corrupt } = await recover(journal, ['worker', 'helper']).read('helper')
  expect([books, corrupt.map(({ actor }) => actor.id)]).toEqual([[], ['one']])
  const second = await process('b')
  expect(second.actors().map((actor) => actor.self.type)).toEqual(['worker'])
})

test('host: a command that was accepted is a duplicate when it comes again too late', async () => {
  const { process, clock, inbox } = story()
  await process('a')
  expect(await inbox.call('worker', 'Begin', begin, 'once')).toMatchObject({ ok: true })
  await clock.advance(700_000)
  const late = { type: 'worker', verb: 'Begin', id: undefined, payload: begin, sentAt: clock.now() - 700_000 }
  expect(await inbox.deliver({ ...late, cmd: 'once' })).toMatchObject({ why: 'duplicate' })
  expect(await inbox.deliver({ ...late, cmd: 'never seen' })).toMatchObject({
    why: 'refused',
    detail: 'worker.Begin waited 700 s, longer than its deadline of 600 s',
  })
})

test('host: a refusal that NATS does not answer is written when it does', async () => {
  const { process, clock, inbox, journal } = story()
  await process('a')
  journal.silent = 3
  inbox.publish('worker', 'Explode', {}, 'bad')
  await clock.advance(10_000)
  expect(journal.entries.filter(({ record }) => 'refused' in record)).toHaveLength(1)
  expect(inbox.waiting()).toEqual([])
})

test('host: what made no sense is refused once, however late it is delivered again and to whichever process', async () => {
  const { process, clock, inbox, journal } = story()
  const first = await process('a')
  const bad = { id: undefined, payload: { node: 1 }, cmd: 'bad', sentAt: clock.now() }
  const refused = () => journal.entries.filter(({ record }) => 'refused' in record)
  expect(await inbox.deliver({ ...bad, type: 'worker', verb: 'Begin' })).toMatchObject({ why: 'refused' })
  await first.stop()
  await clock.advance(150_000)
  const second = await process('b')
  await clock.advance(150_000)
  expect(await inbox.deliver({ ...bad, type: 'worker', verb: 'Begin' })).toMatchObject({ why: 'refused' })
  expect(refused()).toHaveLength(1)
  expect(await inbox.call('worker', 'Begin', begin, 'bad')).toMatchObject({ ok: true })
  await second.stop()
})

test('host: an event that the journal can not take is set aside by its type, and the actor goes on', async () => {
  const { process, clock, inbox, journal, state } = story()
  await process('a')
  journal.fault = 'too large'
  expect(await inbox.call('worker', 'Begin', { node: 'x'.repeat(1_000) })).toMatchObject({ ok: false, why: 'refused' })
  expect(journal.of(self).at(-1)?.ev).toMatchObject({ type: '$dead', event: { type: 'worker.Begin' } })
  inbox.publish('worker', 'Begin', begin)
  await clock.advance(100)
  expect(state()).toBe('cooling')
})

test('effects: an output that is no JSON is a failure of the effect', async () => {
  const { process, clock, inbox, calls, journal } = story(async ({ effect }) => (effect === 'cordon' ? { big: 1n } : { pods: 1 }))
  await process('a')
  inbox.publish('worker', 'Begin', begin)
  await clock.advance(10_000)
  await settled()
  expect(calls.filter(({ effect }) => effect === 'cordon')).toHaveLength(1)
  expect(journal.of(self).find(({ ev }) => ev.type.startsWith('xstate.error'))?.ev['error']).toMatchObject({ name: 'NotJson' })
})
