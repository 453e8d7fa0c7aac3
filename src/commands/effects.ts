import type { Command } from 'commander'
import { subjects } from '../events/subjects.ts'
import type { Outcome } from '../runtime/types.ts'
import { ask, CLUSTER_OPTION, request, type Session, UserError, withSession } from './session.ts'
import { printable, table } from './table.ts'
import type { ParkedEffect } from './up/asks.ts'

/** `effects`: what failed for good and waits for a person, and what is to become of it. */
export const effectsCommand = (program: Command): void => {
  const effects = program.command('effects').description('effects that failed for good and wait for a person')
  effects
    .command('list', { isDefault: true })
    .description('every parked effect: its key, what it is, since when and why')
    .option('--format <format>', 'text or json', 'text')
    .option(...CLUSTER_OPTION)
    .addHelpText('after', '\nExamples:\n  $ quartermaster effects\n  $ quartermaster effects list --format json')
    .action(({ format, ...wanted }: { format: string; cluster?: string }) =>
      withSession((session) => list(session, format), wanted),
    )
  decided(effects, 'retry', 'RetryEffect', 'try a parked effect again; its key makes a repeat harmless')
  decided(effects, 'discard', 'DiscardEffect', 'never try a parked effect again; the machine stays where it is')
}

const list = async (session: Session, format: string): Promise<void> => {
  const parked = (await ask(session, 'parked')) as readonly ParkedEffect[]
  process.exitCode = parked.length > 0 ? 1 : 0
  const { cluster, context } = session
  if (format === 'json') return void process.stdout.write(`${JSON.stringify({ cluster, context, parked })}\n`)
  if (parked.length === 0) return void process.stdout.write('No effect is parked.\n')
  const rows = parked.map(({ key, effect, state, error }) => [key, effect, state, error].map(printable))
  process.stdout.write(table([['KEY', 'EFFECT', 'STATE OF ITS ACTOR', 'ERROR'], ...rows]))
}

const decided = (effects: Command, name: string, verb: string, description: string): void => {
  effects
    .command(name)
    .description(description)
    .argument('<key>', 'the key that "effects list" shows: TYPE/ID/N/I')
    .option(...CLUSTER_OPTION)
    .addHelpText('after', `\nExample:\n  $ quartermaster effects ${name} drain-node/0190…/7/0`)
    .action((key: string, wanted: { cluster?: string }) =>
      withSession(
        async (session) => {
          const { type, id } = actorOf(key)
          const answer = (await request(session, subjects(session.cluster).call(type, verb, id), { key })) as Outcome
          process.stdout.write(answer.ok ? 'Done.\n' : `Refused: ${printable(answer.detail)}\n`)
          process.exitCode = answer.ok ? 0 : 1
        },
        { ...wanted, orders: true },
      ),
    )
}

/** @throws UserError when it is no effect's key */
const actorOf = (key: string): { readonly type: string; readonly id: string } => {
  const found = /^([^/]+)\/(.+)\/\d+\/\d+$/.exec(key)
  if (!found) throw new UserError(`"${key}" is no effect's key: "quartermaster effects" lists them`)
  return { type: found[1] ?? '', id: found[2] ?? '' }
}
