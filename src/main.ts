#!/usr/bin/env -S node --max-semi-space-size=4
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { auditCommand } from './commands/audit.ts'
import { chartsCommand } from './commands/charts.ts'
import { dumpCommand } from './commands/dump.ts'
import { effectsCommand } from './commands/effects.ts'
import { guardCommand } from './commands/guard.ts'
import { journalCommand } from './commands/journal.ts'
import { phaseCommands } from './commands/phase.ts'
import { plan } from './commands/plan.ts'
import { UserError } from './commands/session.ts'
import { statusCommand } from './commands/status.ts'
import { printableLines } from './commands/table.ts'
import { upCommand } from './commands/up.ts'
import { watchCommand } from './commands/watch.ts'
import { whyCommand } from './commands/why.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

const program = new Command('quartermaster')
  .description('Packs a Kubernetes cluster onto fewer nodes, and explains every decision.')
  .version(version)
  .option('--debug', 'show stack traces')
  .showHelpAfterError('(add --help for examples)')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))

upCommand(program)
statusCommand(program)
phaseCommands(program)
watchCommand(program)
whyCommand(program)
auditCommand(program)
dumpCommand(program)
plan(program)
journalCommand(program)
effectsCommand(program)
guardCommand(program)
chartsCommand(program)

// Whoever reads us may stop reading (`… | head`): that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

try {
  await program.parseAsync()
} catch (error) {
  const { message, stack } = error as Error
  const debug = program.opts<{ debug?: boolean }>().debug === true || process.env['DEBUG'] !== undefined
  const hint = error instanceof UserError ? '' : ' (--debug shows where)'
  process.stderr.write(`quartermaster: ${printableLines(debug ? (stack ?? message) : `${message}${hint}`)}\n`)
  process.exitCode = 2
}
