import { headers, type Msg, type NatsConnection, type SubscriptionOptions } from 'nats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deliver, newestSequence } from '../../src/adapters/jetstream/delivery.ts'
import { readHistory } from '../../src/adapters/jetstream/history.ts'
import { publisher } from '../../src/adapters/jetstream/publish.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'

const STREAM = 'NUMBERS'
const COUNT = 50
let nats: NatsForTest
beforeAll(async () => {
  nats = await natsForTest()
  const jsm = await nats.nc.jetstreamManager()
  await jsm.streams.add({ name: STREAM, subjects: ['numbers.>'], allow_direct: true })
  for (let number = 1; number <= COUNT; number++) await nats.nc.jetstream().publish(`numbers.${number % 2}`, `${number}`)
})
afterAll(() => nats.cleanup())

/** No line loses one and the same message for ever. */
const MOST_LOSSES = 3

/** A connection on which some of the messages that arrive are lost. */
const losing = (isLost: (message: Msg, nth: number) => boolean): NatsConnection => {
  let arrived = 0
  const losses = new Map<string, number>()
  const loses = (message: Msg): boolean => {
    const text = message.string()
    const before = losses.get(text) ?? 0
    if (!isLost(message, ++arrived) || before === MOST_LOSSES) return false
    losses.set(text, before + 1)
    return true
  }
  const subscribe = (subject: string, options: SubscriptionOptions) =>
    nats.nc.subscribe(subject, {
      ...options,
      callback: (error, message) => {
        if (!loses(message)) options.callback?.(error, message)
      },
    })
  return new Proxy(nats.nc, {
    get: (target, name) => {
      if (name === 'subscribe') return subscribe
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
const numbers = (from: number, step = 1): readonly number[] =>
  Array.from({ length: Math.ceil((COUNT - from + 1) / step) }, (_, index) => from + step * index)

test.each([
  ['one in the middle', (_: Msg, nth: number) => nth === 20],
  ['the first', (_: Msg, nth: number) => nth === 1],
  ['every seventh', (_: Msg, nth: number) => nth % 7 === 0],
  ['the last', (message: Msg, nth: number) => message.string() === `${COUNT}` && nth <= COUNT],
])('delivery: when a message is lost on the way (%s), none is left out and none comes twice', async (_, isLost) => {
  const jsm = await nats.nc.jetstreamManager()
  const told: number[] = []
  const onMessage = ({ seq }: { readonly seq: number }): void => void told.push(seq)
  const until = await newestSequence(jsm, STREAM)
  await deliver(losing(isLost), jsm, { stream: STREAM, after: 3, until, onMessage })
  expect(told).toEqual(numbers(4))
})

test('delivery: of what is followed without an end a loss is found by the next heartbeat', async () => {
  const jsm = await nats.nc.jetstreamManager()
  const enough = new AbortController()
  const told: number[] = []
  const onMessage = ({ seq }: { readonly seq: number }): void => {
    told.push(seq)
    if (seq === COUNT) enough.abort()
  }
  const nc = losing((message, nth) => message.string() === `${COUNT}` && nth <= COUNT)
  const until = Number.POSITIVE_INFINITY
  await deliver(nc, jsm, { stream: STREAM, after: 0, until, onMessage, signal: enough.signal })
  expect(told).toEqual(numbers(1))
})

test('delivery: one that throws over a message ends with it', async () => {
  const jsm = await nats.nc.jetstreamManager()
  const onMessage = (): void => {
    throw new Error('no more of this')
  }
  await expect(deliver(nats.nc, jsm, { stream: STREAM, after: 0, until: COUNT, onMessage })).rejects.toThrow('no more of this')
})

test.each([
  ['one in the middle', (_: Msg, nth: number) => nth === 10],
  ['the first', (_: Msg, nth: number) => nth === 1],
])('history: when a message is lost on the way (%s), none is left out and none comes twice', async (_, isLost) => {
  const told: number[] = []
  const onMessage = ({ seq }: { readonly seq: number }): void => void told.push(seq)
  const newest = async (): Promise<number> => COUNT - 1
  await readHistory(losing(isLost), { stream: STREAM, subject: 'numbers.1', after: 4, newest, onMessage })
  expect(told).toEqual(numbers(5, 2))
})

test('history: what was purged since the leader was asked is not waited for', async () => {
  const answers = [1_000, 0]
  const newest = async (): Promise<number> => answers.shift() ?? 0
  await readHistory(nats.nc, { stream: STREAM, subject: 'numbers.none', after: 0, newest, onMessage: () => {} })
  expect(answers).toEqual([])
})

test('publish: an answer that never comes is a time-out; the next ones are not troubled by it', async () => {
  const jsm = await nats.nc.jetstreamManager()
  await jsm.streams.add({ name: 'ACKS', subjects: ['acks.>'] })
  const publish = publisher(
    losing((_, nth) => nth === 1),
    300,
  )
  const first = publish('acks.a', Buffer.from('1'), headers())
  const second = publish('acks.a', Buffer.from('2'), headers())
  await expect(first).rejects.toMatchObject({ code: 'TIMEOUT' })
  expect(await second).toEqual({ seq: 2, duplicate: false })
  const once = headers()
  once.set('Nats-Msg-Id', 'x')
  expect((await publish('acks.a', Buffer.from('3'), once)).duplicate).toBe(false)
  expect((await publish('acks.a', Buffer.from('3'), once)).duplicate).toBe(true)
})

test('publish: a stream that refuses, a subject that nobody stores and a closed connection are told apart', async () => {
  const nc = await nats.connection()
  const publish = publisher(nc, 5_000)
  const late = headers()
  late.set('Nats-Expected-Last-Subject-Sequence', '7')
  await expect(publish('numbers.1', Buffer.from(''), late)).rejects.toMatchObject({ api_error: { err_code: 10071 } })
  await expect(publish('nobody.stores', Buffer.from(''), headers())).rejects.toMatchObject({ code: '503' })
  await nc.close()
  await expect(publish('numbers.1', Buffer.from(''), headers())).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
})

test('publish: what waits for an answer when the connection is lost is in doubt at once', async () => {
  const nc = await nats.connection()
  const publish = publisher(nc, 60_000)
  await publish('numbers.0', Buffer.from('before'), headers())
  const blind = publisher(
    losing(() => true),
    60_000,
  )
  const doubtful = blind('numbers.0', Buffer.from('doubtful'), headers())
  const said = expect(doubtful).rejects.toMatchObject({ code: 'DISCONNECT' })
  await nats.nc.flush()
  await nats.crash()
  await said
})
