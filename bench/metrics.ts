import { createMetrics } from '../src/adapters/metrics/registry.ts'
import { runtimeMeter } from '../src/adapters/metrics/runtime.ts'
import { createActor, type DurableActor } from '../src/runtime/actor.ts'
import type { Journal } from '../src/runtime/journal.ts'
import type { Meter } from '../src/runtime/meter.ts'
import type { Commit } from '../src/runtime/types.ts'
import { command, definition, groundOf, onFreshServer } from './bed.ts'
import { type Figure, figure, median, percentages } from './figures.ts'

const ROUNDS = 41
const ACTORS = 50
const STEPS = 60
const CALLS = 200_000

/** CPU time of this process, all its threads: what else the machine does is not in it. */
const cpuMicros = (): number => {
  const { user, system } = process.cpuUsage()
  return user + system
}

const begun = async (journal: Journal, id: string, meter: Meter | undefined): Promise<DurableActor> => {
  const ground = { ...groundOf(journal), meter }
  const actor = createActor(ground, definition, { type: 'counter', id })
  await actor.receive({ ...command(id, 0), verb: '$Spawn', payload: {} })
  return actor
}

/** Microseconds of CPU per commit, over many actors at once as in a busy process. */
const microsPerCommit = async (journal: Journal, name: string, meter: Meter | undefined): Promise<number> => {
  const actors = await Promise.all(Array.from({ length: ACTORS }, (_, index) => begun(journal, `${name}-${index}`, meter)))
  const before = cpuMicros()
  await Promise.all(
    actors.map(async (actor) => {
      for (let n = 1; n <= STEPS; n++) await actor.receive(command(actor.self.id, n))
    }),
  )
  return (cpuMicros() - before) / (ACTORS * STEPS)
}

/**
 * Commits counted and not, in turns; the first rounds warm up. What counting costs is less than one round differs from the
 * next: the goal is judged by what it costs alone, as a share of a commit.
 * @param nanos what counting a commit and its command costs
 */
const counted = async (journal: Journal, nanos: number): Promise<readonly Figure[]> => {
  const meter = runtimeMeter(createMetrics())
  const [plain, metered]: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round++) {
    const turns = [
      async () => void plain.push(await microsPerCommit(journal, `plain-${round}`, undefined)),
      async () => void metered.push(await microsPerCommit(journal, `metered-${round}`, meter)),
    ]
    for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn()
  }
  const [before, after] = [plain.slice(3), metered.slice(3)]
  return [
    figure('CPU of a commit, not counted', median(before), 'µs'),
    figure('CPU of a commit, counted', median(after), 'µs'),
    figure('counted to not counted', median(percentages(after, before)), '%'),
    figure('counting, of the CPU of a commit', (100 * nanos) / (1_000 * median(before)), '%', { atMost: 2 }),
  ]
}

/** What the meter alone costs. */
const alone = (): readonly Figure[] => {
  const meter = runtimeMeter(createMetrics())
  const self = { type: 'counter', id: 'a' }
  const nanos = (call: (index: number) => void): number => {
    const before = cpuMicros()
    for (let index = 0; index < CALLS; index++) call(index)
    return ((cpuMicros() - before) * 1_000) / CALLS
  }
  const record = {} as Commit
  const sent = command('a', 1)
  return [
    figure(
      'counting a commit',
      nanos((index) => meter.committed(self, record, index % 50)),
      'ns',
    ),
    figure(
      'counting a command',
      nanos(() => meter.decided(sent, { ok: true, n: 1, to: 'a' })),
      'ns',
    ),
    figure(
      'counting an attempt of an effect',
      nanos(() => meter.attempted(self, 'drain')()),
      'ns',
    ),
  ]
}

/** What it costs to be counted. */
export const run = async (): Promise<readonly Figure[]> => {
  const calls = alone()
  const nanos = (calls[0]?.value ?? Number.NaN) + (calls[1]?.value ?? Number.NaN)
  return [...calls, ...(await onFreshServer(({ journal }) => counted(journal, nanos)))]
}
