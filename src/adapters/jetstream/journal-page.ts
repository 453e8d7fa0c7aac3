import type { NatsConnection } from 'nats'
import { type Entry, Unanswered } from '../../runtime/journal.ts'
import { directGet } from './direct-get.ts'
import { asked } from './errors.ts'
import { entryOf, JOURNAL } from './records.ts'

/** Records in one answer: the server reads as many in a fraction of its time. */
const PAGE = 1_000

/** Where to begin: after a sequence, or at a time (epoch ms). */
export type Beginning = { readonly after: number } | { readonly at: number }
/** Records in order, and whether others follow. */
export type JournalPage = { readonly entries: readonly Entry[]; readonly more: boolean }

/**
 * A thousand records of the journal in one request. A replica may answer, which may be behind: for readers who come back,
 * not for deciding.
 * @throws Unanswered when the server is silent or a record was lost on the way
 */
export const journalPage = async (nc: NatsConnection, cluster: string, from: Beginning): Promise<JournalPage> => {
  const beginning = 'after' in from ? { seq: from.after + 1 } : { start_time: new Date(from.at).toISOString() }
  const request = { ...beginning, batch: PAGE, next_by_subj: `qm.${cluster}.journal.>` }
  const entries: Entry[] = []
  const { isWhole, pending } = await asked(JOURNAL, () =>
    directGet(nc, JOURNAL, request, (message) => entries.push(entryOf(message))),
  )
  if (!isWhole) throw new Unanswered(`${JOURNAL}: a record was lost on the way: ask again`)
  return { entries, more: pending > 0 }
}
