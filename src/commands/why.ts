import { styleText } from 'node:util'
import type { Command } from 'commander'
import type { Move, Reason } from '../events/plan.ts'
import { ask, CLUSTER_OPTION, UserError, withSession } from './session.ts'
import { dollars, printable, table } from './table.ts'
import type { About, Departure, Fact } from './up/history.ts'

/** What the newest plan says. */
export type PlannedFor = {
  readonly plan: string
  readonly madeAt: string
  readonly kept?: readonly Reason[]
  readonly drain?: { readonly wave: number; readonly moves: readonly Move[] }
  readonly node?: string
  readonly to?: string
}
type Why = {
  readonly about: { readonly kind: string; readonly name: string }
  readonly facts: readonly Fact[]
  readonly departures: readonly Departure[]
  readonly plan: PlannedFor | null
}

/** `why KIND/NAME`: the decisions about a node, pod or action, and their reasons. */
export const whyCommand = (program: Command): void => {
  program
    .command('why')
    .description('the decisions about a node, pod or action, and their reasons')
    .argument('<what>', 'node/NAME, pod/NAMESPACE/NAME or action/ID')
    .option('--format <format>', 'text or json', 'text')
    .option(...CLUSTER_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  $ quartermaster why node/openb-node-0042\n  $ quartermaster why pod/batch/web-7d9f-x2x4z\n  $ quartermaster why action/01a21491-6872-7069-add7-c826496313aa.6',
    )
    .action((what: string, { format, ...wanted }: { format: string; cluster?: string }) =>
      withSession(async (session) => {
        const why = (await ask(session, 'why', aboutOf(what))) as Why
        const { cluster, context } = session
        process.stdout.write(format === 'json' ? `${JSON.stringify({ cluster, context, ...why })}\n` : whyText(why))
        const nothing = why.facts.length === 0 && why.plan === null
        process.exitCode = nothing ? 1 : 0
      }, wanted),
    )
}

/** @throws UserError when it names no kind that can be asked about */
const aboutOf = (what: string): About => {
  const [kind = '', ...rest] = what.split('/')
  const name = rest.join('/')
  if (kind === 'node' && rest.length === 1 && name !== '') return { kind, name }
  if (kind === 'action' && name !== '') return { kind, name }
  if (kind === 'pod' && rest.length === 2 && !rest.includes('')) return { kind, name }
  throw new UserError(`"${what}" is none of node/NAME, pod/NAMESPACE/NAME and action/ID`)
}

/** The answer for people: what is planned, what happened, where the pods went. */
const whyText = ({ about, facts, departures, plan }: Why): string => {
  const parts = [plan ? plannedText(plan) : '', factsText(facts, about.kind === 'action'), departuresText(departures)].filter(
    (part) => part !== '',
  )
  const name = `${about.kind}/${printable(about.name)}`
  return parts.length === 0 ? `Nothing was decided about ${name}.\n` : `${styleText('bold', name)}\n\n${parts.join('\n')}`
}

const plannedText = ({ plan, madeAt, kept, drain, node, to }: PlannedFor): string => {
  const from = styleText('dim', `(plan ${plan}, ${madeAt})`)
  if (kept)
    return `Kept ${from}\n${table(kept.map(({ code, message }) => [`  ${styleText('yellow', code)}`, printable(message)]))}`
  if (node !== undefined) return `${to === undefined ? `Stays on ${node}` : `To be moved from ${node} to ${to}`} ${from}\n`
  if (!drain) return ''
  const moves = drain.moves.map((move) => [`  ${printable(`${move.namespace}/${move.name}`)}`, `→ ${printable(move.to)}`])
  return `To be drained in wave ${drain.wave} ${from}\n${table(moves)}`
}

/** Each step only where one action is asked about: a node's drains have too many. */
const factsText = (facts: readonly Fact[], withSteps: boolean): string => {
  const shown = facts.filter(({ fact }) => withSteps || fact !== 'controller.StepDone')
  return shown.length === 0
    ? ''
    : `What happened\n${table(shown.map(({ time, fact, data }) => [`  ${time.slice(0, 19)}Z`, fact, detail(data)]))}`
}

const SHOWN = [
  'plan',
  'step',
  'pod',
  'outcome',
  'error',
  'reason',
  'verb',
  'evictions',
  'evicted',
  'alreadyGone',
  'restored',
  'action',
] as const
const detail = (data: Fact['data']): string =>
  SHOWN.flatMap((name) => (data[name] === undefined || data[name] === false ? [] : [`${name}=${printable(String(data[name]))}`]))
    .concat(typeof data['hourlyCost'] === 'number' ? [`saves=${dollars(data['hourlyCost'])}`] : [])
    .join(' ')

const departuresText = (departures: readonly Departure[]): string =>
  departures.length === 0
    ? ''
    : `Where its pods went\n${table(
        departures.map(({ pod, outcome, replacement }) => [
          `  ${printable(pod)}`,
          outcome,
          replacement
            ? `→ ${printable(replacement.pod)} on ${printable(replacement.node)}`
            : '→ its replacement is not running yet, or has moved on',
        ]),
      )}`
