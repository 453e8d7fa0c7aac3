import { expect, test } from 'vitest'
import type { Meter } from '../../src/runtime/meter.ts'
import { leasesUntil } from '../../src/runtime/testing/memory-leases.ts'
import { addressOf } from '../../src/runtime/types.ts'
import { bed } from './bed.ts'
import { shopDefinitions, shopSelf } from './shop.ts'

const notes = () => {
  const said: string[] = []
  const meter: Meter = {
    committed: (actor, { n, ev }) => said.push(`commit ${addressOf(actor)} ${n} ${ev.type}`),
    fenced: (actor) => said.push(`fenced ${addressOf(actor)}`),
    decided: ({ type, verb }, outcome) => said.push(`${type}.${verb} ${outcome.ok ? 'accepted' : outcome.why}`),
    attempted: (actor, effect) => {
      said.push(`begin ${addressOf(actor)} ${effect}`)
      return (failure) => said.push(`end ${effect} ${failure instanceof Error ? failure.message : 'well'}`)
    },
  }
  return { said, meter }
}

test('meter: hears every commit of the journal once, in order', async () => {
  const { said, meter } = notes()
  const { process, inbox, clock, journal } = bed(shopDefinitions(), shopSelf)
  await process('a', { meter })
  await inbox.call('shop', 'Open', { name: 't' })
  await inbox.call('till', 'Shut', {}, 'shut', 't')
  await clock.advance(1_000)
  const stored = journal.entries.flatMap(({ type, id, record }) =>
    'n' in record ? [`commit ${type}/${id} ${record.n} ${record.ev.type}`] : [],
  )
  expect(stored.length).toBeGreaterThan(4)
  expect(said.filter((note) => note.startsWith('commit'))).toEqual(stored)
})

test('meter: hears what became of each command, a repeat and one to nobody too', async () => {
  const { said, meter } = notes()
  const { process, inbox, clock } = bed(shopDefinitions(), shopSelf)
  await process('a', { meter })
  await inbox.call('shop', 'Note', { text: 'a' }, 'one')
  await inbox.call('shop', 'Note', { text: 'a' }, 'one')
  await inbox.call('till', 'Pay', { amount: 1 }, 'two', 'nobody')
  await clock.advance(100)
  expect(said.filter((note) => /Note|Pay/.test(note) && !note.startsWith('commit'))).toEqual([
    'shop.Note accepted',
    'shop.Note duplicate',
    'till.Pay refused',
  ])
})

test('meter: hears each attempt of an effect and how it ended', async () => {
  const { said, meter } = notes()
  let tries = 0
  const count = async (): Promise<void> => {
    if (++tries === 1) throw new Error('no luck')
  }
  const { process, inbox, clock } = bed(shopDefinitions({ count }), shopSelf)
  const host = await process('a', { meter })
  await inbox.call('shop', 'Open', { name: 't' })
  await inbox.call('till', 'Shut', {}, 'shut', 't')
  await clock.advance(100)
  expect(host.census().get('till')).toEqual({ residents: 1, waiting: 0, open: 0, parked: 1 })
  const [key] = host.actors().flatMap(({ book }) => [...(book()?.open.keys() ?? [])])
  await inbox.call('till', 'RetryEffect', { key }, 'again', 't')
  await clock.advance(100)
  expect(said.filter((note) => /^(begin|end)/.test(note))).toEqual([
    'begin till/t count',
    'end count no luck',
    'begin till/t count',
    'end count well',
  ])
})

test('meter: hears that another owner wrote first', async () => {
  const { said, meter } = notes()
  const { process, inbox, clock } = bed(shopDefinitions(), shopSelf)
  const first = await process('a', { meter })
  const zombie = first.actors().find((actor) => actor.self.type === 'shop')
  await process('b')
  await inbox.call('shop', 'Note', { text: 'b' })
  const late = { ...shopSelf, verb: 'Note', cmd: 'late', payload: { text: 'a' }, sentAt: 0 }
  await expect(zombie?.receive(late)).rejects.toThrow('first')
  await clock.advance(2_000)
  expect(said.filter((note) => note.startsWith('fenced'))).toEqual(['fenced shop/main'])
})

test('host: says of each type whether it is served here, at once also while NATS does not let go of its consumers', async () => {
  const world = bed(shopDefinitions(), shopSelf)
  Object.assign(world.inbox, { consume: () => new Promise(() => {}) })
  const lost = new AbortController()
  const host = await world.process('a', { leases: leasesUntil(lost.signal, 2) })
  const stages = () => [...host.serving()].map(([type, { stage }]) => [type, stage])
  expect(stages()).toEqual([
    ['shop', 'serving'],
    ['till', 'serving'],
  ])
  lost.abort()
  expect(stages()).toEqual([
    ['shop', 'waiting'],
    ['till', 'waiting'],
  ])
})

test('host: keeps no more actors in memory than it is told to later', async () => {
  const { process, inbox, clock } = bed(shopDefinitions(), shopSelf)
  const host = await process('a')
  const names = Array.from({ length: 12 }, (_, index) => `till-${index}`)
  for (const name of names) await inbox.call('shop', 'Open', { name })
  await clock.advance(5_000)
  expect(host.census().get('till')?.residents).toBe(12)
  host.keep(4)
  await clock.advance(5_000)
  expect(host.actors().length).toBeLessThanOrEqual(4)
  for (const id of names) expect(await inbox.call('till', 'Pay', { amount: 2 }, `pay/${id}`, id)).toMatchObject({ ok: true })
})
