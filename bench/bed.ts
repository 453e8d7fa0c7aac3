import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'nats'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { jetstreamJournal } from '../src/adapters/jetstream/journal.ts'
import { ensureStreams } from '../src/adapters/jetstream/streams.ts'
import { findNatsServer } from '../src/adapters/nats-server/find.ts'
import { type NatsServerOptions, startNatsServer } from '../src/adapters/nats-server/start.ts'
import { createActor, type DurableActor } from '../src/runtime/actor.ts'
import { createBreath } from '../src/runtime/breath.ts'
import { systemChance } from '../src/runtime/chance.ts'
import { systemClock } from '../src/runtime/clock.ts'
import type { Ground, Log } from '../src/runtime/ground.ts'
import type { Command } from '../src/runtime/inbox.ts'
import type { Journal } from '../src/runtime/journal.ts'
import { unrestricted } from '../src/runtime/licence.ts'
import { memoryInbox } from '../src/runtime/testing/memory-inbox.ts'
import { createTimers } from '../src/runtime/timers.ts'
import type { ActorDef, Definition } from '../src/runtime/types.ts'

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

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
const typed: ActorDef<typeof counter> = {
  type: 'counter',
  version: 1,
  machine: counter,
  events: { 'counter.Step': { schema: z.strictObject({ note: z.string() }), v: 1, command: true } },
  effects: {},
}
/** Six states, a guard and an assign: the size of our own transitions. */
export const definition: Definition = typed

export const CLUSTER = 'bench'

export type Bed = Awaited<ReturnType<typeof open>>

const open = async (folder: string, options: Partial<NatsServerOptions>) => {
  const { path } = await findNatsServer({ onProgress: (message) => process.stderr.write(`${message}\n`) })
  const server = await startNatsServer({ binary: path, storeFolder: folder, name: 'bench', auth: 'none', ...options })
  const nc = await connect({ servers: server.url })
  const jsm = await ensureStreams(nc, CLUSTER, ['counter'])
  return { folder, server, nc, js: nc.jetstream(), jsm, journal: jetstreamJournal(nc, jsm, CLUSTER) }
}

/** A nats-server with a store of its own for as long as the work takes. */
export const onFreshServer = async <T>(work: (bed: Bed) => Promise<T>, options: Partial<NatsServerOptions> = {}): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'qm-bench-'))
  try {
    const bed = await open(folder, options)
    try {
      return await work(bed)
    } finally {
      await bed.nc.close()
      await bed.server.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export const groundOf = (journal: Journal, process = 'bench'): Ground => ({
  process,
  journal,
  inbox: memoryInbox(),
  clock: systemClock,
  chance: systemChance,
  timers: createTimers(systemClock),
  breath: createBreath(),
  licence: unrestricted,
  log: silent,
})

export const command = (id: string, n: number): Command => ({
  type: 'counter',
  verb: 'Step',
  id,
  cmd: `${id}-${n}`,
  payload: { note: `note number ${n}` },
  sentAt: Date.now(),
})

export const born = async (journal: Journal, id: string): Promise<DurableActor> => {
  const actor = createActor(groundOf(journal), definition, { type: 'counter', id })
  await actor.receive({ ...command(id, 0), verb: '$Spawn', payload: {} })
  return actor
}

export const perSecond = (count: number, startedAt: number): number => count / ((performance.now() - startedAt) / 1000)
