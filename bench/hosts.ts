import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Host, startHost } from '../src/runtime/host.ts'
import type { Journal } from '../src/runtime/journal.ts'
import { freeLeases } from '../src/runtime/testing/memory-leases.ts'
import type { Commit } from '../src/runtime/types.ts'
import { type Bed, born, command, definition, groundOf } from './bed.ts'
import { type Figure, figure } from './figures.ts'

const RECOVERED = 10_000
const COMMITS = 10
const RESIDENT = 20_000
/** Actors whose journals are written at the same time. */
const WRITERS = 500

/** One actor's first commits, as the runtime writes them. */
const pattern = async (journal: Journal): Promise<readonly Commit[]> => {
  const actor = await born(journal, 'pattern')
  for (let n = 1; n < COMMITS; n++) await actor.receive(command('pattern', n))
  const commits: Commit[] = []
  await journal.read(actor.self, 0, ({ commit }) => void commits.push(commit))
  return commits
}

export const written = async (journal: Journal, actors: number): Promise<void> => {
  const commits = await pattern(journal)
  const ids = Array.from({ length: actors - 1 }, (_, index) => `actor-${index}`).values()
  const writer = async (): Promise<void> => {
    for (const id of ids) {
      let seq = 0
      for (const commit of commits) seq = await journal.append({ type: 'counter', id }, commit, seq)
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, writer))
}

const NEXT = 'successor'
const hostOf = (journal: Journal): Host =>
  startHost({
    ground: groundOf(journal, NEXT),
    leases: freeLeases,
    definitions: [definition],
    root: { address: { type: 'counter', id: 'pattern' } },
    residents: 2 * RESIDENT,
  })
const claimed = async (host: Host, actors: number): Promise<void> => {
  const isClaimed = (): boolean => {
    const all = host.actors()
    return all.length === actors && all.every((actor) => actor.book()?.own.startsWith(`${NEXT}.`))
  }
  while (!isClaimed()) await new Promise((resolve) => setTimeout(resolve, 100))
}

/** A process that takes over: until it serves, and until it has claimed every journal. */
export const recovered = async ({ journal }: Bed): Promise<readonly Figure[]> => {
  await written(journal, RECOVERED)
  const startedAt = performance.now()
  const host = hostOf(journal)
  await host.ready
  const ready = (performance.now() - startedAt) / 1000
  await claimed(host, RECOVERED)
  const owned = (performance.now() - startedAt) / 1000
  await host.stop()
  const what = `${RECOVERED.toLocaleString('en-US')} actors of ${COMMITS} commits`
  return [
    figure(`${what}: recovered and served`, ready, 's', { atMost: 2 }),
    figure(`${what}: every journal claimed`, owned, 's'),
  ]
}

const collect = (): NodeJS.MemoryUsage => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  gc()
  gc()
  return process.memoryUsage()
}

/** What actors cost that are in memory and do nothing. */
export const residents = async ({ journal }: Bed): Promise<readonly Figure[]> => {
  await written(journal, RESIDENT)
  const before = collect()
  const host = hostOf(journal)
  await host.ready
  await claimed(host, RESIDENT)
  const after = collect()
  const figures = [
    figure(
      `heap of a resident actor, of ${RESIDENT.toLocaleString('en-US')}`,
      (after.heapUsed - before.heapUsed) / RESIDENT,
      'B',
    ),
    figure('resident memory of the process with them', after.rss / 1e6, 'MB'),
  ]
  await host.stop()
  return figures
}
