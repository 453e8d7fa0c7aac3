import { parseArgs, styleText } from 'node:util'
import { table } from '../src/commands/table.ts'
import type { Figure } from './figures.ts'

const benches: Readonly<Record<string, () => Promise<{ readonly run: () => Promise<readonly Figure[]> }>>> = {
  runtime: () => import('./runtime.ts'),
  size: () => import('./size.ts'),
  agent: () => import('./agent.ts'),
  controller: () => import('./controller.ts'),
  commits: () => import('./commits.ts'),
  metrics: () => import('./metrics.ts'),
  failover: () => import('./failover.ts'),
  history: () => import('./history.ts'),
  start: () => import('./start.ts'),
  contract: () => import('./contract.ts'),
  redaction: () => import('./redaction.ts'),
  model: () => import('./model.ts'),
  fit: () => import('./fit.ts'),
  planner: () => import('./planner.ts'),
  plans: () => import('./plans.ts'),
  scores: () => import('./scores.ts'),
  real: () => import('./real.ts'),
  drains: () => import('./drains.ts'),
}

const { values, positionals } = parseArgs({ options: { format: { type: 'string', default: 'text' } }, allowPositionals: true })
const names = positionals.length > 0 ? positionals : Object.keys(benches)
const unknown = names.find((name) => !(name in benches))
if (unknown !== undefined) {
  process.stderr.write(`bench: there is no "${unknown}"; there are ${Object.keys(benches).join(', ')}\n`)
  process.exit(2)
}

const figures: Figure[] = []
for (const name of names) {
  process.stderr.write(`bench: ${name} …\n`)
  const bench = await benches[name]?.()
  figures.push(...((await bench?.run()) ?? []))
}

const shown = ({ name, value, unit, goal = '', ok }: Figure) => [
  name,
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(2),
  unit,
  goal,
  ok === undefined ? '' : ok ? styleText('green', 'ok') : styleText('red', 'missed'),
]
process.stdout.write(
  values.format === 'json'
    ? `${JSON.stringify({ figures })}\n`
    : table([['figure', 'value', 'unit', 'goal', ''], ...figures.map(shown)]),
)
process.exit(0)
