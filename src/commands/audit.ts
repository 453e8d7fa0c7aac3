import { styleText } from 'node:util'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { ask, CLUSTER_OPTION, type Session, withSession } from './session.ts'
import { printable } from './table.ts'
import type { AuditPage, AuditQuestion } from './up/audit-trail.ts'
import type { Audited } from './up/audited.ts'

type Options = { readonly since?: number; readonly format: 'jsonl' | 'text'; readonly cluster?: string }

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** Milliseconds: what was archived is read through for one answer. */
const ASK_MS = 110_000

/** `audit`: every command from outside, who gave it, and what became of it. */
export const auditCommand = (program: Command): void => {
  program
    .command('audit')
    .description('every command: who gave it, when, to whom, and whether it was accepted or refused and why')
    .option(
      '--since <time>',
      'only what was decided since then: 2026-11-25T21:00:00Z, or 30s, 30m, 24h, 7d ago',
      (text: string) => sinceOf(text, Date.now()),
    )
    .addOption(new Option('--format <format>', 'one JSON object a line, or text').choices(['jsonl', 'text']).default('jsonl'))
    .option(...CLUSTER_OPTION)
    .addHelpText('after', HELP)
    .action(({ since, format, ...wanted }: Options) =>
      withSession(async (session) => {
        for await (const entry of trail(session, since))
          process.stdout.write(format === 'text' ? `${auditLine(entry)}\n` : `${JSON.stringify(entry)}\n`)
      }, wanted),
    )
}

const HELP = `
Fields of a line:
  time           when it was decided
  who            ACCOUNT/user as NATS tells it, or "unauthenticated"
  command        <actor>.<Verb>
  actor          <type>/<id> that it was sent to
  outcome        accepted, refused, failed (the actor failed on it), or unreadable (a damaged record)
  reason         why it was not accepted
  id             the command's id
  correlationid  what it belongs to; the events that followed from it carry the same
  traceparent    W3C trace context, if it came with one
  commit         <type>/<id>/<n>, the commit that it became; none where it reached no actor
  payload        what an accepted one said, up to 4 KiB
  seq            its place in the stream JOURNAL

Exit codes: 0 exported, also when there is nothing; 2 could not.

Examples:
  $ quartermaster audit > audit.jsonl
  $ quartermaster audit --since 24h --format text
  $ quartermaster audit --since 2026-11-01T00:00:00Z | jq 'select(.outcome == "refused")'`

const DATE = /^\d{4}-\d{2}-\d{2}/
/** Epoch ms of a time, or of so long ago. @throws InvalidArgumentError */
export const sinceOf = (text: string, now: number): number => {
  const [, count, unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? []
  const at = count === undefined ? (DATE.test(text) ? Date.parse(text) : Number.NaN) : now - Number(count) * (UNITS[unit] ?? 0)
  if (!Number.isFinite(at))
    throw new InvalidArgumentError('It has to be a time such as 2026-11-25T21:00:00Z, or 30s, 30m, 24h or 7d.')
  return Math.max(0, at)
}

/** The whole trail, each command once: what a crash left in the archive and in the stream comes twice. */
const trail = async function* (session: Session, since = 0): AsyncGenerator<Audited> {
  const archived = new Set<number>()
  let question: AuditQuestion | undefined = { since, from: 'archive', after: 0 }
  while (question) {
    const { entries, next } = (await ask(session, 'audit', question, ASK_MS)) as AuditPage
    for (const entry of entries) {
      if (question.from === 'journal' && archived.has(entry.seq)) continue
      if (question.from === 'archive') archived.add(entry.seq)
      yield entry
    }
    question = next
  }
}

/** One command in one line: time, who, whether, what, to whom, and why not. */
export const auditLine = ({ time = '?', who, command = '?', actor, outcome, reason }: Audited): string => {
  const colour = outcome === 'accepted' ? 'green' : 'red'
  const sentence = `${printable(command)} → ${printable(actor)}${reason === undefined ? '' : `: ${printable(reason)}`}`
  return `${styleText('dim', time)}  ${shortened(printable(who))}  ${styleText(colour, outcome)}  ${sentence}`
}

/** A public nkey has 56 characters; the first eight tell people apart. */
const shortened = (who: string): string => who.replace(/(\/U[A-Z2-7]{7})[A-Z2-7]{48}$/, '$1…')
