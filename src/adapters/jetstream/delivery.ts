import {
  AckPolicy,
  createInbox,
  DeliverPolicy,
  type JetStreamManager,
  type Msg,
  type NatsConnection,
  type NatsError,
  nanos,
  nuid,
} from 'nats'
import { asked, isNotFound } from './errors.ts'

export type Delivered = { readonly seq: number; readonly subject: string; readonly data: Uint8Array }

export type Delivering = {
  readonly stream: string
  /** Begins behind this sequence. */
  readonly after: number
  /** Ends with this one, or with the newest before it if it is no more. */
  readonly until: number
  /** False: it is enough. */
  readonly onMessage: (message: Delivered) => unknown
  /** Resolves when there is room for more: until then the server holds back. */
  readonly room?: () => Promise<void>
  readonly signal?: AbortSignal
}

const BEAT_MS = 1_000
/** So many heartbeats late, and nothing will come any more. */
const MISSED_BEATS = 5
const AGAIN_MS = 100
/** Status of heartbeats and of requests to say that we keep up. */
const HEARTBEAT = 100

/** Sequence of the newest message that the stream's leader holds; 0 if it holds none. */
export const newestSequence = (jsm: JetStreamManager, stream: string): Promise<number> =>
  asked(stream, async () => {
    for (const pattern of NEWEST)
      try {
        return (await jsm.streams.getMessage(stream, { last_by_subj: pattern })).seq
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
    return 0
  })
/** The first names the stream's last sequence, which may be purged; then the server has to look through its subjects. */
const NEWEST = ['>', '*.>']

/**
 * Hands over a stream's messages in order, none left out: what the server sends is numbered, and after a gap or silence
 * a new consumer begins behind the last message that came. The messages are pushed into a callback: an iterator over
 * pulled ones costs a promise per message, and keeps what nobody has taken yet without a bound.
 */
export const deliver = async (nc: NatsConnection, jsm: JetStreamManager, wanted: Delivering): Promise<void> => {
  let last = wanted.after
  let enough = false
  const onMessage = (message: Delivered): boolean => {
    last = message.seq
    enough = last > wanted.until || wanted.onMessage(message) === false || last === wanted.until
    return !enough
  }
  while (!enough && last < wanted.until && !wanted.signal?.aborted) {
    const before = last
    await pass(nc, jsm, { ...wanted, after: last, onMessage })
    if (enough || wanted.signal?.aborted) return
    // A consumer may live on a replica that is behind: only the leader knows that there is no more.
    if (Number.isFinite(wanted.until) && (await newestSequence(jsm, wanted.stream)) <= last) return
    if (last === before) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
  }
}

/** One consumer's life: it ends with the last message wanted, with a gap, or when nothing comes. */
const pass = async (nc: NatsConnection, jsm: JetStreamManager, wanted: Delivering): Promise<void> => {
  const name = `ordered-${nuid.next()}`
  const { promise: ended, resolve: end, reject } = Promise.withResolvers<void>()
  const hold = (answer: string): void =>
    void (wanted.room?.() ?? Promise.resolve()).then(() => {
      if (!nc.isClosed()) nc.publish(answer)
    })
  const received = receiver(name, wanted, hold, end)
  let heard = performance.now()
  const callback = (error: NatsError | null, message: Msg): void => {
    heard = performance.now()
    try {
      if (error) throw error
      received(message)
    } catch (thrown) {
      reject(thrown)
    }
  }
  const inbox = createInbox()
  const subscription = nc.subscribe(inbox, { callback })
  const watch = setInterval(() => {
    if (performance.now() - heard > MISSED_BEATS * BEAT_MS) end()
  }, BEAT_MS).unref()
  const stop = (): void => end()
  wanted.signal?.addEventListener('abort', stop, { once: true })
  ended.catch(() => {}) // it is awaited below, unless the consumer can't be made
  try {
    const { num_pending, delivered } = await asked(wanted.stream, () =>
      jsm.consumers.add(wanted.stream, {
        name,
        deliver_subject: inbox,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: wanted.after + 1,
        ack_policy: AckPolicy.None,
        flow_control: true,
        idle_heartbeat: nanos(BEAT_MS),
        inactive_threshold: nanos(MISSED_BEATS * BEAT_MS),
        mem_storage: true,
        num_replicas: 1,
      }),
    )
    if (Number.isFinite(wanted.until) && num_pending + delivered.consumer_seq === 0) end()
    if (wanted.signal?.aborted) end()
    await ended
  } finally {
    wanted.signal?.removeEventListener('abort', stop)
    clearInterval(watch)
    subscription.unsubscribe()
    void jsm.consumers.delete(wanted.stream, name).catch(() => {}) // it ends by itself when nobody listens
  }
}

/** Judges what the server sends. Once ended, what still comes is not taken. */
const receiver = (
  name: string,
  wanted: Delivering,
  hold: (answer: string) => void,
  end: () => void,
): ((message: Msg) => void) => {
  const finite = Number.isFinite(wanted.until)
  let expected = 1
  let offset = 0
  let over = false
  const finish = (): void => {
    over = true
    end()
  }
  const controlled = ({ headers, reply }: Msg): void => {
    if (headers?.code !== HEARTBEAT) {
      finish() // the consumer is gone
      return
    }
    const isBeat = !reply
    const answer = reply || headers?.get('Nats-Consumer-Stalled')
    if (answer) hold(answer)
    // A heartbeat says how many were sent. And when nothing comes, a reading that has an end asks whether this is it.
    if (isBeat && (finite || Number(headers?.get('Nats-Last-Consumer')) >= expected)) finish()
  }
  return (message) => {
    if (over) return
    const { reply } = message
    if (!reply?.startsWith('$JS.ACK.')) return controlled(message)
    // $JS.ACK. … .<name>.<deliveries>.<stream sequence>.<consumer sequence>.<time>.<pending>, on servers with domains with
    // more in front and behind; the part before the stream sequence is the same for all.
    if (offset === 0) offset = reply.indexOf('.', reply.indexOf(`.${name}.`) + name.length + 2) + 1
    const [second, third] = dots(reply, offset)
    if (Number(reply.slice(second + 1, third)) !== expected++) return finish()
    const seq = Number(reply.slice(offset, second))
    const goesOn = wanted.onMessage({ seq, subject: message.subject, data: message.data })
    if (goesOn === false || (finite && nonePending(reply, third))) finish()
  }
}

const dots = (reply: string, from: number): readonly [number, number] => {
  const first = reply.indexOf('.', from)
  return [first, reply.indexOf('.', first + 1)]
}

const nonePending = (reply: string, beforeTime: number): boolean => {
  const [beforePending, end] = dots(reply, beforeTime + 1)
  return reply.slice(beforePending + 1, end < 0 ? undefined : end) === '0'
}
