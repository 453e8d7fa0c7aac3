import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { headers, type MsgHdrs } from 'nats'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { jetstreamEvents } from '../../src/adapters/jetstream/events.ts'
import { refuseNewJournal } from '../../src/adapters/jetstream/journal-gone.ts'
import { kvSnapshots } from '../../src/adapters/jetstream/snapshots.ts'
import { jetstreamTraces } from '../../src/adapters/jetstream/traces.ts'
import { acceptLoss } from '../../src/runtime/accept-loss.ts'
import { systemChance } from '../../src/runtime/chance.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import type { Journal } from '../../src/runtime/journal.ts'
import { findLoss, JournalLost, type Loss } from '../../src/runtime/loss.ts'
import { project } from '../../src/runtime/projector.ts'
import type { Address } from '../../src/runtime/types.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'
import { accounts, type Bed, bed, clientOf, entriesOf, foreignCommit, freshBed, hosted, remembering } from './bed.ts'

let nats: NatsForTest
beforeEach(async () => {
  nats = await natsForTest()
})
afterEach(() => nats.cleanup())

const [root, other] = [
  { type: 'counter', id: 'root' },
  { type: 'counter', id: 'other' },
]
const never = (): boolean => false
/** So many bytes that can't be compressed. */
const noise = (bytes: number): string => randomBytes((bytes * 3) / 4).toString('base64')
const causedBy = (key: string): MsgHdrs => {
  const hdrs = headers()
  hdrs.set('Qm-Cause', key)
  return hdrs
}

/** Everything told is in EVENTS before the power fails. */
const projected = async ({ js, jsm, cluster, journal }: Bed): Promise<void> => {
  const wanted = (await entriesOf(journal)).flatMap(({ record }) => ('em' in record ? record.em : [])).length
  const life = new AbortController()
  const projecting = project(cluster, journal, jetstreamEvents(js, jsm, cluster), systemClock, remembering().log, life.signal)
  await vi.waitUntil(async () => (await jsm.streams.info('EVENTS')).state.messages >= wanted)
  life.abort()
  await projecting
}

/** Hosts, adds so often, tells everything, and stops. */
const lived = async (adds: number): Promise<Bed> => {
  const given = await freshBed(nats.nc, nats.cluster)
  const host = hosted(given, remembering().log)
  await host.ready
  const client = clientOf(given)
  for (let count = 0; count < adds; count++) await client.add()
  expect(await accounts(given.journal, client.acknowledged)).toEqual([])
  await projected(given)
  await host.stop()
  return given
}

/** The last blocks of a stream's messages lose their ends, as an unsynced file does; what is derived is made again by the server. */
const cut = (jetstream: string, stream: string, bytes: number, block = -1): void => {
  const folder = join(jetstream, '$G', 'streams', stream, 'msgs')
  const blocks = readdirSync(folder)
    .filter((name) => name.endsWith('.blk'))
    .toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
  const file = join(folder, blocks.at(block) ?? '')
  truncateSync(file, statSync(file).size - bytes)
  rmSync(join(folder, 'index.db'), { force: true })
}

const lossOf = (journal: Journal, given: Bed, mayBePurged: (actor: Address) => boolean = never): Promise<Loss | undefined> =>
  findLoss(journal, jetstreamTraces(given.jsm, given.cluster), mayBePurged)

test('loss: a journal that says all that is told has lost nothing', async () => {
  const given = await lived(5)
  expect(await lossOf(given.journal, given)).toBeUndefined()
})

test('loss: an unsynced tail that was cut off is found, and said with stream, sequences, actors and remedy', async () => {
  const given = await lived(10)
  await nats.stopped((folder) => cut(folder, 'JOURNAL', 1_500))
  const { journal } = await bed(nats.nc, nats.cluster)
  const left = (await journal.last(root))?.commit.n ?? 0
  expect(left).toBeGreaterThan(0)
  expect(left).toBeLessThan(11)
  const loss = (await lossOf(journal, given)) as Loss
  expect(loss).toMatchObject({ held: left, until: 11, actors: [{ actor: root, from: left + 1, to: 11 }] })
  const { message } = new JournalLost(loss)
  expect(message).toContain(
    `the stream JOURNAL has lost records that were acknowledged: it ends at sequence ${left}, and EVENTS 10 tells of sequence 11.`,
  )
  expect(message).toContain(`counter/root (commits ${left + 1} to 11)`)
  expect(message).toMatch(/Nothing is hosted on it\. Restore the stream .*nats stream restore.* --accept-loss/)
})

test('loss: a tail that is gone although the server counts on from where it was is found too', async () => {
  const given = await lived(10)
  await nats.stopped((folder) => {
    const kept = join(folder, '$G', 'streams', 'JOURNAL', 'msgs')
    const [file = ''] = readdirSync(kept).filter((name) => name.endsWith('.blk'))
    truncateSync(join(kept, file), statSync(join(kept, file)).size - 1_500)
  })
  const { journal, jsm } = await bed(nats.nc, nats.cluster)
  expect((await jsm.streams.info('JOURNAL')).state.last_seq).toBe(11)
  expect(await lossOf(journal, given)).toMatchObject({ until: 11, actors: [{ actor: root, to: 11 }] })
})

test('loss: sequences that were given out again after a loss that nobody noticed do not hide it', async () => {
  const given = await lived(10)
  await nats.stopped((folder) => cut(folder, 'JOURNAL', 1_500))
  const { journal } = await bed(nats.nc, nats.cluster)
  let seq = 0
  for (let n = 1; n <= 20; n++) seq = await journal.append(other, foreignCommit(n), seq)
  expect(await lossOf(journal, given)).toMatchObject({ until: 11, actors: [{ actor: root, to: 11 }] })
})

test('loss: a stream that was deleted, and made anew by the next start, is no new beginning', async () => {
  const given = await lived(3)
  await given.jsm.streams.delete('JOURNAL')
  const { journal } = await bed(nats.nc, nats.cluster)
  expect(await lossOf(journal, given)).toMatchObject({ held: 0, until: 4, actors: [{ actor: root, from: 1, to: 4 }] })
})

test('loss: a journal whose store the server can not read is not made anew over what is left', async () => {
  const given = await lived(2)
  await expect(refuseNewJournal(given.jsm)).resolves.toBeUndefined()
  await nats.stopped((folder) => writeFileSync(join(folder, '$G', 'streams', 'JOURNAL', 'meta.inf'), 'rubbish'))
  await expect(refuseNewJournal(given.jsm)).rejects.toThrow(
    /^there is no stream JOURNAL, and EVENTS holds 2 facts from it: .*its log says why.*nats stream restore.*--accept-loss/,
  )
})

test('loss: a cached snapshot of a commit that is gone is evidence as well', async () => {
  const given = await lived(0)
  const snapshots = await kvSnapshots(given.js)
  const ledger = { open: [], timers: [], cmds: [] }
  const state = { status: 'active' as const, value: 'idle', context: {}, children: {} }
  const known = { f: 1 as const, mv: 1, own: 'x', state, ledger, kept: { n: 0, seq: 0, sha256: '' }, ts: 1, nonce: 'gone' }
  await snapshots.put(other, { ...known, n: 7, seq: 9 })
  const traces = jetstreamTraces(given.jsm, given.cluster, snapshots)
  expect(await findLoss(given.journal, traces, never)).toMatchObject({ until: 9, actors: [{ actor: other, from: 1, to: 7 }] })
})

test('loss: actors that were archived and purged whole are not missing', async () => {
  const given = await lived(2)
  await given.journal.purge(root)
  expect(await lossOf(given.journal, given, ({ id }) => id === 'root')).toBeUndefined()
  expect(await lossOf(given.journal, given)).toMatchObject({ actors: [{ actor: root, to: 3 }] })
})

test('accepted: the actors go on at what is left, no key and no sequence is used twice, and it is a public fact', {
  timeout: 60_000,
}, async () => {
  const given = await lived(10)
  await nats.stopped((folder) => cut(folder, 'JOURNAL', 1_500))
  const again = await bed(nats.nc, nats.cluster)
  const { journal, jsm, js, cluster } = again
  const left = (await journal.last(root))?.commit.n ?? 0
  // Sent by a lost commit, and not delivered yet: nobody will know of it.
  for (const n of [left, left + 1])
    await js.publish(`qm.${cluster}.cmd.counter.$Stop.other`, '{}', {
      msgID: `counter/root/${n}/0`,
      headers: causedBy(`counter/root/${n}/0`),
    })
  const traces = jetstreamTraces(jsm, cluster)
  const loss = (await lossOf(journal, given)) as Loss
  const accepted = await acceptLoss({ journal, traces, clock: systemClock, chance: systemChance, process: 'test' }, loss)
  expect(accepted).toMatchObject({ renumbered: 1, withdrawn: 1 })
  expect(await lossOf(journal, again), 'it is not found a second time').toBeUndefined()
  expect((await journal.last(root))?.commit.n).toBeGreaterThan(11)

  const toldBefore = (await jsm.streams.info('EVENTS')).state.messages
  const told = remembering()
  const host = hosted(again, told.log)
  await host.ready
  const life = new AbortController()
  const projecting = project(cluster, journal, jetstreamEvents(js, jsm, cluster), systemClock, told.log, life.signal)
  try {
    expect(host.quarantined().size).toBe(0)
    expect(host.actors()[0]?.book()?.state.context).toMatchObject({ sum: left - 1 })
    const called = await nats.nc.request(`qm.${cluster}.call.counter.Add.root`, '{"amount":1}', { timeout: 5_000 })
    expect(called.json()).toMatchObject({ ok: true })
    await vi.waitUntil(async () => (await jsm.streams.info('EVENTS')).state.messages >= toldBefore + 2)
    const events = []
    for (let seq = 1; seq <= toldBefore + 2; seq++)
      events.push((await jsm.streams.getMessage('EVENTS', { seq })).json<{ id: string; type: string }>())
    expect(new Set(events.map(({ id }) => id)).size, 'no event has the id of another').toBe(events.length)
    expect(events.slice(toldBefore).map(({ type }) => type)).toEqual([
      'quartermaster.journal.LossAccepted.v1',
      'quartermaster.counter.Added.v1',
    ])
  } finally {
    life.abort()
    await projecting
    await host.stop()
  }
})

test('a hole in the middle: that actor is quarantined and says so, others go on', { timeout: 60_000 }, async () => {
  const given = await freshBed(nats.nc, nats.cluster)
  const state = { status: 'active', value: 'idle', context: { sum: 0, note: '' }, children: {} }
  const init = foreignCommit(1, { ev: { type: 'xstate.init' }, to: 'idle', p: { set: [[[], state]] } })
  let seq = await given.journal.append(other, init, 0)
  // A block holds eight megabytes: the second commit is in the middle of the first one, the third is in the next.
  for (let n = 1, last = 0; n <= 14; n++) {
    last = await given.journal.append({ type: 'filler', id: 'x' }, foreignCommit(n, { corr: noise(750_000) }), last)
    if (n === 6) seq = await given.journal.append(other, foreignCommit(2), seq)
  }
  await given.journal.append(other, foreignCommit(3), seq)
  await nats.stopped((folder) => cut(folder, 'JOURNAL', 5_000_000, 0))
  const again = await bed(nats.nc, nats.cluster)
  const told = remembering()
  const host = hosted(again, told.log)
  await host.ready
  try {
    const called = async (id: string) =>
      (await again.nc.request(`qm.${again.cluster}.call.counter.Add.${id}`, '{"amount":1}', { timeout: 5_000 })).json<{
        ok: boolean
        detail?: string
      }>()
    expect(await called('root')).toMatchObject({ ok: true })
    expect(await called('other')).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/counter\/other.*commit 2 is missing, found 3/),
    })
    expect(told.text()).toMatch(/error .*counter\/other: commit 2 is missing, found 3 at sequence/)
  } finally {
    await host.stop()
  }
})
