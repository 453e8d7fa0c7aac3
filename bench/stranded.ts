import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { priceOf } from '../src/actors/evictor/prices.ts'
import { readSnapshot } from '../src/commands/snapshot.ts'
import { table } from '../src/commands/table.ts'
import { Plan, Policy, Prices } from '../src/events/plan.ts'
import { findOracle } from '../test/oracle/binary.ts'
import { type Execution, execute } from '../test/oracle/execute.ts'
import { type Oracle, oracleAt } from '../test/oracle/oracle.ts'
import { type InputName, inputs, writeInput } from './openb/inputs.ts'

const HELP = `node bench/stranded.ts: how many pods of a plan kube-scheduler's own placing leaves pending. Needs Go.

  --input NUMBER     only the inputs of this number (may be repeated): ${Object.keys(inputs)
    .map((name, index) => `${index + 1}: ${name}`)
    .join('; ')}
  --snapshot FILE    instead of those inputs
  --plan FILE        what "plan --format json" said of that snapshot; without it the snapshot is planned first
  --seeds NUMBER     how often it is placed anew (20)
  --ties random|first  among equals: by lot, as schedulers before 1.37, or the first, as 1.37 (random)
  --format text|json
`
const { values } = parseArgs({
  options: {
    input: { type: 'string', multiple: true },
    snapshot: { type: 'string' },
    plan: { type: 'string' },
    seeds: { type: 'string', default: '20' },
    ties: { type: 'string', default: 'random' },
    format: { type: 'string', default: 'text' },
    help: { type: 'boolean', default: false },
  },
})
// Single replicas too: only what no planner may move stays.
const POLICY = { aggressive: true }
const PLANNED = [0, 1]

type Judged = {
  readonly input: string
  readonly plan: Plan
  /** $/h of the nodes that are kept only because a pod would have been left pending. */
  readonly spared: number
  readonly runs: readonly Execution[]
}

const sparedBy = (snapshot: string, { kept }: Plan): number => {
  const { model } = readSnapshot(snapshot, Policy.parse(POLICY))
  const prices = Prices.parse({})
  return kept
    .filter(({ reasons: [first] }) => first?.code === 'WouldStrand')
    .map(({ node }) => model.nodes.get(node)?.object)
    .reduce((sum, node) => sum + (node ? priceOf(node, prices).hourly : 0), 0)
}

const planOf = (snapshot: string, folder: string): Plan => {
  const policy = join(folder, 'policy.json')
  writeFileSync(policy, JSON.stringify(POLICY))
  const args = ['src/main.ts', 'plan', '--snapshot', snapshot, '--policy', policy, '--format', 'json']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 2 ** 30 })
  if (!PLANNED.includes(status ?? -1)) throw new Error(`plan ends with ${status}: ${stderr}`)
  return Plan.parse(JSON.parse(stdout))
}

const judge = async (oracle: Oracle, input: string, snapshot: string, plan: Plan): Promise<Judged> => {
  process.stderr.write(`${input}: ${plan.evictions} evictions, placed ${values.seeds} times …\n`)
  const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => index + 1)
  const randomTies = values.ties === 'random'
  return {
    input,
    plan,
    spared: sparedBy(snapshot, plan),
    runs: await execute(
      oracle,
      snapshot,
      plan,
      seeds.map((seed) => ({ seed, randomTies })),
    ),
  }
}

const judgeAll = async (oracle: Oracle, folder: string): Promise<readonly Judged[]> => {
  if (values.snapshot !== undefined) {
    const plan =
      values.plan === undefined ? planOf(values.snapshot, folder) : Plan.parse(JSON.parse(readFileSync(values.plan, 'utf8')))
    return [await judge(oracle, values.snapshot, values.snapshot, plan)]
  }
  const names = Object.keys(inputs) as InputName[]
  const chosen = values.input === undefined ? names : names.filter((_, index) => values.input?.includes(String(index + 1)))
  const judged: Judged[] = []
  for (const name of chosen) {
    const snapshot = join(folder, 'snapshot.json')
    writeInput(name, snapshot)
    judged.push(await judge(oracle, name, snapshot, planOf(snapshot, folder)))
  }
  return judged
}

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0) / numbers.length
const dollars = (hourly: number): string => `$${hourly.toFixed(0)}`
const row = ({ input, plan: { before, after, bound, evictions, drains }, spared, runs }: Judged): readonly string[] => {
  const pending = runs.map((run) => run.pending.length)
  return [
    input,
    String(drains.length),
    `${dollars(before.hourlyCost)} → ${dollars(after.hourlyCost)} (${dollars(bound.hourlyCost)})`,
    `$${spared.toFixed(2)}`,
    String(evictions),
    `${Math.min(...pending)} … ${mean(pending).toFixed(1)} … ${Math.max(...pending)}`,
    `${pending.filter((count) => count > 0).length} of ${runs.length}`,
    mean(runs.map(({ preempted }) => preempted)).toFixed(1),
    `${((100 * mean(runs.map(({ asPlanned }) => asPlanned))) / Math.max(1, evictions)).toFixed(0)} %`,
  ]
}
const HEAD = [
  'input',
  'drained',
  '$/h → plan (bound)',
  'kept for safety',
  'evictions',
  'pending',
  'of the seeds',
  'driven out',
  'where planned',
]

const main = async (): Promise<void> => {
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'quartermaster-stranded-'))
  try {
    const program = await findOracle({ onProgress: (message) => process.stderr.write(`${message}\n`) })
    const judged = await judgeAll(oracleAt(program), folder)
    const isJson = values.format === 'json'
    process.stdout.write(isJson ? `${JSON.stringify({ judged })}\n` : table([HEAD, ...judged.map(row)]))
    process.exitCode = judged.some(({ runs }) => runs.some(({ pending }) => pending.length > 0)) ? 1 : 0
  } finally {
    rmSync(folder, { recursive: true })
  }
}
await main()
