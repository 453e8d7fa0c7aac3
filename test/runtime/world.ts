import { assign, emit, setup } from 'xstate'
import { z } from 'zod'
import { systemChance } from '../../src/runtime/chance.ts'
import type { Ground, KillPoint, Log } from '../../src/runtime/ground.ts'
import { type Host, startHost } from '../../src/runtime/host.ts'
import type { Leases } from '../../src/runtime/inbox.ts'
import { invoked, performed, spawned, tell } from '../../src/runtime/intent.ts'
import { type Licence, unrestricted } from '../../src/runtime/licence.ts'
import { type MemoryInbox, memoryInbox } from '../../src/runtime/testing/memory-inbox.ts'
import { type MemoryJournal, memoryJournal } from '../../src/runtime/testing/memory-journal.ts'
import { freeLeases } from '../../src/runtime/testing/memory-leases.ts'
import { settled, type VirtualClock, virtualClock } from '../../src/runtime/testing/virtual-clock.ts'
import { createTimers } from '../../src/runtime/timers.ts'
import type { ActorDef, Definition, EffectContext } from '../../src/runtime/types.ts'

type Event = { readonly at: number } & (
  | { readonly type: 'worker.Begin'; readonly node: string }
  | { readonly type: 'worker.Stop' }
  | { readonly type: 'worker.Poison'; readonly how: 'throw' | 'not json' }
)
type Context = { readonly node: string; readonly rounds: number; readonly odd?: unknown }
type Fact = { readonly type: 'worker.NodeEmptied'; readonly node: string }

/** Cordons, evicts, cools down: three effects, a timer, a fact and a child. */
const worker = setup({
  types: { context: {} as Context, events: {} as Event, emitted: {} as Fact },
  actors: {
    cordon: invoked<void, { readonly node: string }>(),
    evict: invoked<{ readonly pods: number }, { readonly node: string }>(),
    helper: spawned<{ readonly counted: number }, { readonly node: string }>(),
  },
  actions: { audit: performed<{ readonly node: string }>(), tell },
  delays: { cooldown: 1_000 },
}).createMachine({
  id: 'worker',
  context: { node: '', rounds: 0 },
  initial: 'idle',
  on: {
    'worker.Poison': {
      actions: assign(({ event }) => {
        if (event.how === 'throw') throw new Error('a guard or assign threw')
        return { odd: new Date(0) }
      }),
    },
  },
  states: {
    idle: {
      on: {
        'worker.Begin': {
          target: 'cordoning',
          actions: [
            assign({ node: ({ event }) => event.node }),
            { type: 'audit', params: ({ event }) => ({ node: event.node }) },
          ],
        },
      },
    },
    cordoning: {
      on: { 'worker.Stop': 'idle' },
      invoke: { src: 'cordon', input: ({ context }) => ({ node: context.node }), onDone: 'evicting', onError: 'idle' },
    },
    evicting: {
      on: { 'worker.Stop': 'idle' },
      invoke: {
        src: 'evict',
        input: ({ context }) => ({ node: context.node }),
        onDone: { target: 'counting', actions: emit(({ context }) => ({ type: 'worker.NodeEmptied', node: context.node })) },
      },
    },
    counting: {
      on: { 'worker.Stop': 'idle' },
      invoke: {
        src: 'helper',
        id: 'helper',
        input: ({ context }) => ({ node: context.node }),
        onDone: { target: 'cooling', actions: assign({ rounds: ({ context, event }) => context.rounds + event.output.counted }) },
      },
    },
    cooling: { after: { cooldown: 'idle' } },
  },
})

const helper = setup({
  types: {
    context: {} as { node: string },
    events: {} as { readonly type: 'helper.Never' },
    output: {} as { counted: number },
    input: {} as { node: string },
  },
  actors: { count: invoked<number, { readonly node: string }>() },
}).createMachine({
  id: 'helper',
  context: ({ input }) => ({ node: input?.node ?? '' }),
  output: () => ({ counted: 1 }),
  initial: 'counting',
  states: {
    counting: { invoke: { src: 'count', input: ({ context }) => ({ node: context.node }), onDone: 'done' } },
    done: { type: 'final' },
  },
})

type Call = { readonly effect: string; readonly key: string; readonly attempt: number }
export const self = { type: 'worker', id: 'one' }

/** What an effect does to the world in a test; the default succeeds at once. */
export type Behaviour = (call: Call, context: EffectContext) => Promise<unknown>

const definitions = (calls: Call[], behave: Behaviour): readonly Definition[] => {
  const effect = (name: string) => ({
    reach: 'disruptive' as const,
    idempotency: 'natural' as const,
    timeoutMs: 10_000,
    run: async (_: unknown, context: EffectContext): Promise<any> => {
      const call = { effect: name, key: context.key, attempt: context.attempt }
      calls.push(call)
      return behave(call, context)
    },
  })
  const workerDef: ActorDef<typeof worker> = {
    type: 'worker',
    version: 1,
    machine: worker,
    events: {
      'worker.Begin': { schema: z.strictObject({ node: z.string().min(1) }), v: 1, command: true },
      'worker.Stop': { schema: z.strictObject({}), v: 1, command: true },
      'worker.Poison': { schema: z.strictObject({ how: z.enum(['throw', 'not json']) }), v: 1, command: true },
    },
    effects: { cordon: effect('cordon'), evict: effect('evict'), audit: effect('audit') },
    children: { helper: { type: 'helper', id: 'parent' } },
  }
  const helperDef: ActorDef<typeof helper> = {
    type: 'helper',
    version: 1,
    machine: helper,
    events: { 'helper.Never': { schema: z.strictObject({}), v: 1 } },
    effects: { count: effect('count') },
  }
  return [workerDef, helperDef]
}

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export type Story = {
  readonly journal: MemoryJournal
  readonly inbox: MemoryInbox
  readonly clock: VirtualClock
  readonly calls: Call[]
  /** A process hosting the actors; `reach` may kill it there by never resolving. */
  readonly process: (
    name: string,
    options?: { reach?: (point: KillPoint, detail: string) => Promise<void>; licence?: Licence; leases?: Leases },
  ) => Promise<Host>
  readonly state: () => unknown
}

/** One journal, one inbox, one clock: processes come and go. */
export const story = (behave: Behaviour = async ({ effect }) => ({ pods: effect.length })): Story => {
  const journal = memoryJournal()
  const clock = virtualClock()
  const inbox = memoryInbox(clock.now)
  const calls: Call[] = []
  return {
    journal,
    inbox,
    clock,
    calls,
    process: async (name, { reach, licence = unrestricted, leases = freeLeases } = {}) => {
      const ground: Ground = {
        process: name,
        journal,
        inbox,
        clock,
        chance: systemChance,
        timers: createTimers(clock),
        licence,
        log: silent,
        ...(reach && { reach }),
      }
      const host = startHost({ ground, leases, definitions: definitions(calls, behave), root: { address: self } })
      await Promise.race([host.ready, settled()]) // a process killed at its first step is never ready
      await settled()
      return host
    },
    state: () => journal.of(self).at(-1)?.to,
  }
}
