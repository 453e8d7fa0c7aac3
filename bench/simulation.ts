import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { table } from '../src/commands/table.ts'
import { playOf } from '../test/simulation/plays.ts'
import { simulate } from '../test/simulation/simulate.ts'
import { counted, coverageIn, emptyTally, merged, type Tally } from '../test/simulation/tally.ts'
import type { Share } from '../test/simulation/worker.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20000' },
    from: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '3600' },
    seed: { type: 'string' },
  },
})

const replayOf = (seed: number): string => `npx node bench/simulation.ts --seed ${seed}`

/** One world again, with everything that happened in it. */
const replay = async (seed: number): Promise<Tally> => {
  const tally = emptyTally()
  counted(tally, await simulate(seed, { play: playOf(seed), trace: (line) => process.stdout.write(`${line}\n`) }))
  return tally
}

/** So many worlds a thread plays: the killed processes of a world never end, and keep their memory as long as it lives. */
const WORLDS = 1_000

/** Many worlds over all cores, until there are enough, the time is over or a promise was not kept. */
const playAll = async (from: number, end: number, until: number): Promise<Tally> => {
  const tally = emptyTally()
  const step = availableParallelism()
  const playing = new Set<Worker>()
  const hear = (more: Tally): void => {
    merged(tally, more)
    process.stderr.write(`\r${tally.seeds} seeds, ${tally.violations.length} violations `)
    if (tally.violations.length > 0) for (const each of playing) void each.terminate()
  }
  const play = (share: Share): Promise<void> =>
    new Promise((resolve, reject) => {
      // Most of what a world makes is gone with it.
      const resourceLimits = { maxYoungGenerationSizeMb: 64 }
      const worker = new Worker(new URL('../test/simulation/worker.ts', import.meta.url), { workerData: share, resourceLimits })
      playing.add(worker)
      worker.on('message', hear)
      worker.on('error', reject)
      worker.on('exit', () => {
        playing.delete(worker)
        resolve()
      })
    })
  const lane = async (first: number): Promise<void> => {
    for (let next = first; next < end && Date.now() < until && tally.violations.length === 0; next += step * WORLDS)
      await play({ from: next, end: Math.min(end, next + step * WORLDS), step, until })
  }
  await Promise.all(Array.from({ length: step }, (_, index) => lane(from + index)))
  process.stderr.write('\n')
  return tally
}

const startedAt = performance.now()
const from = Number(values.from)
const tally =
  values.seed === undefined
    ? await playAll(from, from + Number(values.seeds), Date.now() + Number(values.seconds) * 1_000)
    : await replay(Number(values.seed))
const seconds = (performance.now() - startedAt) / 1_000
const { visited, all, missing } = coverageIn(tally)
const count = (value: number): string => Math.round(value).toLocaleString('en-US')

process.stdout.write(
  table([
    ['what', 'how much'],
    ['seeds', `${count(tally.seeds)} in ${seconds.toFixed(1)} s, ${(tally.seeds / seconds).toFixed(1)}/s`],
    ['transitions', `${count(tally.transitions)}, at least ${tally.leastTransitions} a seed`],
    ['effects run', count(tally.effects)],
    ['commands', count(tally.commands)],
    ['simulated time', `${(tally.lastedMs / 3_600_000).toFixed(1)} h`],
    ['states visited', `${visited} of ${all}${missing.length > 0 ? `; not ${missing.join(', ')}` : ''}`],
    ['faults', `at least ${tally.leastFaults} a seed`],
    ...Object.entries(tally.faults)
      .toSorted(([, a], [, b]) => b - a)
      .map(([kind, times]) => [`  ${kind}`, count(times)]),
    ['violations', count(tally.violations.length)],
  ]),
)
for (const { seed, detail } of tally.violations) process.stdout.write(`seed ${seed}: ${detail}\nagain: ${replayOf(seed)}\n`)
process.exit(tally.violations.length > 0 ? 1 : 0)
