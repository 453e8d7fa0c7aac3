import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { table } from '../src/commands/table.ts'
import { type Figure, figure } from './figures.ts'
import { type PlannerInput, plannerInputs } from './planner/inputs.ts'
import type { Run } from './planner/run.ts'

const RUNNER = join(import.meta.dirname, 'planner/run.ts')
/** The second as the program itself has it (main.ts' first line). */
const FLAGS = ['--expose-gc', '--max-semi-space-size=4']
const planned = (name: string, evictions?: number): Run =>
  JSON.parse(
    execFileSync(process.execPath, [...FLAGS, RUNNER, name, ...(evictions === undefined ? [] : [String(evictions)])], {
      encoding: 'utf8',
    }),
  )

const curve = ({ name }: PlannerInput, { found }: Run): string => {
  const rows = found.map(({ ms, gap, evictions }) => [`${Math.round(ms)} ms`, `${gap.toFixed(2)} %`, String(evictions)])
  return `${name}\n${table([['plan after', 'above the bound', 'evictions'], ...rows])}\n`
}
const figuresOf = ({ name, gap, deadlineSeconds, firstMs }: PlannerInput, run: Run): readonly Figure[] => [
  figure(`${name}: $/h above the bound`, run.gap, '%', { atMost: gap }),
  figure(`${name}: $/h now`, run.before, '$'),
  figure(`${name}: $/h planned`, run.after, '$'),
  figure(`${name}: $/h bound`, run.bound, '$'),
  figure(`${name}: nodes kept, of ${run.nodes}`, run.nodes - run.freed, ''),
  figure(`${name}: evictions, of ${run.pods} pods`, run.evictions, ''),
  figure(`${name}: evictions for each node freed`, run.evictions / Math.max(1, run.freed), ''),
  figure(`${name}: pods moved twice`, run.movedTwice, '', { atMost: 0 }),
  figure(`${name}: pods that may be left pending`, run.stranded, '', { atMost: 0 }),
  figure(`${name}: first plan that stood the replay`, run.found[0]?.ms ?? Number.NaN, 'ms', { atMost: firstMs }),
  figure(`${name}: done`, run.finalMs, 'ms', { atMost: deadlineSeconds * 1000 * 1.02 }),
  figure(`${name}: memory, the model`, run.modelMib, 'MiB', { atMost: 400 }),
  figure(`${name}: memory, peak of the process while it plans`, run.peakMib, 'MiB', { atMost: 400 }),
]

/** With as many evictions as each peer made of a cluster like this. */
const frontier = ({ name, peers }: PlannerInput): readonly Figure[] =>
  peers.map((peer) => {
    const { gap } = planned(name, peer.evictions)
    return figure(`${name}: above the bound with the ${peer.evictions} evictions of ${peer.name}`, gap, '%', { atMost: peer.gap })
  })

/** Plans against their bound, on clusters of the openb trace and synthetic ones. */
export const run = async (): Promise<readonly Figure[]> =>
  plannerInputs.flatMap((input) => {
    const best = planned(input.name)
    process.stderr.write(curve(input, best))
    return [...figuresOf(input, best), ...frontier(input)]
  })
