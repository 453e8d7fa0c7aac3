import { headers, type JetStreamClient, type JetStreamManager, JSONCodec } from 'nats'
import { subjects } from '../../events/subjects.ts'
import { type CloudEvent, type EventLog, factOf, type Position } from '../../runtime/projector.ts'
import { asked, isNotFound } from './errors.ts'
import { EVENTS_MS } from './streams.ts'

const STREAM = 'EVENTS'
const POSITION = 'Qm-Journal'
const events = JSONCodec<CloudEvent>()

/** The public stream. Each message carries the journal position it was made from, and is fenced by the stream's last sequence. */
export const jetstreamEvents = (js: JetStreamClient, jsm: JetStreamManager, cluster: string): EventLog => {
  let expected = 0
  return {
    keptMs: EVENTS_MS,
    last: async () => {
      const { state } = await asked(STREAM, () => jsm.streams.info(STREAM))
      expected = state.last_seq
      if (expected === 0) return undefined
      try {
        const { header } = await jsm.streams.getMessage(STREAM, { seq: expected })
        return positionOf(header.get(POSITION))
      } catch (error) {
        if (isNotFound(error)) return undefined
        throw error
      }
    },
    append: async (event, { seq, index }) => {
      const hdrs = headers()
      hdrs.set(POSITION, `${seq}/${index}`)
      const subject = subjects(cluster).event(factOf(event))
      const stored = await asked(`${STREAM} ${subject}`, () =>
        js.publish(subject, events.encode(event), { msgID: event.id, headers: hdrs, expect: { lastSequence: expected } }),
      )
      expected = stored.duplicate ? expected : stored.seq
    },
  }
}

const positionOf = (text: string): Position => {
  const [seq = 0, index = 0] = text.split('/').map(Number)
  return { seq, index }
}
