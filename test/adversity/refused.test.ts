import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { subjects } from '../../src/events/subjects.ts'
import { Unanswered, Unstorable } from '../../src/runtime/journal.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'
import { accounts, clientOf, entriesOf, foreignCommit, freshBed, hosted, remembering } from './bed.ts'

/** Bytes that NATS may store: soon full. */
const STORE = 32 * 2 ** 20
const root = { type: 'counter', id: 'root' }
const filler = 'x'.repeat(200_000)
const fresh = () => freshBed(nats.nc, nats.cluster, { storeBytes: STORE })
let nats: NatsForTest
beforeAll(async () => {
  nats = await natsForTest({ maxStoreBytes: STORE })
})
afterAll(() => nats.cleanup())

const subjectOf = (id: string): string => `qm.${nats.cluster}.journal.counter.${id}`

test('disk full: an append says stream, subject and remedy; the actor waits, nothing acknowledged is lost, with room it goes on', {
  timeout: 60_000,
}, async () => {
  const given = await fresh()
  const { journal, nc, jsm, js, cluster } = given
  const told = remembering()
  const host = hosted(given, told.log)
  await host.ready
  const client = clientOf(given)
  try {
    expect(await client.add()).toBe(true)
    expect(await accounts(journal, client.acknowledged)).toEqual([])
    await jsm.streams.add({ name: 'FILLER', subjects: ['filler'] })
    while (
      await js.publish('filler', filler).then(
        () => true,
        () => false,
      )
    );
    const appended = journal.append({ type: 'counter', id: 'other' }, foreignCommit(1, { corr: filler }), 0)
    await expect(appended).rejects.toBeInstanceOf(Unanswered)
    await expect(appended).rejects.toThrow(
      `JOURNAL ${subjectOf('other')}: there is no room for it: make room on the disk, or raise max_file_store`,
    )
    const called = nc.request(subjects(cluster).call('counter', 'Add', 'root'), '{"amount":1}', { timeout: 20_000 })
    await vi.waitUntil(() => /warn the journal waits .*there is no room for it/.test(told.text()), { timeout: 5_000 })
    await jsm.streams.delete('FILLER')
    expect((await called).json()).toMatchObject({ ok: true })
    expect(await client.add()).toBe(true)
    expect(await accounts(journal, client.acknowledged)).toEqual([])
    expect(told.text()).toContain('info the journal is written again')
    expect(host.actors().map(({ self }) => self)).toEqual([root])
  } finally {
    await host.stop()
  }
})

test('a message over the size limit of the stream is refused for good, with stream, subject, limit and remedy', async () => {
  const { journal, jsm } = await fresh()
  const { config } = await jsm.streams.info('JOURNAL')
  await jsm.streams.update('JOURNAL', { ...config, max_msg_size: 100_000 })
  const appended = journal.append(root, foreignCommit(1, { corr: filler }), 0)
  await expect(appended).rejects.toBeInstanceOf(Unstorable)
  await expect(appended).rejects.toThrow(
    `JOURNAL ${subjectOf('root')}: larger than the stream takes (max_msg_size): make it smaller, or raise max_msg_size`,
  )
})

test('a commit over the size limit of NATS: the event is set aside and said, the actor keeps its state and goes on', async () => {
  const given = await fresh()
  const told = remembering()
  const host = hosted(given, told.log)
  await host.ready
  const client = clientOf(given)
  try {
    await client.add(1, 'y'.repeat(1_048_000)) // as a command it is just small enough
    await client.add(2)
    const entries = await vi.waitUntil(async () => {
      const found = await entriesOf(given.journal)
      return found.some(({ record }) => 'cmd' in record && record.cmd === 'add-2') && found
    })
    expect(entries.map(({ record }) => ('ev' in record ? record.ev.type : 'refused'))).toEqual([
      'xstate.init',
      '$dead',
      'counter.Add',
    ])
    expect(host.actors()[0]?.book()?.state.context).toMatchObject({ sum: 2 })
    expect(told.text()).toContain(
      `JOURNAL ${subjectOf('root')}: larger than NATS takes (max_payload): make it smaller, or raise max_payload`,
    )
  } finally {
    await host.stop()
  }
})

test('the stream deleted while running: every append says which, and what to do; nothing is begun anew in its place', {
  timeout: 30_000,
}, async () => {
  const given = await fresh()
  const { journal, jsm, js } = given
  const told = remembering()
  const host = hosted(given, told.log)
  await host.ready
  const client = clientOf(given)
  try {
    await client.add()
    expect(await accounts(journal, client.acknowledged)).toEqual([])
    await jsm.streams.delete('JOURNAL')
    await client.add()
    await vi.waitUntil(() => told.text().includes('no such stream any more'), { timeout: 15_000 })
    expect(told.text()).toMatch(
      /JOURNAL qm\.[^ ]+\.journal\.counter\.root: there is no such stream any more: restore it from a backup \(nats stream restore\)/,
    )
    expect(await jsm.streams.names().next()).not.toContain('JOURNAL')
    // The command is not lost: COMMANDS keeps what was not decided.
    expect((await jsm.streams.info('COMMANDS')).state.messages).toBe(1)
    await expect(js.publish(subjectOf('root'), '{}')).rejects.toThrow()
  } finally {
    await host.stop()
  }
})

test.each([
  ['a commit of a newer format', { f: 2 as unknown as 1 }, /format 2; this version reads format 1/],
  ['a commit of a newer machine', { mv: 7 }, /version 7/],
])('a journal with %s: that actor is refused by name with the reason and the remedy, others go on', async (_, newer, reason) => {
  const given = await fresh()
  const { journal, nc, cluster } = given
  const state = { status: 'active', value: 'idle', context: { sum: 5, note: '' }, children: {} }
  const newest = foreignCommit(1, { ev: { type: 'xstate.init' }, to: 'idle', p: { set: [[[], state]] } })
  await journal.append({ type: 'counter', id: 'newer' }, { ...newest, ...newer }, 0)
  const told = remembering()
  const host = hosted(given, told.log)
  await host.ready
  try {
    const called = async (id: string) =>
      (await nc.request(`qm.${cluster}.call.counter.Add.${id}`, '{"amount":1}', { timeout: 5_000 })).json<{
        ok: boolean
        detail?: string
      }>()
    expect(await called('root')).toMatchObject({ ok: true })
    const refused = await called('newer')
    expect(refused).toMatchObject({ ok: false, detail: expect.stringMatching(reason) })
    expect(refused.detail).toMatch(/counter[./]newer/)
    expect(refused.detail, 'the remedy').toMatch(/newer release|upgrade/)
    expect(told.text()).toMatch(reason)
    expect([...host.quarantined().keys()]).toEqual(['counter/newer'])
    expect((await entriesOf(journal)).filter(({ id }) => id === 'newer')).toHaveLength(1)
  } finally {
    await host.stop()
  }
})
