import { createInbox, type NatsConnection, type Subscription } from 'nats'
import { type Entry, Unanswered } from '../../runtime/journal.ts'
import { entryOf, JOURNAL } from './records.ts'

/** Milliseconds for one page, and records in it: the server reads as many in a fraction of that. */
const PAGE_MS = 10_000
const PAGE = 1_000
const NOTHING_THERE = 404
const END_OF_PAGE = 204

/** Where to begin: after a sequence, or at a time (epoch ms). */
export type Beginning = { readonly after: number } | { readonly at: number }
/** Records in order, and whether others follow. */
export type JournalPage = { readonly entries: readonly Entry[]; readonly more: boolean }

/**
 * A thousand records of the journal in one request, without a consumer. A replica may answer, which may be behind:
 * for readers who come back, not for deciding.
 * @throws Unanswered when the server is silent or a record was lost on the way
 */
export const journalPage = async (nc: NatsConnection, cluster: string, from: Beginning): Promise<JournalPage> => {
  const beginning = 'after' in from ? { seq: from.after + 1 } : { start_time: new Date(from.at).toISOString() }
  const request = { ...beginning, batch: PAGE, next_by_subj: `qm.${cluster}.journal.>` }
  const inbox = createInbox()
  const answers = nc.subscribe(inbox)
  const late = setTimeout(() => answers.unsubscribe(), PAGE_MS)
  try {
    nc.publish(`$JS.API.DIRECT.GET.${JOURNAL}`, JSON.stringify(request), { reply: inbox })
    return await received(answers)
  } finally {
    clearTimeout(late)
    answers.unsubscribe()
  }
}

/** Each message names the one sent before it: the connection drops messages of a slow reader. */
const received = async (answers: Subscription): Promise<JournalPage> => {
  const entries: Entry[] = []
  for await (const { data, headers } of answers) {
    if (headers?.code === NOTHING_THERE) return { entries, more: false }
    if (!headers || (headers.code !== 0 && headers.code !== END_OF_PAGE))
      throw new Unanswered(`${JOURNAL}: NATS answers ${headers?.code} ${headers?.description ?? 'without a header'}`)
    if (Number(headers.get('Nats-Last-Sequence')) !== (entries.at(-1)?.seq ?? 0))
      throw new Unanswered(`${JOURNAL}: a record was lost on the way: ask again`)
    if (headers.code === END_OF_PAGE) return { entries, more: Number(headers.get('Nats-Num-Pending')) > 0 }
    const [seq, subject] = [Number(headers.get('Nats-Sequence')), headers.get('Nats-Subject')]
    entries.push(entryOf({ seq, subject, data }))
  }
  throw new Unanswered(`${JOURNAL}: no whole page within ${PAGE_MS / 1000} s`)
}
