import { styleText } from 'node:util'
import type { Command } from 'commander'
import { planCluster } from '../actors/evictor/plan.ts'
import { isCommitted } from '../actors/evictor/replacement/launching.ts'
import { checkCatalogue } from '../actors/evictor/replacement/offers.ts'
import { highsSolver } from '../adapters/highs/solver.ts'
import { Catalogue } from '../events/catalogue.ts'
import { type Launch, type Plan, Policy, type Prices, type Pricing } from '../events/plan.ts'
import { weakenedWithout } from './dump/kinds.ts'
import { askedPrices, DISCOUNT_HELP, PRICES_HELP, type PriceOptions, readPrices } from './prices.ts'
import { UserError } from './session.ts'
import { settings } from './settings.ts'
import { KUBECTL, readSnapshot } from './snapshot.ts'
import { printable } from './table.ts'

type Options = PriceOptions & {
  readonly snapshot: string
  readonly policy?: string
  readonly catalogue?: string
  readonly maxEvictions?: string
  readonly deadline?: string
  readonly format: string
}
type Output = { readonly write: (text: string) => unknown; readonly isTTY?: boolean }
/** Where the command reads its time and writes its words; the process, outside of tests. */
export type PlanWorld = { readonly out: Output; readonly err: Output; readonly now: () => number; readonly prices: Prices }

const DEADLINE_SECONDS = '30'
const PATIENCE_MS = 1_000

/** `plan --snapshot FILE`: plans offline. Exit code 0: nothing to save; 1: something; 2: it could not. */
export const plan = (program: Command): void => {
  program
    .command('plan')
    .description('what could be saved, planned offline from a dump of the cluster')
    .requiredOption('--snapshot <file>', 'a List from: quartermaster dump, or kubectl get … -A -o json (see below)')
    .option('--prices <file>', PRICES_HELP)
    .option('--discount <percent>', DISCOUNT_HELP)
    .option('--policy <file>', 'what the evictor may do, such as {"aggressive":true,"nodeGraceSeconds":0}')
    .option('--catalogue <file>', 'machines that may be launched: {"types":[{"instanceType":…,"hourly":…,"capacity":{…}}]}')
    .option('--max-evictions <n>', 'evict at most so many pods')
    .option('--deadline <seconds>', 'stop looking for better plans after so long', DEADLINE_SECONDS)
    .option('--format <format>', 'text or json', 'text')
    .addHelpText(
      'after',
      `\nExit codes: 0 nothing to save, 1 something to save, 2 it could not be planned\n\nExamples:\n  $ quartermaster dump --output snapshot.json\n  $ quartermaster plan --snapshot snapshot.json\n  $ quartermaster plan --snapshot snapshot.json --max-evictions 50 --format json | jq .drains\n\nWithout dump:\n  $ ${KUBECTL} > snapshot.json`,
    )
    .action(async (options: Options) => {
      const prices = await askedPrices(readPrices(options, 'plan'))
      process.exitCode = runPlan(options, { out: process.stdout, err: process.stderr, now: Date.now, prices })
    })
}

/** Plans and prints. @returns the exit code @throws UserError naming the file, the place in it and the remedy */
export const runPlan = (options: Options, { out, err, now, prices }: PlanWorld): number => {
  if (options.format !== 'text' && options.format !== 'json')
    throw new UserError(`--format is text or json, not "${options.format}"`)
  const deadlineMs = numberOf('--deadline', options.deadline ?? DEADLINE_SECONDS, /^\d+(\.\d+)?$/) * 1000
  const policy = policyOf(options)
  const catalogue = catalogueOf(options, policy)
  const began = now()
  const { model, notes, unread } = readSnapshot(options.snapshot, policy)
  for (const note of notes) err.write(`${printable(note)}\n`)
  for (const kind of unread) err.write(`made without ${printable(kind)}: ${weakenedWithout(kind)}\n`)
  if (policy.replacement && isCommitted(prices))
    err.write('nothing is launched: what is committed might go to new nodes or be left unused, and that is not reckoned with\n')
  if (now() - began > PATIENCE_MS) err.write(`read ${model.nodes.size} nodes and ${model.pods.size} pods; planning …\n`)
  const start = now()
  const result = planCluster(model, policy, prices, {
    now: start,
    elapsed: () => now() - start,
    deadlineMs,
    solver: highsSolver,
    ...(catalogue && { catalogue }),
  })
  out.write(options.format === 'json' ? `${JSON.stringify(result)}\n` : planText(result, out.isTTY === true))
  return result.drains.length > 0 ? 1 : 0
}

const helpFor = (option: string): string => `see "quartermaster plan --help" for ${option}`

const numberOf = (option: string, text: string, form: RegExp): number => {
  if (!form.test(text)) throw new UserError(`${option} is a number, not "${text}"`)
  return Number(text)
}
const policyOf = ({ policy, maxEvictions }: Options): Policy => {
  const settled = settings(Policy, policy, helpFor('--policy'))
  return maxEvictions === undefined ? settled : { ...settled, maxEvictions: numberOf('--max-evictions', maxEvictions, /^\d+$/) }
}
/** @throws UserError also for a catalogue that the policy has no use for: whoever gives one wants it used */
const catalogueOf = ({ catalogue: file }: Options, { replacement }: Policy): Catalogue | undefined => {
  if (file === undefined) return undefined
  if (!replacement) throw new UserError('--catalogue is of use only with a policy that has "replacement": {} in it')
  const catalogue = settings(Catalogue, file, helpFor('--catalogue'))
  try {
    checkCatalogue(catalogue)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new UserError(`${file}: ${error.message}; ${helpFor('--catalogue')}`, { cause: error })
  }
  return catalogue
}
const SHOWN = 20
const money = (hourly: number): string => `$${hourly.toFixed(2)}/h`
const more = (count: number): readonly string[] =>
  count > SHOWN ? [`  … and ${count - SHOWN} more (--format json has all)`] : []

const pricingText = ({ currency, list, custom, guessed }: Pricing): string => {
  const total = Math.max(1, list + custom + guessed)
  const parts = Object.entries({ 'by list': list, custom, guessed }).filter(([, count]) => count > 0)
  const of = parts.map(([how, count]) => `${Math.round((100 * count) / total)} % of the nodes ${how}`).join(', ')
  return `${of}${currency === 'USD' ? '' : ` (in ${printable(currency)}, not $)`}`
}

const launchText = ({ instanceType, count, zone, capacityType, hourlyCost = 0 }: Launch): string =>
  printable(
    `${count} × ${[capacityType, instanceType].filter(Boolean).join(' ')}${zone === undefined ? '' : ` in ${zone}`}, ${money(hourlyCost)} each`,
  )

/** The plan for people: what is saved, what is launched for it, which nodes go first, and why the others stay. */
const planText = (
  { before, after, bound, evictions, launch, drains, kept, prices, unmet = [] }: Plan,
  colours: boolean,
): string => {
  const style = (format: 'bold' | 'green' | 'dim', text: string): string =>
    colours ? styleText(format, text, { validateStream: false }) : text
  const saved = before.hourlyCost - after.hourlyCost
  const share = before.hourlyCost > 0 ? Math.round((100 * saved) / before.hourlyCost) : 0
  const width = Math.max(4, ...drains.slice(0, SHOWN).map(({ node }) => node.length))
  const rows = drains.slice(0, SHOWN).map(({ node, wave, moves, replacedBy = [] }) => {
    const by = replacedBy.length > 0 ? `  replaced by ${printable(replacedBy.join(', '))}` : ''
    return `  ${printable(node).padEnd(width)}  ${String(wave).padStart(4)}  ${String(moves.length).padStart(4)}${by}`
  })
  const counts = new Map<string, { count: number; example: string }>()
  for (const {
    node,
    reasons: [reason],
  } of kept) {
    const known = counts.get(reason?.code ?? '')
    counts.set(reason?.code ?? '', {
      count: (known?.count ?? 0) + 1,
      example: known?.example ?? `${node}: ${reason?.message ?? ''}`,
    })
  }
  const why = [...counts]
    .sort(([, a], [, b]) => b.count - a.count)
    .map(([code, { count, example }]) => `  ${String(count).padStart(5)}  ${code.padEnd(16)} ${style('dim', printable(example))}`)
  const lacks = unmet.slice(0, SHOWN).map(({ what, pods, of }) => `  ${pods} of ${of} pod(s): ${printable(what)}`)
  return [
    `${style('bold', 'Now')}      ${before.nodes} nodes, ${money(before.hourlyCost)}`,
    `${style('bold', 'Planned')}  ${after.nodes} nodes, ${money(after.hourlyCost)}, ${style('green', `${money(saved)} less (${share} %)`)}, ${evictions} evictions`,
    ...launch.map((each, index) => `${style('bold', index === 0 ? 'Launch' : '      ')}   ${launchText(each)}`),
    `${style('bold', 'Bound')}    ${money(bound.hourlyCost)}: no plan costs less${bound.covers === undefined ? '' : `, ${bound.covers} included`}`,
    ...(prices ? [`${style('bold', 'Prices')}   ${pricingText(prices)}`] : []),
    ...(drains.length > 0 ? ['', style('bold', `  ${'Node'.padEnd(width)}  Wave  Pods`), ...rows, ...more(drains.length)] : []),
    ...(unmet.length > 0
      ? ['', style('bold', "Of the policy's headroom there is no room now for"), ...lacks, ...more(unmet.length)]
      : []),
    ...(why.length > 0 ? ['', style('bold', 'Kept, and why (an example of each)'), ...why] : []),
    '',
  ].join('\n')
}
