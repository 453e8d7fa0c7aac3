import { parseArgs } from 'node:util'
import { findNatsServer } from '../src/adapters/nats-server/find.ts'
import { table } from '../src/commands/table.ts'
import { type Figure, figure } from './figures.ts'
import { killAgainAndAgain, lastWords, type Report } from './kill/run.ts'

const figuresOf = ({
  kills,
  whileServing,
  seconds,
  commands,
  journal,
  world,
  told,
  discrepancies,
}: Report): readonly Figure[] => [
  figure('processes killed with -9', kills, ''),
  figure('of them while serving', whileServing, ''),
  figure('kills a minute', (60 * kills) / seconds, '/min'),
  figure('commands acknowledged', commands.acknowledged, ''),
  figure('of them lost', commands.lost, '', { atMost: 0 }),
  figure('journal records', journal.records, ''),
  figure('actors, each gapless', journal.actors, ''),
  figure('transitions decided again by verify', journal.verified, ''),
  figure('effects run again under their key', journal.resumed, ''),
  figure('drains', told.get('controller.ActionAccepted') ?? 0, ''),
  figure('nodes cordoned', world.cordons, ''),
  figure('pods evicted', world.evicted, ''),
  figure('nodes deleted', world.deletedNodes, ''),
  figure('effects doubled', world.doubled, '', { atMost: 0 }),
  figure('discrepancies of any kind', discrepancies.length, '', { atMost: 0 }),
]

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    format: { type: 'string', default: 'text' },
  },
})
const [kills, seed] = [Number(values.kills), Number(values.seed)]
if (!Number.isSafeInteger(kills) || kills < 1 || !Number.isSafeInteger(seed)) {
  process.stderr.write('bench/kill: --kills and --seed are whole numbers, as in: node bench/kill.ts --kills 1000 --seed 1\n')
  process.exit(2)
}

const { path } = await findNatsServer({ onProgress: (message) => process.stderr.write(`${message}\n`) })
const report = await killAgainAndAgain({
  kills,
  seed,
  natsBinary: path,
  onKill: (count, ledger) => {
    if (count % 50 === 0) process.stderr.write(`bench: ${count} kills, ${ledger.records()} records\n`)
  },
})
const figures = figuresOf(report)
process.stdout.write(
  values.format === 'json'
    ? `${JSON.stringify({ seed, figures, discrepancies: report.discrepancies })}\n`
    : table([
        ['figure', 'value', 'goal'],
        ...figures.map(({ name, value, goal = '' }) => [name, String(Math.round(value)), goal]),
      ]),
)
if (report.folder !== undefined) {
  const said = report.discrepancies.slice(0, 20).join('\n')
  process.stderr.write(
    `${said}\nseed ${seed}; everything is kept in ${report.folder}; the last words:\n${lastWords(report.folder)}\n`,
  )
}
process.exit(report.discrepancies.length === 0 ? 0 : 1)
