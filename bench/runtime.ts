import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'nats'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { jetstreamInbox } from '../src/adapters/jetstream/inbox.ts'
import { jetstreamJournal } from '../src/adapters/jetstream/journal.ts'
import { ensureStreams } from '../src/adapters/jetstream/streams.ts'
import { findNatsServer } from '../src/adapters/nats-server/find.ts'
import { startNatsServer } from '../src/adapters/nats-server/start.ts'
import { createActor } from '../src/runtime/actor.ts'
import { systemChance } from '../src/runtime/chance.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { type Book, book } from '../src/runtime/fold.ts'
import type { Ground, Log } from '../src/runtime/ground.ts'
import { unrestricted } from '../src/runtime/licence.ts'
import { recover } from '../src/runtime/recover.ts'
import { createTimers } from '../src/runtime/timers.ts'
import { type ActorDef, addressOf } from '../src/runtime/types.ts'
import { type Figure, figure, median } from './figures.ts'

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Six states, a guard and an assign: the size of our own transitions. */
type Context = { readonly count: number; readonly last: string }
type Step = { readonly type: 'counter.Step'; readonly at: number; readonly note: string }
const counted = assign<Context, Step, undefined, Step, never>({
  count: ({ context }) => context.count + 1,
  last: ({ event }) => event.note,
})
const next = (target: 'a' | 'b' | 'c' | 'd' | 'e' | 'f') => ({
  on: {
    'counter.Step': [
      { guard: 'often' as const, target, actions: counted },
      { target: 'a', actions: counted },
    ],
  },
})
const counter = setup({
  types: { context: {} as Context, events: {} as Step },
  guards: { often: ({ context }) => context.count % 10 !== 9 },
}).createMachine({
  id: 'counter',
  context: { count: 0, last: '' },
  initial: 'a',
  states: { a: next('b'), b: next('c'), c: next('d'), d: next('e'), e: next('f'), f: next('a') },
})
const definition: ActorDef<typeof counter> = {
  type: 'counter',
  version: 1,
  machine: counter,
  events: { 'counter.Step': { schema: z.strictObject({ note: z.string() }), v: 1, command: true } },
  effects: {},
}

const open = async (folder: string) => {
  const binary = await findNatsServer({ onProgress: (message) => process.stderr.write(`${message}\n`) })
  const server = await startNatsServer({ binary: binary.path, storeFolder: folder, name: 'bench', auth: 'none' })
  const nc = await connect({ servers: server.url })
  const jsm = await ensureStreams(nc, 'bench', ['counter'])
  const js = nc.jetstream()
  return { server, nc, js, jsm, journal: jetstreamJournal(js, jsm, 'bench'), inbox: jetstreamInbox(nc, js, jsm, 'bench') }
}
type Bed = Awaited<ReturnType<typeof open>>

const groundOf = ({ journal, inbox }: Bed): Ground => ({
  process: 'bench',
  journal,
  inbox,
  clock: systemClock,
  chance: systemChance,
  timers: createTimers(systemClock),
  licence: unrestricted,
  log: silent,
})

const perSecond = (count: number, startedAt: number): number => count / ((performance.now() - startedAt) / 1000)
const command = (id: string, n: number) => ({
  type: 'counter',
  verb: 'Step',
  id,
  cmd: `${id}-${n}`,
  payload: { note: `note number ${n}` },
  sentAt: Date.now(),
})

const born = async (bed: Bed, id: string) => {
  const actor = createActor(groundOf(bed), definition, { type: 'counter', id })
  await actor.receive({ ...command(id, 0), verb: '$Spawn', payload: {} })
  return actor
}

const SEQUENTIAL = 2_000
const ROUNDS = 5

/** One actor beside raw publishes of the same bytes, in turns, so that both see the same machine. */
const sequential = async (bed: Bed): Promise<readonly Figure[]> => {
  const raw: number[] = []
  const journaled: number[] = []
  const actor = await born(bed, 'single')
  let bytes = 0
  for (let round = 0, n = 1; round < ROUNDS; round++) {
    const startedAt = performance.now()
    for (let end = n + SEQUENTIAL; n < end; n++) await actor.receive(command('single', n))
    journaled.push(perSecond(SEQUENTIAL, startedAt))
    const last = await bed.journal.last(actor.self)
    const payload = Buffer.from(JSON.stringify(last?.commit))
    bytes = payload.length
    const subject = `qm.bench.journal.raw.r${round}`
    const rawAt = performance.now()
    let seq = 0
    for (let index = 0; index < SEQUENTIAL; index++)
      seq = (await bed.js.publish(subject, payload, { expect: { lastSubjectSequence: seq } })).seq
    raw.push(perSecond(SEQUENTIAL, rawAt))
  }
  return [
    figure('raw sequential JetStream publishes', median(raw), '/s'),
    figure('journaled transitions, one actor', median(journaled), '/s'),
    figure('journaled to raw', median(journaled.map((value, index) => (100 * value) / (raw[index] ?? 1))), '%', { atLeast: 70 }),
    figure('bytes of a commit', bytes, 'B'),
  ]
}

const ACTORS = 200
const STEPS = 100

const parallel = async (bed: Bed): Promise<readonly Figure[]> => {
  const actors = await Promise.all(Array.from({ length: ACTORS }, (_, index) => born(bed, `many-${index}`)))
  const startedAt = performance.now()
  await Promise.all(
    actors.map(async (actor) => {
      for (let n = 1; n <= STEPS; n++) await actor.receive(command(actor.self.id, n))
    }),
  )
  return [figure(`journaled transitions, ${ACTORS} actors`, perSecond(ACTORS * STEPS, startedAt), '/s', { atLeast: 15_000 })]
}

/** The fold beside reading and parsing the same stream, in turns. */
const recovery = async ({ journal }: Bed): Promise<readonly Figure[]> => {
  const read: number[] = []
  const folded: number[] = []
  for (let round = 0; round < 3; round++) {
    let count = 0
    const readAt = performance.now()
    await journal.readAll(0, () => count++)
    read.push(perSecond(count, readAt))
    const foldAt = performance.now()
    await recover(journal, ['counter', 'raw']).read('counter')
    folded.push(perSecond(count, foldAt))
  }
  const inMemory: { readonly seq: number; readonly id: string; readonly commit: Parameters<typeof book>[2] }[] = []
  await journal.readAll(0, ({ seq, type, id, record }) => {
    if (type === 'counter' && id !== undefined && 'n' in record) inMemory.push({ seq, id, commit: record })
  })
  const books = new Map<string, Book>()
  const startedAt = performance.now()
  for (const { seq, id, commit } of inMemory) {
    const self = { type: 'counter', id }
    books.set(addressOf(self), book(books.get(addressOf(self)), self, commit, seq))
  }
  return [
    figure('journal read and parsed', median(read), '/s'),
    figure('journal read, parsed and folded', median(folded), '/s', { atLeast: 150_000 }),
    figure('folded to read', median(folded.map((value, index) => (100 * value) / (read[index] ?? 1))), '%', { atLeast: 85 }),
    figure('fold alone, in memory', perSecond(inMemory.length, startedAt), '/s'),
  ]
}

/** The journal's figures on one nats-server of the default settings, on a store of its own. */
export const run = async (): Promise<readonly Figure[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'qm-bench-'))
  const bed = await open(folder)
  try {
    return [...(await sequential(bed)), ...(await parallel(bed)), ...(await recovery(bed))]
  } finally {
    await bed.nc.close()
    await bed.server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
