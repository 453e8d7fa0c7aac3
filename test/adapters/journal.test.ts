import type { NatsError } from 'nats'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { jetstreamEvents } from '../../src/adapters/jetstream/events.ts'
import { jetstreamInbox } from '../../src/adapters/jetstream/inbox.ts'
import { jetstreamJournal } from '../../src/adapters/jetstream/journal.ts'
import { kvLeases } from '../../src/adapters/jetstream/leases.ts'
import { ensureStreams } from '../../src/adapters/jetstream/streams.ts'
import { append } from '../../src/runtime/append.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import type { Delivery } from '../../src/runtime/inbox.ts'
import { Corrupt, Unanswered } from '../../src/runtime/journal.ts'
import { cloudEvents, project } from '../../src/runtime/projector.ts'
import { memoryJournal } from '../../src/runtime/testing/memory-journal.ts'
import { allOf, commitOf, commitsOf, journalContract } from '../contracts/journal.ts'
import { frozen, type NatsForTest, natsForTest } from '../nats.ts'

const TYPES = ['worker', 'helper']
let nats: NatsForTest
beforeAll(async () => {
  nats = await natsForTest()
})
afterAll(() => nats.cleanup())

const STREAM_NOT_FOUND = 10_059

/** The streams made anew: each test has them for itself. */
const fresh = async (timeout = 5_000) => {
  const { nc, cluster } = nats
  const old = await nc.jetstreamManager({ timeout: 20_000 })
  for (const stream of ['JOURNAL', 'COMMANDS', 'EVENTS', 'KV_leases'])
    await old.streams.delete(stream).catch((error: NatsError) => {
      if (error.api_error?.err_code !== STREAM_NOT_FOUND) throw error
    })
  const jsm = await ensureStreams(nc, cluster, TYPES)
  const js = nc.jetstream({ timeout })
  return {
    nc,
    js,
    jsm,
    cluster,
    journal: jetstreamJournal(nc, jsm, cluster, { answerMs: timeout }),
    inbox: jetstreamInbox(nc, js, jsm, cluster),
  }
}

journalContract('in memory', async () => memoryJournal())
journalContract('in JetStream', async () => (await fresh()).journal)

const actor = { type: 'worker', id: 'one' }

test('journal: an append to a frozen server is in doubt; the leader is asked until it answers, and it lands once', async () => {
  const { nc, jsm, cluster, journal } = await fresh()
  const impatient = jetstreamJournal(nc, jsm, cluster, { answerMs: 300 })
  const first = await journal.append(actor, commitOf(1), 0)
  const silent = new AbortController()
  await frozen(nats)
  try {
    await expect(impatient.append({ type: 'worker', id: 'two' }, commitOf(1), 0)).rejects.toThrow(Unanswered)
    const appended = append(impatient, systemClock, actor, commitOf(2), first, silent.signal)
    await new Promise((resolve) => setTimeout(resolve, 800))
    nats.thaw()
    await appended
  } finally {
    nats.thaw()
    silent.abort()
  }
  expect((await journal.last(actor))?.commit.n).toBe(2)
  expect((await commitsOf(journal, actor)).map(({ commit }) => commit.n)).toEqual([1, 2])
})

test('streams: one that belongs to another cluster is refused by name', async () => {
  const { nc } = await fresh()
  await expect(ensureStreams(nc, 'another', TYPES)).rejects.toThrow(/the stream JOURNAL holds qm\..*, another cluster's/)
})

const collect = (wanted: number) => {
  const deliveries: Delivery[] = []
  let enough: () => void = () => {}
  const all = new Promise<void>((resolve) => {
    enough = resolve
  })
  return { deliveries, all, onDelivery: (delivery: Delivery) => void (deliveries.push(delivery) === wanted && enough()) }
}

test('inbox: commands come in order; what was not acknowledged comes again, first and at once, to the next holder', async () => {
  const { nc, jsm, inbox, cluster } = await fresh()
  const js = nc.jetstream()
  for (let index = 0; index < 20; index++)
    await js.publish(`qm.${cluster}.cmd.worker.Begin.a${index % 3}`, JSON.stringify({ index }))
  const first = collect(20)
  const life = new AbortController()
  const ended = inbox.consume('worker', first.onDelivery, life.signal)
  await first.all
  for (const { done } of first.deliveries.slice(0, 5)) done()
  await nc.flush()
  await vi.waitUntil(async () => (await jsm.consumers.info('COMMANDS', 'cmd-worker')).ack_floor.stream_seq >= 5)
  life.abort()
  await ended

  const second = collect(15)
  const again = new AbortController()
  void inbox.consume('worker', second.onDelivery, again.signal)
  await second.all
  again.abort()
  expect(second.deliveries.map(({ command }) => (command.payload as { index: number }).index)).toEqual(
    Array.from({ length: 15 }, (_, index) => index + 5),
  )
  expect(second.deliveries[0]?.command).toMatchObject({ type: 'worker', verb: 'Begin', id: 'a2', cmd: 'COMMANDS/6' })
})

test('inbox: a message between actors is stored once, however often it is sent', async () => {
  const { jsm, inbox } = await fresh()
  const message = {
    to: { type: 'helper', id: 'x y' },
    verb: '$Spawn',
    key: 'worker/one/1/0',
    payload: { input: 1 },
    corr: 'c',
  } as const
  await inbox.send(message)
  await inbox.send(message)
  expect((await jsm.streams.info('COMMANDS')).state.messages).toBe(1)
  const { deliveries, all, onDelivery } = collect(1)
  const life = new AbortController()
  void inbox.consume('helper', onDelivery, life.signal)
  await all
  life.abort()
  expect(deliveries[0]?.command).toMatchObject({
    id: 'x y',
    cmd: 'worker/one/1/0',
    cause: 'worker/one/1/0',
    corr: 'c',
    payload: { input: 1 },
  })
})

test.each([
  ['no JSON', 'Begin', '{"node":', /the payload is not JSON/],
  ['an id that is no token', 'Begin.=FF', '{}', /the id "=FF" is not encoded/],
  ['too many parts', 'Begin.a.b', '{}', /has too many parts/],
])('inbox: a command with %s is said to be malformed', async (_, verb, payload, message) => {
  const { nc, inbox, cluster } = await fresh()
  await nc.jetstream().publish(`qm.${cluster}.cmd.worker.${verb}`, payload)
  const { deliveries, all, onDelivery } = collect(1)
  const life = new AbortController()
  void inbox.consume('worker', onDelivery, life.signal)
  await all
  life.abort()
  expect(deliveries[0]?.command.malformed).toMatch(message)
})

test('journal: what somebody else wrote into it is said, and what is behind it is read', async () => {
  const { js, journal, cluster } = await fresh()
  await journal.append(actor, commitOf(1), 0)
  for (const [id, text] of [
    ['x', 'not json'],
    ['x', '{"f":2}'],
    ['x', '{"f":1,"n":1,"ts":1}'],
    ['=FF', '{}'],
    ['x', 'null'],
  ])
    await js.publish(`qm.${cluster}.journal.worker.${id}`, text)
  await journal.append({ type: 'worker', id: 'two' }, commitOf(1), 0)
  const read = (await allOf(journal)).map(({ id, record }) => `${id} ${record instanceof Corrupt ? 'corrupt' : 'sound'}`)
  expect(read).toEqual(['one sound', 'x corrupt', 'x corrupt', 'x corrupt', 'undefined corrupt', 'x corrupt', 'two sound'])
})

test('journal: a commit larger than NATS takes is refused at once, by name', async () => {
  const { journal } = await fresh()
  const huge = commitOf(1, { ev: { type: 'test.Event', text: 'x'.repeat(1_100_000) } })
  await expect(journal.append(actor, huge, 0)).rejects.toThrow(/larger than NATS takes/)
})

test('inbox: a consumer that somebody deleted is said, so that it is made again', async () => {
  const { jsm, inbox } = await fresh()
  const life = new AbortController()
  const ended = inbox.consume('worker', () => {}, life.signal)
  await vi.waitUntil(() =>
    jsm.consumers.info('COMMANDS', 'cmd-worker').then(
      () => true,
      () => false,
    ),
  )
  const gone = expect(ended).rejects.toThrow(/cmd-worker is gone|deleted|no responders/) // as it was asked before, during or after
  await jsm.consumers.delete('COMMANDS', 'cmd-worker')
  await gone
  life.abort()
})

test('leases: one holder at a time; a released lease is free at once, a silent holder is outlived', {
  timeout: 20_000,
}, async () => {
  const { js } = await fresh()
  const leases = await kvLeases(js)
  const life = new AbortController()
  const dying = new AbortController()
  const first = await leases.acquire('worker', 'a', dying.signal)
  let second: string | undefined
  const waiting = leases.acquire('worker', 'b', life.signal).then((lease) => {
    second = 'b'
    return lease
  })
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  expect([second, first.lost.aborted]).toEqual([undefined, false])
  dying.abort() // nobody renews it any more
  await (await waiting).release()
  const third = await leases.acquire('worker', 'c', life.signal)
  await third.release()
  life.abort()
})

test('projector: EVENTS is exactly the facts of the journal, in order, also when it dies anywhere and starts again', async () => {
  const { js, jsm, journal, cluster } = await fresh()
  let seq = 0
  for (let n = 1; n <= 30; n++) {
    const em = Array.from({ length: n % 4 }, (_, i) => ({ i, ev: { type: 'worker.Fact', n, i } }))
    seq = await journal.append(actor, commitOf(n, { em, ts: Date.now() }), seq)
  }
  await journal.refuse({ f: 1, refused: { type: 'worker', verb: 'X', reason: 'why' }, own: 'o', ts: Date.now(), cmd: 'bad' })
  const expected = (await allOf(journal)).flatMap((entry) => cloudEvents(cluster, entry).map(({ id }) => id))

  const old = await journal.append(
    { type: 'worker', id: 'old' },
    commitOf(1, { ts: 1, em: [{ i: 0, ev: { type: 'worker.Old' } }] }),
    0,
  )
  expect(old).toBeGreaterThan(0) // older than any event is kept: not told any more
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const count = async (): Promise<number> => (await jsm.streams.info('EVENTS')).state.messages
  for (let life = 0; (await count()) < expected.length && life < 100; life++) {
    const dying = new AbortController()
    const events = jetstreamEvents(js, jsm, cluster)
    let left = 1 + (life % 5)
    const mortal = {
      keptMs: events.keptMs,
      last: events.last,
      append: async (...args: Parameters<typeof events.append>) => {
        await events.append(...args)
        if (--left === 0) dying.abort()
      },
    }
    await Promise.race([
      project(cluster, journal, mortal, systemClock, silent, dying.signal),
      new Promise((resolve) => setTimeout(resolve, 1_000)),
    ])
    dying.abort()
  }
  const told: string[] = []
  const messages = await (await js.consumers.get('EVENTS', {})).consume()
  for await (const message of messages) {
    told.push(message.json<{ id: string }>().id)
    if (message.info.pending === 0) break
  }
  expect(told).toEqual(expected)
})
