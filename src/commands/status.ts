import { styleText } from 'node:util'
import type { Command } from 'commander'
import { identityInWords } from './identity.ts'
import { ask, CLUSTER_OPTION, withSession } from './session.ts'
import { dollars, printable, table } from './table.ts'
import type { Status } from './up/asks.ts'

const MOST_ACTORS = 30

/** `status`: phase, brake, security, provider, nodes, pods, $/h, actors and their states, missing powers. */
export const statusCommand = (program: Command): void => {
  program
    .command('status')
    .description('phase, brake, security, provider, nodes, pods, $/h, actors and their states, missing powers')
    .option('--format <format>', 'text or json', 'text')
    .option(...CLUSTER_OPTION)
    .addHelpText('after', '\nExamples:\n  $ quartermaster status\n  $ quartermaster status --format json | jq .hourlyCost')
    .action(({ format, ...wanted }: { format: string; cluster?: string }) =>
      withSession(async (session) => {
        const status = (await ask(session, 'state')) as Status
        process.stdout.write(format === 'json' ? `${JSON.stringify(status)}\n` : statusText(status))
      }, wanted),
    )
}

/** The status for people. */
const statusText = (status: Status): string => {
  const { actors, kinds, missingPowers, identity } = status
  const listed = actors
    .slice(0, MOST_ACTORS)
    .map(({ type, id, state }) => [`  ${type}/${printable(id)}`, styleText('dim', state)])
  const more = actors.length > MOST_ACTORS ? `  … and ${actors.length - MOST_ACTORS} more (--format json lists all)\n` : ''
  const missing = missingPowers.map(({ actor, power }) => `  ${actor} may not ${power}\n`)
  const gaps = identity && 'gaps' in identity ? identity.gaps.map((gap) => `  ${printable(gap)}\n`) : []
  return [
    table([...headRows(status)]),
    `\nKinds\n${kindsText(kinds)}`,
    `\nActors\n${table(listed)}${more}`,
    gaps.length > 0 ? `\nNot known of the provider\n${gaps.join('')}` : '',
    missing.length > 0 ? `\n${styleText('red', 'Missing powers')}\n${missing.join('')}` : '',
  ].join('')
}

/** Those that are well by name alone, those that are not with the reason. */
const kindsText = (kinds: Status['kinds']): string => {
  const named = (of: readonly { readonly name: string }[]): string => of.map(({ name }) => printable(name)).join(', ')
  const rows = (['streaming', 'listing'] as const).map((state) => [state, named(kinds.filter((kind) => kind.state === state))])
  const { length: absent } = kinds.filter((kind) => kind.state === 'unavailable' && kind.why === 'absent')
  const troubled = kinds.flatMap((kind) => {
    if (kind.state === 'stalled') return [['stalled', `${printable(kind.name)}: ${printable(kind.reason)}`]]
    if (kind.state !== 'unavailable' || kind.why === 'absent') return []
    return [[kind.why, `${printable(kind.name)}: ${printable(kind.reason)}`]]
  })
  return table(
    [
      ...rows,
      ...troubled.map(([what = '', text = '']) => [styleText('red', what), text]),
      ['not installed', absent > 0 ? `${absent} others (--format json names them)` : ''],
    ]
      .filter(([, text]) => text !== '')
      .map(([what = '', text = '']) => [`  ${what}`, text]),
  )
}

/** The lines that `up` shows too. */
export const headRows = (status: Status): readonly (readonly [string, string])[] => {
  const { now, planned, bound } = status.hourlyCost
  const phaseColour = status.phase === 'automating' ? 'green' : status.phase === 'observing' ? 'cyan' : 'yellow'
  const saving = planned === null || now === 0 ? '' : ` (${Math.round((1 - planned / now) * 100)} % less)`
  return [
    ['Cluster', `${status.cluster} (context ${printable(status.context)})`],
    ['Provider', status.identity ? identityInWords(status.identity) : styleText('dim', 'not read yet')],
    ['Phase', styleText(phaseColour, status.phase)],
    ['Brake', status.brake === 'released' ? 'released' : styleText('red', status.brake)],
    ['Security', status.security],
    ['Access', status.access === 'read-only' ? `read-only${styleText('dim', ' (up --allow-writes lifts it)')}` : status.access],
    ['Nodes', status.nodes.toLocaleString('en-US')],
    ['Pods', status.pods.toLocaleString('en-US')],
    ['Cost now', dollars(now)],
    ['Planned', planned === null ? (status.waitingFor ?? 'no plan yet') : `${dollars(planned)}${styleText('green', saving)}`],
    ['Lower bound', bound === null ? '' : dollars(bound)],
  ]
}
