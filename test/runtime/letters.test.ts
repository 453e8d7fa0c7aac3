import { expect, test } from 'vitest'
import { bed } from './bed.ts'
import { shopDefinitions, shopSelf } from './shop.ts'

const till = { type: 'till', id: 'one' }
const stage = async () => {
  const world = bed(shopDefinitions(), shopSelf)
  await world.process('a')
  await world.inbox.call('shop', 'Open', { name: 'one' })
  await world.clock.advance(1_000)
  return world
}

test('letters: one that is not accepted is journaled once and told', async () => {
  const { inbox, clock, journal, facts } = await stage()
  await inbox.call('shop', 'Tell', { to: 'till/one', event: { type: 'till.Unknown' } })
  await clock.advance(1_000)
  expect(journal.of(till).at(-1)?.ev).toMatchObject({ type: '$ignored', event: { type: 'till.Unknown' } })
  expect(facts(till).at(-1)).toMatchObject({
    type: 'till.MessageIgnored',
    message: 'till.Unknown',
    from: expect.stringMatching(/^shop\/main\/\d+\/0$/),
  })
  expect(inbox.waiting()).toEqual([])
})

test('letters: one to nobody is refused at the door', async () => {
  const { inbox, clock, journal } = await stage()
  await inbox.call('shop', 'Tell', { to: 'till/nobody', event: { type: 'till.Shut' } })
  await clock.advance(1_000)
  expect(journal.entries.flatMap(({ record }) => ('refused' in record ? [record.refused] : []))).toEqual([
    { type: 'till', verb: '$Send', id: 'nobody', reason: 'there is no till/nobody', formed: true },
  ])
})

test('letters: a second spawn of a living actor is refused, and whoever asked hears so', async () => {
  const { inbox, clock, journal } = await stage()
  await inbox.call('shop', 'Open', { name: 'one' })
  await clock.advance(1_000)
  expect(journal.of(till).map(({ ev }) => ev.type)).toContain('$refused')
  expect(journal.of(till).filter(({ ev }) => ev.type === 'xstate.init')).toHaveLength(1)
  const heard = journal.of(shopSelf).at(-1)
  expect(heard?.ev).toMatchObject({ type: '$ignored', event: { type: 'xstate.error.actor.one' } })
  expect(heard?.em[0]?.ev).toMatchObject({ type: 'shop.ChildFailed', child: 'one', error: 'till/one is running already' })
})

test('letters: a one-shot actor lives once: who spawns it again hears how it ended, also from another process', async () => {
  const { inbox, clock, process, journal } = bed(shopDefinitions({ oneShotMs: 86_400_000 }), shopSelf)
  const first = await process('a')
  await inbox.call('shop', 'Open', { name: 'one' })
  await clock.advance(1_000)
  await inbox.call('till', 'Shut', {}, 'shut', 'one')
  await clock.advance(5_000)
  await first.stop()
  await process('b')
  await inbox.call('shop', 'Open', { name: 'one' })
  await clock.advance(5_000)
  expect(journal.of(till).filter(({ ev }) => ev.type === 'xstate.init')).toHaveLength(1)
  const heard = journal.of(shopSelf).filter(({ ev }) => ev.type === 'xstate.done.actor.one')
  expect(heard.map(({ ev }) => ev['repeated'] ?? false)).toEqual([false, true])
})

test('letters: a one-shot actor that is spawned again with another input is not begun, and the difference is said', async () => {
  const { inbox, clock, process, journal } = bed(shopDefinitions({ oneShotMs: 86_400_000 }), shopSelf)
  await process('a')
  await inbox.call('shop', 'Open', { name: 'one' })
  await clock.advance(1_000)
  await inbox.call('till', 'Shut', {}, 'shut', 'one')
  await clock.advance(5_000)
  const parent = { ...shopSelf, ref: 'one' }
  await inbox.send({ to: till, verb: '$Spawn', key: 'again', payload: { input: { other: true }, parent }, corr: 'again' })
  await clock.advance(5_000)
  expect(journal.of(till).filter(({ ev }) => ev.type === 'xstate.init')).toHaveLength(1)
  expect(journal.of(shopSelf).at(-1)?.ev).toMatchObject({
    event: { type: 'xstate.error.actor.one', error: { message: 'till/one was begun before, and with another input' } },
  })
})

test('letters: stopping what has ended is no refusal', async () => {
  const { inbox, clock, journal } = await stage()
  await inbox.call('till', 'Shut', {}, 'shut', 'one')
  await inbox.call('shop', 'Close', { name: 'one' })
  await clock.advance(5_000)
  expect(journal.entries.filter(({ record }) => 'refused' in record)).toEqual([])
  expect(inbox.waiting()).toEqual([])
})

test('letters: a spawn and what is told right behind it arrive in this order', async () => {
  const { inbox, clock, journal } = await stage()
  for (const name of ['a', 'b', 'c']) {
    inbox.publish('shop', 'Open', { name })
    inbox.publish('shop', 'Tell', { to: `till/${name}`, event: { type: 'till.Shut' } })
  }
  await clock.advance(5_000)
  for (const id of ['a', 'b', 'c']) expect(journal.of({ type: 'till', id }).some(({ to }) => to === 'shut')).toBe(true)
  expect(journal.of(shopSelf).filter(({ ev }) => ev.type.startsWith('xstate.done.actor.'))).toHaveLength(3)
})

test('letters: what was refused for want of an actor stays refused when it comes again, also to another process', async () => {
  const { inbox, clock, process, journal } = bed(shopDefinitions(), shopSelf)
  const first = await process('a')
  expect(await inbox.call('till', 'Pay', { amount: 1 }, 'early', 'late')).toMatchObject({ why: 'refused' })
  await inbox.call('shop', 'Open', { name: 'late' })
  await clock.advance(1_000)
  expect(await inbox.call('till', 'Pay', { amount: 1 }, 'early', 'late')).toMatchObject({ why: 'duplicate' })
  await first.stop()
  await process('b')
  expect(await inbox.call('till', 'Pay', { amount: 1 }, 'early', 'late')).toMatchObject({ why: 'duplicate' })
  expect(journal.of({ type: 'till', id: 'late' }).filter(({ cmd }) => cmd === 'early')).toEqual([])
})
