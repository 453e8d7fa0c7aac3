import { expect, test } from 'vitest'
import { bed } from './bed.ts'
import { shopDefinitions, shopSelf } from './shop.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const idAt = (ms: number): string => {
  const hex = ms.toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}

test('keeper: a long journal gets a checkpoint; what is before it is archived, then purged, and nothing is forgotten', async () => {
  const { process, inbox, clock, journal, archive } = bed(shopDefinitions(), shopSelf)
  const first = await process('a')
  for (let n = 0; n < 1_005; n++) await inbox.call('shop', 'Note', { text: 'x' }, `note/${n}`)
  await clock.advance(600_000)
  const kept = journal.of(shopSelf)
  expect(kept.map(({ n, ev }) => [n, ev.type])).toEqual([[1_007, '$checkpoint']])
  const [chapter, ...more] = archive.writes.flat()
  expect(more).toEqual([])
  expect(chapter?.commits.map(({ commit }) => commit.n)).toEqual(Array.from({ length: 1_006 }, (_, index) => index + 1))
  await first.stop()
  const second = await process('b')
  expect(second.actors()[0]?.snapshot()?.context).toMatchObject({ notes: 1_005 })
  expect(await inbox.call('shop', 'Note', { text: 'x' }, 'note/17')).toMatchObject({ why: 'duplicate' })
  expect(await inbox.call('shop', 'Note', { text: 'x' }, 'note/new')).toMatchObject({ ok: true, n: 1_009 })
})

test('keeper: open effects, timers and the parent are in the checkpoint', async () => {
  let end: () => void = () => {}
  const counted = new Promise<void>((resolve) => {
    end = resolve
  })
  const { process, inbox, clock, journal } = bed(shopDefinitions({ count: () => counted }), shopSelf)
  const first = await process('a')
  await inbox.call('shop', 'Open', { name: 'one' })
  await clock.advance(100)
  for (let n = 0; n < 1_001; n++) await inbox.call('till', 'Pay', { amount: 1 }, `pay/${n}`, 'one')
  await clock.advance(600_000)
  const till = { type: 'till', id: 'one' }
  expect(journal.of(till)).toHaveLength(1)
  expect(journal.of(till)[0]?.ck?.timers).toHaveLength(1)
  await first.stop()
  await process('b')
  await clock.advance(HOUR)
  expect(journal.of(till).at(-1)?.to).toBe('counting')
  end()
  await clock.advance(1_000)
  expect(journal.of(till).some(({ to }) => to === 'shut')).toBe(true)
  expect(journal.of(shopSelf).at(-1)?.ev.type).toBe('xstate.done.actor.one')
})

test('keeper: one-shot actors that have ended are archived whole after their time, and their ids refused', async () => {
  const world = bed(shopDefinitions({ oneShotMs: DAY }), shopSelf)
  const { process, inbox, clock, journal, archive } = world
  await process('a')
  const name = idAt(clock.now())
  await inbox.call('shop', 'Open', { name })
  await clock.advance(1_000)
  await inbox.call('till', 'Shut', {}, 'shut', name)
  await clock.advance(DAY - HOUR)
  const till = { type: 'till', id: name }
  expect(journal.of(till).length).toBeGreaterThan(2)
  const { length } = journal.of(till)
  await clock.advance(2 * HOUR)
  expect(journal.of(till)).toEqual([])
  expect(archive.writes.flat().find(({ actor }) => actor.id === name)?.commits).toHaveLength(length)
  await inbox.call('shop', 'Open', { name })
  await clock.advance(1_000)
  expect(journal.of(till)).toEqual([])
  expect(journal.of(shopSelf).at(-1)?.ev).toMatchObject({
    type: '$ignored',
    event: { type: `xstate.error.actor.${name}`, error: { message: expect.stringMatching(/is older than 24 h/) } },
  })
})

test('keeper: one that lives on is not archived, however old its id', async () => {
  const { process, inbox, clock, journal, archive } = bed(shopDefinitions({ oneShotMs: HOUR / 2 }), shopSelf)
  await process('a')
  const name = idAt(clock.now())
  await inbox.call('shop', 'Open', { name })
  await clock.advance(HOUR - 10_000)
  expect(journal.of({ type: 'till', id: name }).length).toBeGreaterThan(0)
  expect(archive.writes).toEqual([])
})
