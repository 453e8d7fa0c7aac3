import type { JetStreamManager, NatsConnection } from 'nats'
import type { Entry } from '../../runtime/journal.ts'
import { type Delivered, deliver } from './delivery.ts'
import { entryOf, JOURNAL } from './records.ts'

/** Records that wait for whoever follows; with more the server is held back. */
const AHEAD = 1_000

/** Every record of the journal after a position, and then on and on as they come, until the signal aborts. */
export const followed = async function* (
  nc: NatsConnection,
  jsm: JetStreamManager,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<Entry> {
  const life = new AbortController()
  const ended = AbortSignal.any([signal, life.signal])
  const waiting: Delivered[] = []
  let news = Promise.withResolvers<void>()
  let drained = Promise.withResolvers<void>()
  const onMessage = (message: Delivered): void => {
    waiting.push(message)
    news.resolve()
  }
  const room = (): Promise<void> => (waiting.length < AHEAD ? Promise.resolve() : drained.promise)
  const delivering = deliver(nc, jsm, { stream: JOURNAL, after, until: Number.POSITIVE_INFINITY, onMessage, room, signal: ended })
  delivering.catch(() => {}) // thrown to whoever follows when everything before it is taken
  try {
    for (;;) {
      for (const message of waiting.splice(0)) {
        if (signal.aborted) return
        yield entryOf(message)
      }
      drained.resolve()
      drained = Promise.withResolvers()
      if (signal.aborted) return
      if (waiting.length > 0) continue
      await Promise.race([news.promise, delivering])
      news = Promise.withResolvers()
    }
  } finally {
    life.abort()
    drained.resolve()
  }
}
