import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { headers } from 'nats'
import { objectArchive } from '../src/adapters/jetstream/archive.ts'
import { publisher } from '../src/adapters/jetstream/publish.ts'
import { roomIn } from '../src/adapters/jetstream/room.ts'
import type { Chapter } from '../src/runtime/archive.ts'
import type { Stored } from '../src/runtime/journal.ts'
import { addressOf } from '../src/runtime/types.ts'
import { type Bed, CLUSTER, onFreshServer } from './bed.ts'
import { type Replica, replicas } from './corpus.ts'
import { drainOf } from './drain.ts'
import { type Figure, figure } from './figures.ts'

const REPLICAS = 120
const WRITERS = 200
const ANSWER_MS = 10_000
/** As many actors as the keeper archives together. */
const TOGETHER = 2_000

const GIB = 2 ** 30
const VOLUME = 20 * GIB
const A_DAY = 1_000_000
const DAYS = 365
const { events, commands = 0, snapshots, history } = roomIn(VOLUME)
/** Bytes for everything else, if all of it is full; a gibibyte: the objects. */
const OTHERS = events + commands + snapshots + history + GIB

/** Bytes in all files of a folder. */
const onDisk = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)

const LOOK_MS = 3_000
/** The server writes its index some time after the records: looked at until nothing changes. */
const settledOnDisk = async (folder: string): Promise<number> => {
  for (let before = onDisk(folder); ; ) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    const now = onDisk(folder)
    if (now === before) return now
    before = now
  }
}

const write = async ({ nc }: Bed, all: readonly Replica[]): Promise<readonly Stored[]> => {
  const publish = publisher(nc, ANSWER_MS)
  const rows = all.entries()
  const stored: Stored[] = []
  const writer = async (): Promise<void> => {
    for (const [index, { subject, actor, commit }] of rows) {
      // As large as an actor's, without its order: which of the writers comes first does not matter here.
      const fence = headers()
      fence.append('Qm-As-Long-As-The-Fence-Of-An-Actor', '123456')
      const { seq } = await publish(subject.replace('.demo.', `.${CLUSTER}.`), Buffer.from(JSON.stringify(commit)), fence)
      stored[index] = { seq, actor, commit }
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, writer))
  return stored
}

const chaptersOf = (stored: readonly Stored[]): readonly Chapter[] =>
  [...Map.groupBy(stored, ({ actor }) => addressOf(actor)).values()].map((commits) => ({
    actor: (commits[0] as Stored).actor,
    commits,
  }))

const measured = async (bed: Bed) => {
  const store = join(bed.folder, 'jetstream')
  const all = [...replicas(REPLICAS)]
  const stored = await write(bed, all)
  const journal = await bed.jsm.streams.info('JOURNAL')
  const disk = await settledOnDisk(store)
  const archive = await objectArchive(bed.nc, bed.js, bed.jsm)
  const chapters = chaptersOf(stored)
  for (let first = 0; first < chapters.length; first += TOGETHER) await archive.write(chapters.slice(first, first + TOGETHER))
  const archived = await bed.jsm.streams.info('OBJ_archive')
  return {
    commits: stored.length,
    text: all.reduce((sum, { commit }) => sum + Buffer.byteLength(JSON.stringify(commit)), 0) / all.length,
    counted: journal.state.bytes / stored.length,
    disk: disk / stored.length,
    archived: archived.state.bytes / stored.length,
  }
}

/** What a busy cluster's journal takes, and whether a year of it fits: measured bytes, then arithmetic. */
export const run = async (): Promise<readonly Figure[]> => {
  const bytes = await onFreshServer(measured)
  const archive = bytes.archived * A_DAY * DAYS
  const days = (VOLUME - OTHERS - archive) / (bytes.disk * A_DAY)
  const [few, many] = [drainOf(25), drainOf(250)]
  return [
    figure('commits of the recorded run, each replica with ids of its own', bytes.commits, ''),
    figure('a commit as JSON', bytes.text, 'B'),
    figure('in JOURNAL, as NATS counts it', bytes.counted, 'B'),
    figure('in JOURNAL, on disk', bytes.disk, 'B'),
    figure('in the archive', bytes.archived, 'B'),
    figure('archive of a million commits a day for a year', archive / GIB, 'GiB'),
    figure('everything else at its limits: EVENTS, history, objects, commands, snapshots', OTHERS / GIB, 'GiB'),
    figure('days in JOURNAL for which a volume of 20 GiB then has room', days, 'days', { atLeast: 2 }),
    figure('drain of 250 pods: all commits of the drain-node', many.total / 1000, 'kB'),
    figure('drain of 250 pods: its largest commit', many.largest / 1000, 'kB', { atMost: 24 }),
    figure('the same in a drain of 25 pods', few.largest / 1000, 'kB'),
    figure('drain of 250 pods: a commit for a pod that is gone', many.lastGone, 'B'),
    figure('the same in a drain of 25 pods', few.lastGone, 'B'),
    figure('growth from 25 to 250 pods', (100 * many.lastGone) / few.lastGone - 100, '%', { atMost: 1 }),
  ]
}
