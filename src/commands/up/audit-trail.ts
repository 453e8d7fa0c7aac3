import type { NatsConnection } from 'nats'
import { z } from 'zod'
import { type Beginning, journalPage } from '../../adapters/jetstream/journal-page.ts'
import type { Archive } from '../../runtime/archive.ts'
import { type Audited, audited } from './audited.ts'
import { page } from './pages.ts'

/** Where the trail goes on: first in what was archived, then in the stream. */
export const AuditQuestion = z.object({
  /** Epoch ms; nothing that was decided before. */
  since: z.number().default(0),
  from: z.enum(['archive', 'journal']).default('archive'),
  /** Sequence in JOURNAL; 0 is before the first. */
  after: z.number().int().nonnegative().default(0),
})
export type AuditQuestion = z.infer<typeof AuditQuestion>
/** Without `next` it ends here. */
export type AuditPage = { readonly entries: readonly Audited[]; readonly next?: AuditQuestion }

export type AuditSource = {
  readonly nc: NatsConnection
  readonly cluster: string
  readonly archive?: Archive | undefined
}

/** Bytes in one answer: NATS takes a megabyte. */
const MOST_ANSWER = 256 * 1024
/** Pages of the journal read for one answer: records are many, commands are few. */
const MOST_PAGES = 5

/** Milliseconds that the server's clock, by which it finds a place in the stream, may be behind the deciding one's. */
const SKEW_MS = 60_000

const seqOf = ({ seq }: Audited): number => seq

/**
 * One answer of the trail: ask with `next` for the rest. Archived entries come first, each part in the journal's order; what
 * a crash left in both comes twice, with the same `seq`.
 * @throws Unanswered, ZodError when it is no question
 */
export const auditPage = (source: AuditSource, question: unknown): Promise<AuditPage> => {
  const asked = AuditQuestion.parse(question)
  return asked.from === 'archive' && source.archive ? archivePage(source.archive, asked) : streamPage(source, asked)
}

const archivePage = async (archive: Archive, question: AuditQuestion): Promise<AuditPage> => {
  const found: Audited[] = []
  await archive.between(question.since, Number.MAX_SAFE_INTEGER, ({ seq, actor, commit }) => {
    const entry = seq > question.after ? audited({ seq, ...actor, record: commit }) : undefined
    if (entry) found.push(entry)
  })
  const { items, next } = page(
    found.toSorted((a, b) => a.seq - b.seq),
    MOST_ANSWER,
    seqOf,
  )
  return { entries: items, next: { ...question, ...(next === undefined ? { from: 'journal', after: 0 } : { after: next }) } }
}

const streamPage = async ({ nc, cluster }: AuditSource, { since, after }: AuditQuestion): Promise<AuditPage> => {
  const found: Audited[] = []
  const goingOn = (sequence: number): AuditQuestion => ({ since, from: 'journal', after: sequence })
  let from: Beginning = after > 0 || since === 0 ? { after } : { at: since - SKEW_MS }
  for (let pages = 1; ; pages++) {
    const { entries, more } = await journalPage(nc, cluster, from)
    for (const entry of entries) {
      const known = audited(entry)
      if (known && (known.time === undefined || Date.parse(known.time) >= since)) found.push(known)
    }
    const { items, next } = page(found, MOST_ANSWER, seqOf)
    if (next !== undefined) return { entries: items, next: goingOn(next) }
    const last = entries.at(-1)?.seq
    if (!more || last === undefined) return { entries: found }
    if (pages === MOST_PAGES) return { entries: found, next: goingOn(last) }
    from = { after: last }
  }
}
