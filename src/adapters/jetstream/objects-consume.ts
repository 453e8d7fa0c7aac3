import { setImmediate as yieldToLoop } from 'node:timers/promises'
import type { ConsumerMessages, JetStreamClient, JetStreamManager, JsMsg } from 'nats'
import { asked } from './errors.ts'
import { lastOn, OBJECTS } from './objects-stream.ts'

/** A full stream comes as fast as we take it: timers and sockets get a turn in between. */
const TURN_MS = 10

/** Sequence of the last record on any of the subjects, 0 if there is none. */
export const lastSequence = async (jsm: JetStreamManager, filters: readonly string[]): Promise<number> =>
  Math.max(0, ...(await Promise.all(filters.map(async (filter) => (await lastOn(jsm, filter))?.seq ?? 0))))

/**
 * A fresh ordered consumer's messages, those after a sequence. Ends when the signal aborts; reconnects by itself.
 */
export const consumed = async function* (
  js: JetStreamClient,
  filters: readonly string[],
  signal: AbortSignal,
  after = 0,
): AsyncGenerator<JsMsg> {
  const messages = await asked(OBJECTS, async (): Promise<ConsumerMessages> => {
    const consumer = await js.consumers.get(OBJECTS, {
      filterSubjects: [...filters],
      ...(after > 0 && { opt_start_seq: after + 1 }),
    })
    return consumer.consume({ max_messages: 5_000 })
  })
  const stop = (): void => messages.stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    let lastTurn = performance.now()
    if (signal.aborted) return
    for await (const message of messages) {
      yield message
      if (performance.now() - lastTurn < TURN_MS) continue
      await yieldToLoop()
      lastTurn = performance.now()
    }
  } finally {
    signal.removeEventListener('abort', stop)
    messages.stop()
  }
}
