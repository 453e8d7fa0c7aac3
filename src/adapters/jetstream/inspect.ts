import { type JetStreamManager, JSONCodec, type NatsConnection } from 'nats'
import { token, untoken } from '../../events/subjects.ts'
import { fitting, type InspectMessage } from '../../runtime/inspect.ts'
import type { Gallery } from '../../runtime/inspecting.ts'
import type { Address } from '../../runtime/types.ts'
import { asked } from './errors.ts'

const STREAM = 'JOURNAL'
/** Of `max_payload`, what a message may take: the rest is for its headers. */
const MOST = 0.9
const messages = JSONCodec<InspectMessage>()

/** Inspectors subscribe to `qm.<cluster>.inspect.>`: core NATS, in no stream. */
export const natsGallery = (nc: NatsConnection, jsm: JetStreamManager, cluster: string): Gallery => ({
  publish: ({ type, id }, message) => {
    if (nc.isClosed()) return
    const fit = fitting(message, Math.floor(maxPayload(nc) * MOST))
    nc.publish(`qm.${cluster}.inspect.${type}.${token(id)}`, messages.encode(fit))
  },
  newest: async () => (await asked(STREAM, () => jsm.streams.info(STREAM))).state.last_seq,
})

const DEFAULT_MAX_PAYLOAD = 1_048_576
/** Bytes that NATS takes in one message. */
export const maxPayload = (nc: NatsConnection): number => nc.info?.max_payload ?? DEFAULT_MAX_PAYLOAD

/** Every actor of which the journal holds something, sorted by type and id. */
export const journaledActors = async (jsm: JetStreamManager, cluster: string): Promise<readonly Address[]> => {
  const filter = `qm.${cluster}.journal.*.*`
  const { state } = await asked(`${STREAM} ${filter}`, () => jsm.streams.info(STREAM, { subjects_filter: filter }))
  return Object.keys(state.subjects ?? {})
    .map((subject) => subject.split('.'))
    .flatMap(([, , , type = '', id = '']) => (id === '$refused' ? [] : [{ type, id: untoken(id) }]))
    .toSorted((a, b) => a.type.localeCompare(b.type) || a.id.localeCompare(b.id))
}
