import { styleText } from 'node:util'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { stated } from '../runtime/drafts.ts'
import type { Commit } from '../runtime/types.ts'
import type { Verdict } from '../runtime/verify.ts'
import { type AtOptions, at } from './journal-at.ts'
import { ask, CLUSTER_OPTION, type Session, UserError, withSession } from './session.ts'
import { printable, table } from './table.ts'
import type { ActorPage, CommitPage, VerdictPage } from './up/replays.ts'

/** `journal verify|show|at`: what was decided, and whether the machines of today decide the same. */
export const journalCommand = (program: Command): void => {
  const journal = program
    .command('journal')
    .description('what every actor has decided, commit by commit, and whether it comes out the same today')
  const format = () => new Option('--format <format>', 'text or json').choices(['text', 'json']).default('text')
  journal
    .command('verify')
    .description('decide all commits again with the machines of the running system; exit code 1 when one comes out otherwise')
    .argument('[actor]', 'TYPE or TYPE/ID; without it every actor of the journal')
    .addOption(format())
    .option(...CLUSTER_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  $ quartermaster journal verify\n  $ quartermaster journal verify evictor\n  $ quartermaster journal verify cluster/demo --format json',
    )
    .action((actor: string | undefined, options: Shown) => withSession((session) => verify(session, actor, options), options))
  journal
    .command('show')
    .description("print one actor's commits")
    .argument('<actor>', 'TYPE/ID, such as cluster/demo', actorName)
    .option('--from <n>', 'from this commit on', commitNumber)
    .option('--to <n>', 'up to this commit', commitNumber)
    .addOption(format())
    .option(...CLUSTER_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  $ quartermaster journal show cluster/demo\n  $ quartermaster journal show evictor/demo --from 10 --to 20\n  $ quartermaster journal show cluster/demo --format json | jq .ev',
    )
    .action((actor: string, options: Range) => withSession((session) => show(session, actor, options), options))
  journal
    .command('at')
    .description('print every actor that lived at a time and its state, and the cluster as it was')
    .argument('<time>', 'ISO 8601 (2026-03-01T12:00:00Z), or epoch milliseconds', timeOf)
    .option('--kind <kinds...>', 'only objects of these kinds, such as nodes pods deployments.apps')
    .option('--namespace <namespace>', 'only objects of this namespace')
    .addOption(format())
    .option(...CLUSTER_OPTION)
    .addHelpText(
      'after',
      '\nThe cluster is kept for seven days or two gibibytes. With --format json it is a List that "plan --snapshot" takes.\n\nExamples:\n  $ quartermaster journal at 2026-03-01T12:00:00Z\n  $ quartermaster journal at "$(date -u -d -1hour +%FT%TZ)" --kind pods --namespace default\n  $ quartermaster journal at 2026-03-01T12:00:00Z --format json > then.json && quartermaster plan --snapshot then.json',
    )
    .action((time: number, options: AtOptions) => withSession((session) => at(session, time, options), options))
}

type Shown = { readonly format: 'text' | 'json'; readonly cluster?: string }
type Range = Shown & { readonly from?: number; readonly to?: number }

const actorName = (text: string): string => {
  if (!/^[^/]+\/.+$/s.test(text)) throw new InvalidArgumentError('An actor is named TYPE/ID, such as cluster/demo.')
  return text
}
const commitNumber = (text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('Commits are numbered 1, 2, 3 …')
  return Number(text)
}
/** Epoch ms. Exported for its tests. */
export const timeOf = (text: string): number => {
  const time = /^\d{10,}$/.test(text) ? Number(text) : /^\d{4}-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time)) throw new InvalidArgumentError('Write it as 2026-03-01T12:00:00Z, or as epoch milliseconds.')
  return time
}

/** Pages until there is no next one. */
const pages = async function* <T extends { readonly next?: unknown }>(session: Session, question: object): AsyncGenerator<T> {
  for (let after: unknown; ; ) {
    const answer = (await ask(session, 'journal', after === undefined ? question : { ...question, after })) as T
    yield answer
    if (answer.next === undefined) return
    after = answer.next
  }
}

/** So few actors are verified for one answer, because a long journal takes a second. */
const TOGETHER = 10

const verify = async (session: Session, wanted: string | undefined, { format }: Shown): Promise<void> => {
  const names = wanted?.includes('/') ? [wanted] : await actorsOf(session, wanted)
  const verdicts: Verdict[] = []
  for (let done = 0; done < names.length; done += TOGETHER) {
    progress(`verifying ${done} of ${names.length} actors`)
    const answer = (await ask(session, 'journal', { verify: names.slice(done, done + TOGETHER) })) as VerdictPage
    verdicts.push(...answer.verdicts)
    if (format === 'json') process.stdout.write(answer.verdicts.map((verdict) => `${JSON.stringify(verdict)}\n`).join(''))
  }
  progress('')
  if (format === 'text') process.stdout.write(verdictText(verdicts))
  process.exitCode = verdicts.some(({ fault }) => fault) ? 1 : 0
}

const actorsOf = async (session: Session, type: string | undefined): Promise<readonly string[]> => {
  const names: string[] = []
  for await (const { actors } of pages<ActorPage>(session, { actors: true })) names.push(...actors)
  const found = names.filter((name) => type === undefined || name.startsWith(`${type}/`))
  if (found.length > 0) return found
  const types = [...new Set(names.map((name) => name.split('/')[0]))].join(', ')
  throw new UserError(type === undefined ? 'the journal is empty' : `the journal has no actor of type "${type}"; it has ${types}`)
}

/** On a terminal alone, and gone when it is over. */
const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

/** Verdicts for people: by type while all is well, each fault with what differs. Exported for its tests. */
export const verdictText = (verdicts: readonly Verdict[]): string => {
  const rows = [...Map.groupBy(verdicts, ({ actor }) => actor.type)].map(([type, its]) => {
    const sum = (field: 'commits' | 'executed' | 'older'): number => its.reduce((total, each) => total + each[field], 0)
    const faults = its.filter(({ fault }) => fault).length
    const verdict = faults === 0 ? styleText('green', 'the same') : styleText('red', `${faults} faulty`)
    return [printable(type), its.length, sum('commits'), sum('executed'), sum('older'), verdict]
  })
  const head = ['TYPE', 'ACTORS', 'COMMITS', 'REPLAYED', 'OLDER', 'VERDICT'].map((title) => styleText('bold', title))
  return `${table([head, ...rows])}${verdicts.map(faultText).join('')}`
}

const faultText = ({ actor, fault }: Verdict): string => {
  if (!fault) return ''
  const name = styleText('bold', printable(`${actor.type}/${actor.id}`))
  if (fault.kind === 'corrupt') return `\n${name} is corrupt: ${printable(fault.reason)}\n`
  const rows = fault.differs.map(({ path, journal, replay }) => [
    `  ${printable(path)}`,
    `journal ${plain(journal)}`,
    `replay ${plain(replay)}`,
  ])
  return `\n${name} comes out otherwise from commit ${fault.n} on (${printable(fault.event)}):\n${table(rows)}`
}
const plain = (value: unknown): string => printable(JSON.stringify(value) ?? 'nothing')

const show = async (session: Session, actor: string, { format, from, to }: Range): Promise<void> => {
  const question = { actor, ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
  let shown = 0
  for await (const { commits } of pages<CommitPage>(session, question)) {
    shown += commits.length
    const lines = commits.map(({ record }) => (format === 'json' ? JSON.stringify(record) : commitText(record)))
    process.stdout.write(lines.map((line) => `${line}\n`).join(''))
  }
  if (shown === 0) process.stderr.write(`${printable(actor)} has no commits in that range\n`)
  process.exitCode = shown === 0 ? 1 : 0
}

/** One commit for people: number, time, event, state, and under it what it asked for and told. Exported for its tests. */
export const commitText = ({ n, ts, ev, to, who, fx, done, tset, tdel, em }: Commit): string => {
  const { type, at: _, ...payload } = ev
  const by = who === undefined ? '' : styleText('dim', ` by ${printable(who)}`)
  const said = Object.keys(payload).length === 0 ? '' : ` ${styleText('dim', plain(payload))}`
  return [
    `${styleText('bold', String(n).padStart(5))} ${styleText('dim', new Date(ts).toISOString())} ${styleText('cyan', printable(type))}${by}${said}`,
    `      → ${printable(stated(to))}`,
    ...fx.map(({ kind, name, to: whom, input }) =>
      `        ${kind} ${printable(name)}${whom ? ` to ${printable(`${whom.type}/${whom.id}`)}` : ''} ${styleText('dim', input === undefined ? '' : plain(input))}`.trimEnd(),
    ),
    ...done.map((key) => `        ended ${printable(key)}`),
    ...tset.map(({ id, due }) => `        timer ${printable(id)} at ${new Date(due).toISOString()}`),
    ...tdel.map((id) => `        no timer ${printable(id)}`),
    ...em.map(
      ({ ev: { type: fact, at: __, ...data } }) =>
        `        ${styleText('green', printable(fact))} ${styleText('dim', plain(data))}`,
    ),
  ].join('\n')
}
