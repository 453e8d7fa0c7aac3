import { styleText } from 'node:util'
import type { Command } from 'commander'
import { JSONCodec } from 'nats'
import { type CloudEvent, factOf } from '../runtime/projector.ts'
import { CLUSTER_OPTION, withSession } from './session.ts'
import { printable } from './table.ts'

const json = JSONCodec<CloudEvent>()

/** `watch [PATTERN]`: public events as they come. */
export const watchCommand = (program: Command): void => {
  program
    .command('watch')
    .description('print public events as they come')
    .argument('[pattern]', 'subject pattern after qm.<cluster>.evt., such as evictor.> or *.ActionFailed', '>')
    .option('--format <format>', 'text or json (one CloudEvent a line)', 'text')
    .option(...CLUSTER_OPTION)
    .addHelpText(
      'after',
      "\nExamples:\n  $ quartermaster watch\n  $ quartermaster watch 'controller.>' --format json | jq .data\n  $ quartermaster watch '*.CommandRefused'",
    )
    .action((pattern: string, { format, ...wanted }: { format: string; cluster?: string }) =>
      withSession(async ({ nc, cluster }) => {
        const events = nc.subscribe(`qm.${cluster}.evt.${pattern}`)
        process.once('SIGINT', () => events.unsubscribe())
        for await (const { data } of events) process.stdout.write(`${lineOf(json.decode(data), format)}\n`)
      }, wanted),
    )
}

const lineOf = (event: CloudEvent, format: string): string => (format === 'json' ? JSON.stringify(event) : eventLine(event))

/** One event in one line: time, fact, and its fields in the order they were written. */
export const eventLine = (event: CloudEvent): string => {
  const fact = factOf(event)
  const bad = /Failed|Refused|Missing|Parked|Aborted|Stalled|Unavailable/.test(fact)
  const time = styleText('dim', event.time.slice(11, 23))
  return `${time} ${styleText(bad ? 'red' : 'cyan', fact.padEnd(30))} ${Object.entries(event.data).map(fieldOf).join(' ')}`
}

// Names from the cluster are hostile: no control character reaches the terminal.
const fieldOf = ([name, value]: readonly [string, unknown]): string => {
  const text = typeof value === 'string' && !/\s/.test(value) ? value : JSON.stringify(value)
  return `${styleText('dim', `${name}=`)}${printable(text)}`
}
