import { type JetStreamClient, type JetStreamManager, JSONCodec, type JsMsg, type OrderedConsumerOptions } from 'nats'
import { subjects, untoken } from '../../events/subjects.ts'
import { Corrupt, type Entry, type Journal, type Stored } from '../../runtime/journal.ts'
import type { Address, Commit, Refusal } from '../../runtime/types.ts'
import { asked, isNotFound } from './errors.ts'

const STREAM = 'JOURNAL'
const records = JSONCodec<Commit | Refusal>()

/** The journal in JetStream: one message per commit, fenced by the expected last sequence of the actor's subject. */
export const jetstreamJournal = (js: JetStreamClient, jsm: JetStreamManager, cluster: string): Journal => {
  const subjectOf = ({ type, id }: Address): string => subjects(cluster).journal(type, id)

  const last = async (actor: Address): Promise<Stored | undefined> => {
    const subject = subjectOf(actor)
    try {
      // Asks the leader: a direct get may be answered by a replica that is behind.
      const { seq, data } = await jsm.streams.getMessage(STREAM, { last_by_subj: subject })
      return { seq, actor, commit: readRecord(data, subject) as Commit }
    } catch (error) {
      if (isNotFound(error)) return undefined
      return asked(`${STREAM} ${subject}`, () => Promise.reject(error))
    }
  }

  const lastSequence = async (): Promise<number> => (await asked(STREAM, () => jsm.streams.info(STREAM))).state.last_seq

  const readAll = async (after: number, onEntry: (entry: Entry) => void): Promise<void> => {
    const until = await lastSequence()
    if (until <= after) return
    for await (const entry of messages(js, { opt_start_seq: after + 1 }, until)) onEntry(entry)
  }

  return {
    append: (actor, commit, expected) => {
      const subject = subjectOf(actor)
      return asked(`${STREAM} ${subject}`, async () => {
        const { seq } = await js.publish(subject, records.encode(commit), { expect: { lastSubjectSequence: expected } })
        return seq
      })
    },
    last,
    at: async (seq) => {
      try {
        return entryOf(await jsm.streams.getMessage(STREAM, { seq }))
      } catch (error) {
        if (isNotFound(error)) return undefined
        return asked(`${STREAM} ${seq}`, () => Promise.reject(error))
      }
    },
    read: async (actor, after, onStored) => {
      const newest = await last(actor)
      if (!newest || newest.seq <= after) return
      const options = { filterSubjects: subjectOf(actor), opt_start_seq: after + 1 }
      for await (const { seq, record } of messages(js, options, newest.seq)) onStored({ seq, actor, commit: record as Commit })
    },
    purge: async (actor, before) => {
      const filter = subjectOf(actor)
      await asked(`${STREAM} ${filter}`, () =>
        jsm.streams.purge(STREAM, before === undefined ? { filter } : { filter, seq: before }),
      )
    },
    refuse: (refusal) => {
      const subject = `qm.${cluster}.journal.${refusal.refused.type}.$refused`
      return asked(`${STREAM} ${subject}`, async () => {
        await js.publish(subject, records.encode(refusal), { msgID: `refused/${refusal.cmd}` })
      })
    },
    readAll,
    follow: async function* (after, signal) {
      yield* messages(js, { opt_start_seq: after + 1 }, Number.POSITIVE_INFINITY, signal)
    },
  }
}

const messages = async function* (
  js: JetStreamClient,
  options: Partial<OrderedConsumerOptions>,
  until: number,
  signal?: AbortSignal,
): AsyncGenerator<Entry> {
  const consumer = await asked(STREAM, () => js.consumers.get(STREAM, options))
  const delivered = await consumer.consume({ max_messages: 5_000 })
  const stop = (): void => delivered.stop()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    if (signal?.aborted) return
    for await (const message of delivered) {
      yield entryOf(message)
      if (message.seq >= until) return
    }
  } finally {
    signal?.removeEventListener('abort', stop)
    delivered.stop()
  }
}

const entryOf = ({ seq, subject, data }: Pick<JsMsg, 'seq' | 'subject' | 'data'>): Entry => {
  const [, , , type = '', id = ''] = subject.split('.')
  try {
    return { seq, type, id: id === '$refused' ? undefined : untoken(id), record: readRecord(data, subject) }
  } catch (error) {
    const record =
      error instanceof Corrupt ? error : new Corrupt(`${STREAM} ${seq} ${subject}: ${(error as Error).message}`, { cause: error })
    return { seq, type, id: legible(id), record }
  }
}
const legible = (id: string): string | undefined => {
  try {
    return untoken(id)
  } catch {
    return undefined // no actor of ours has such a name
  }
}

/** Hostile or newer records are refused by name. The shape is checked as far as the fold leans on it; it reads millions. */
const readRecord = (data: Uint8Array, subject: string): Commit | Refusal => {
  let record: (Commit & Refusal) | null
  try {
    record = records.decode(data) as (Commit & Refusal) | null
  } catch (error) {
    throw new Corrupt(`${STREAM} ${subject}: a record that is no JSON`, { cause: error })
  }
  if (record?.f !== 1)
    throw new Corrupt(`${STREAM} ${subject}: a record of format ${String(record?.f)}; this version reads format 1`)
  if (!isCommit(record) && !isRefusal(record)) throw new Corrupt(`${STREAM} ${subject}: a record without the fields of format 1`)
  return record
}
const isCommit = ({ n, ts, ev, p, fx, done, tdel, tset, em }: Commit): boolean =>
  typeof n === 'number' &&
  typeof ts === 'number' &&
  typeof ev?.type === 'string' &&
  typeof p === 'object' &&
  [fx, done, tdel, tset, em].every(Array.isArray)
const isRefusal = ({ refused, ts, cmd }: Refusal): boolean =>
  typeof refused?.verb === 'string' && typeof ts === 'number' && typeof cmd === 'string'
