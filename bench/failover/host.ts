import { connect } from 'nats'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { jetstreamInbox } from '../../src/adapters/jetstream/inbox.ts'
import { jetstreamJournal } from '../../src/adapters/jetstream/journal.ts'
import { kvLeases } from '../../src/adapters/jetstream/leases.ts'
import { createBreath } from '../../src/runtime/breath.ts'
import { systemChance } from '../../src/runtime/chance.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import type { Ground, Log } from '../../src/runtime/ground.ts'
import { startHost } from '../../src/runtime/host.ts'
import { performed } from '../../src/runtime/intent.ts'
import { unrestricted } from '../../src/runtime/licence.ts'
import { createTimers } from '../../src/runtime/timers.ts'
import type { ActorDef } from '../../src/runtime/types.ts'

const CLUSTER = 'bench'
const Beginning = z.object({ url: z.string(), name: z.string() })

type Step = { readonly type: 'counter.Step'; readonly at: number }
/** Counts, and reaches out into the world with every step. */
const counter = setup({
  types: { context: {} as { readonly count: number }, events: {} as Step },
  actions: { reachOut: performed<Record<string, never>>() },
}).createMachine({
  id: 'counter',
  context: { count: 0 },
  initial: 'counting',
  states: {
    counting: {
      on: {
        'counter.Step': { actions: [assign({ count: ({ context }) => context.count + 1 }), { type: 'reachOut', params: {} }] },
      },
    },
  },
})

const warn: Log['warn'] = (fields, message) => void process.stderr.write(`${message} ${JSON.stringify(fields)}\n`)
const log: Log = { debug: () => {}, info: () => {}, warn, error: warn }

/** One process that hosts the counter, or waits for its turn. */
const begin = async (message: unknown): Promise<void> => {
  const { url, name } = Beginning.parse(message)
  const nc = await connect({ servers: url, maxReconnectAttempts: -1 })
  const jsm = await nc.jetstreamManager()
  const js = nc.jetstream()
  const definition: ActorDef<typeof counter> = {
    type: 'counter',
    version: 1,
    machine: counter,
    events: { 'counter.Step': { schema: z.strictObject({}), v: 1, command: true } },
    effects: {
      reachOut: {
        reach: 'disruptive',
        idempotency: 'natural', // nobody counts them
        timeoutMs: 1_000,
        run: async () => nc.publish('bench.reached', name),
      },
    },
  }
  const ground: Ground = {
    process: name,
    journal: jetstreamJournal(nc, jsm, CLUSTER),
    inbox: jetstreamInbox(nc, js, jsm, CLUSTER),
    clock: systemClock,
    chance: systemChance,
    timers: createTimers(systemClock),
    breath: createBreath(),
    licence: unrestricted,
    log,
  }
  const root = { address: { type: 'counter', id: 'main' } }
  const host = startHost({ ground, leases: await kvLeases(js), definitions: [definition], root })
  process.once('SIGTERM', () => void host.stop().then(() => process.exit(0)))
  process.send?.('waiting')
  await host.ready
}

process.once('message', (message) => void begin(message))
process.once('disconnect', () => process.exit(1)) // the bench is gone
