import { DiscardPolicy, type JetStreamManager, type NatsConnection, nanos } from 'nats'
import { z } from 'zod'
import { subjects } from '../../events/subjects.ts'
import { Unanswered } from '../../runtime/journal.ts'
import { directGet, type Got, takenAt } from './direct-get.ts'
import { asked } from './errors.ts'
import { jsonIn } from './objects-stream.ts'
import { ensureStream } from './streams.ts'

export const HISTORY = 'HISTORY'
/** How long the past of the cluster is kept. */
export const HISTORY_MS = 7 * 24 * 3_600_000

/** Where a key frame is: everything that OBJECTS held at a place of the changes. */
const Mark = z.object({
  id: z.string(),
  /** The HISTORY sequence of the changes before it: those after it come on top. */
  after: z.number(),
  /** HISTORY sequences of its first and last part; 0: OBJECTS began anew there, and what it holds comes with the changes. */
  first: z.number(),
  last: z.number(),
  objects: z.number(),
  /** When OBJECTS took the newest of them, epoch ms. */
  until: z.number(),
  /** Of its parts as they are stored. */
  bytes: z.number(),
})
export type Mark = z.infer<typeof Mark>
/** A mark that is stored: at this HISTORY sequence, since this time (epoch ms). */
export type Marked = Mark & { readonly seq: number; readonly time: number }

/**
 * Makes the stream HISTORY, or checks that it is what we need. It is not compressed by the server, because the blocks are
 * already, and `maxBytes` counts what comes in.
 * @throws Error when it belongs to another cluster, or NATS made something else of it
 */
export const ensureHistoryStream = (jsm: JetStreamManager, cluster: string, replicas: number, maxBytes: number): Promise<void> =>
  ensureStream(jsm, {
    name: HISTORY,
    subjects: [subjects(cluster).history('>')],
    max_age: nanos(HISTORY_MS),
    max_bytes: maxBytes,
    discard: DiscardPolicy.Old,
    allow_direct: true,
    num_replicas: replicas,
  })

const BATCH = 64
/** Of one answer; the server sends it without asking whether we keep up. */
const BATCH_BYTES = 4 * 2 ** 20

/** The messages on one subject of HISTORY after a sequence, up to one, oldest first; a few at a time, however many there are. */
export const historyOn = async function* (
  nc: NatsConnection,
  subject: string,
  after: number,
  until = Number.POSITIVE_INFINITY,
): AsyncGenerator<Got> {
  for (let last = after; last < until; ) {
    const batch: Got[] = []
    const request = { seq: last + 1, next_by_subj: subject, batch: BATCH, max_bytes: BATCH_BYTES }
    const { isWhole, pending } = await asked(HISTORY, () => directGet(nc, HISTORY, request, (message) => batch.push(message)))
    if (batch.length === 0 && !isWhole) throw new Unanswered(`${HISTORY} ${subject}: a message was lost on the way: ask again`)
    for (const message of batch) {
      if (message.seq > until) return
      yield message
      last = message.seq
    }
    if (isWhole && pending === 0) return
  }
}

/** Every key frame that is marked, oldest first: one an hour at most. Of the oldest, parts may be discarded already. */
export const marksIn = async (nc: NatsConnection, cluster: string): Promise<readonly Marked[]> => {
  const found: Marked[] = []
  for await (const message of historyOn(nc, subjects(cluster).history('marks'), 0)) {
    const mark = Mark.safeParse(jsonIn(message.data)).data
    if (mark) found.push({ ...mark, seq: message.seq, time: takenAt(message) })
  }
  return found
}
