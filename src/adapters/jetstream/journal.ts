import { headers, type JetStreamManager, type NatsConnection } from 'nats'
import { subjects } from '../../events/subjects.ts'
import type { Journal, Stored } from '../../runtime/journal.ts'
import type { Address, Commit } from '../../runtime/types.ts'
import { type Delivered, deliver, newestSequence } from './delivery.ts'
import { asked, isNotFound } from './errors.ts'
import { followed } from './follow.ts'
import { readHistory } from './history.ts'
import { publisher } from './publish.ts'
import { encoded, entryOf, JOURNAL, recordIn } from './records.ts'
import { turns } from './turns.ts'

const ANSWER_MS = 5_000
/** Actors whose history is read at the same time: the server drops what its queue of 10,000 requests can't hold. */
const READERS = 256

/**
 * The journal in JetStream: one message per commit, fenced by the expected last sequence of the actor's subject.
 * @param answerMs after this time without an answer an append is in doubt
 */
export const jetstreamJournal = (
  nc: NatsConnection,
  jsm: JetStreamManager,
  cluster: string,
  { answerMs = ANSWER_MS }: { readonly answerMs?: number } = {},
): Journal => {
  const subjectOf = ({ type, id }: Address): string => subjects(cluster).journal(type, id)
  const publish = publisher(nc, answerMs)
  const turn = turns(READERS)

  const last = async (actor: Address): Promise<Stored | undefined> => {
    const subject = subjectOf(actor)
    // Asks the leader: a direct get may be answered by a replica that is behind.
    const found = await orNone(subject, () => jsm.streams.getMessage(JOURNAL, { last_by_subj: subject }))
    return found && { seq: found.seq, actor, commit: recordIn(found.data, subject) as Commit }
  }

  return {
    append: (actor, commit, expected) => {
      const subject = subjectOf(actor)
      const fence = headers()
      fence.append('Nats-Expected-Last-Subject-Sequence', `${expected}`)
      return asked(`${JOURNAL} ${subject}`, async () => (await publish(subject, encoded(commit), fence)).seq)
    },
    last,
    at: async (seq) => {
      const found = await orNone(`${seq}`, () => jsm.streams.getMessage(JOURNAL, { seq }))
      return found && entryOf(found)
    },
    read: (actor, after, onStored) =>
      turn(() => {
        const subject = subjectOf(actor)
        const newest = async (): Promise<number> => (await last(actor))?.seq ?? 0
        const onMessage = ({ seq, data }: Delivered): void => onStored({ seq, actor, commit: recordIn(data, subject) as Commit })
        return asked(`${JOURNAL} ${subject}`, () => readHistory(nc, { stream: JOURNAL, subject, after, newest, onMessage }))
      }),
    purge: async (actor, before) => {
      const filter = subjectOf(actor)
      await asked(`${JOURNAL} ${filter}`, () =>
        jsm.streams.purge(JOURNAL, before === undefined ? { filter } : { filter, seq: before }),
      )
    },
    refuse: async (refusal) => {
      const subject = `qm.${cluster}.journal.${refusal.refused.type}.$refused`
      const once = headers()
      once.append('Nats-Msg-Id', `refused/${refusal.cmd}`)
      await asked(`${JOURNAL} ${subject}`, () => publish(subject, encoded(refusal), once))
    },
    readAll: async (after, onEntry) => {
      const until = await newestSequence(jsm, JOURNAL)
      await deliver(nc, jsm, { stream: JOURNAL, after, until, onMessage: (message) => onEntry(entryOf(message)) })
    },
    follow: (after, signal) => followed(nc, jsm, after, signal),
  }
}

/** Undefined where the leader has no such message. */
const orNone = async <T>(what: string, request: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await request()
  } catch (error) {
    if (isNotFound(error)) return undefined
    return asked(`${JOURNAL} ${what}`, () => Promise.reject(error))
  }
}
