import { expect, test } from 'vitest'
import { bed } from './bed.ts'
import { shopDefinitions, shopSelf } from './shop.ts'

const names = Array.from({ length: 12 }, (_, index) => `till-${index}`)
const HOUR = 3_600_000
const till = { type: 'till', id: 'till-0' }

const opened = async (residents: number, options = {}) => {
  const world = bed(shopDefinitions(options), shopSelf)
  const host = await world.process('a', { residents })
  for (const name of names) await world.inbox.call('shop', 'Open', { name })
  await world.clock.advance(5_000)
  return { ...world, host }
}

test('residents: no more are kept in memory than allowed; the others answer as if they were', async () => {
  const { host, inbox, clock } = await opened(4)
  expect(host.actors().length).toBeLessThanOrEqual(5)
  for (const id of names) expect(await inbox.call('till', 'Pay', { amount: 2 }, `pay/${id}`, id)).toMatchObject({ ok: true })
  await clock.advance(5_000)
  expect(host.actors().length).toBeLessThanOrEqual(5)
  for (const id of names)
    expect(await inbox.call('till', 'Pay', { amount: 2 }, `pay/${id}`, id)).toMatchObject({ why: 'duplicate' })
})

test('residents: a timer wakes an actor that was put away, at its time', async () => {
  const { journal, clock } = await opened(4)
  await clock.advance(HOUR - 10_000)
  expect(names.map((id) => journal.of({ type: 'till', id }).at(-1)?.to)).toEqual(names.map(() => 'open'))
  await clock.advance(10_000)
  expect(names.map((id) => journal.of({ type: 'till', id }).at(-1)?.to)).toEqual(names.map(() => 'shut'))
  expect(journal.of(shopSelf).filter(({ ev }) => ev.type.startsWith('xstate.done.actor.'))).toHaveLength(names.length)
})

test('residents: those that have ended are not kept, and their command ids are still known', async () => {
  const { host, inbox, clock, journal } = await opened(100)
  for (const id of names) await inbox.call('till', 'Shut', {}, `shut/${id}`, id)
  await clock.advance(5_000)
  expect(host.actors().map(({ self }) => self.type)).toEqual(['shop'])
  const before = journal.entries.length
  expect(await inbox.call('till', 'Shut', {}, 'shut/till-3', 'till-3')).toMatchObject({ why: 'duplicate' })
  expect(journal.entries).toHaveLength(before)
})

test('residents: an actor comes back from a snapshot and its tail, and the snapshot can be lost', async () => {
  const { inbox, clock, snapshots, process, host } = await opened(4)
  for (let n = 0; n < 250; n++) await inbox.call('till', 'Pay', { amount: 1 }, `pay/${n}`, 'till-0')
  await clock.advance(1_000)
  expect((await snapshots.get(till))?.n).toBeGreaterThanOrEqual(200)
  await host.stop()
  for (const keep of [true, false]) {
    if (!keep) snapshots.values.clear()
    const next = await process(`b-${keep}`, { residents: 1 })
    await clock.advance(5_000)
    expect(await inbox.call('till', 'Pay', { amount: 1 }, 'pay/7', 'till-0')).toMatchObject({ why: 'duplicate' })
    const found = next.actors().find(({ self }) => self.id === 'till-0')
    expect(found?.snapshot()?.context).toMatchObject({ sum: 250 })
    await next.stop()
  }
})

test('residents: a snapshot that the journal does not know means that the store has lost its end', async () => {
  const { inbox, snapshots, journal, process, host, clock } = await opened(4)
  for (let n = 0; n < 120; n++) await inbox.call('till', 'Pay', { amount: 1 }, `pay/${n}`, 'till-0')
  await clock.advance(1_000)
  await host.stop()
  const kept = journal.entries.filter(
    ({ type, id, record }) => type !== 'till' || id !== 'till-0' || ('n' in record && record.n < 50),
  )
  journal.entries.splice(0, journal.entries.length, ...kept)
  const known = (await snapshots.get(till))?.n ?? 0
  expect(known).toBeGreaterThanOrEqual(100)
  const next = await process('b', { residents: 1 })
  await clock.advance(5_000)
  await inbox.call('till', 'Pay', { amount: 1 }, 'after', 'till-0')
  expect(next.quarantined().get('till/till-0') ?? '').toContain(`ends at commit 49, and commit ${known} was acknowledged`)
})
