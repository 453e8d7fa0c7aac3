import { assign, emit, enqueueActions, setup, stopChild } from 'xstate'
import { z } from 'zod'
import { invoked, performed, spawned, tell } from '../../src/runtime/intent.ts'
import type { ActorDef } from '../../src/runtime/types.ts'
import { keyed, nothing } from './sketch.ts'

// Machines made for the simulation: between them they use everything that the runtime offers.

type HubEvent = { readonly at: number } & (
  | { readonly type: 'hub.Hire'; readonly id: string }
  | { readonly type: 'hub.Fire'; readonly id: string }
  | { readonly type: 'hub.Push'; readonly id: string }
  | { readonly type: 'hub.Progress'; readonly id: string }
  | { readonly type: 'hub.Seen'; readonly what: number }
  | {
      readonly type: 'hub.Start' | 'hub.Rest' | 'hub.Watch' | 'hub.Turn' | 'hub.Shut' | 'hub.Reopen' | 'hub.Gamble' | 'hub.Poison'
    }
  | { readonly type: `xstate.done.actor.${string}`; readonly actorId: string; readonly output: unknown }
  | { readonly type: `xstate.error.actor.${string}`; readonly actorId: string; readonly error: unknown }
)
type HubContext = {
  readonly hired: Readonly<Record<string, true>>
  readonly ended: number
  readonly beats: number
  readonly seen: readonly number[]
  readonly odd?: unknown
}
type HubFact = { readonly type: 'hub.Hired' | 'hub.Ended'; readonly id: string } | { readonly type: 'hub.Turned' }

const without = (hired: HubContext['hired'], id: string): HubContext['hired'] => {
  const { [id]: _, ...rest } = hired
  return rest
}
const hub = setup({
  types: { context: {} as HubContext, events: {} as HubEvent, emitted: {} as HubFact },
  actors: {
    worker: spawned<{ readonly outcome: string }, { readonly task: string }>(),
    observe: invoked<void, Record<string, never>>(),
    gamble: invoked<{ readonly won: boolean }, Record<string, never>>(),
  },
  actions: { note: performed<{ readonly beat: number }>(), tell },
  delays: { beat: 400 },
}).createMachine({
  id: 'hub',
  type: 'parallel',
  context: { hired: {}, ended: 0, beats: 0, seen: [] },
  states: {
    staff: {
      on: {
        'hub.Hire': {
          guard: ({ context, event }) => !context.hired[event.id],
          actions: enqueueActions(({ enqueue, context, event }) => {
            enqueue.spawnChild('worker', { id: event.id, input: { task: event.id } })
            enqueue.assign({ hired: { ...context.hired, [event.id]: true as const } })
            enqueue.emit({ type: 'hub.Hired', id: event.id })
          }),
        },
        'hub.Fire': {
          guard: ({ context, event }) => context.hired[event.id] === true,
          actions: enqueueActions(({ enqueue, context, event }) => {
            enqueue.stopChild(event.id)
            enqueue.assign({ hired: without(context.hired, event.id) })
          }),
        },
        'hub.Push': {
          actions: { type: 'tell', params: ({ event }) => ({ to: `worker/${event.id}`, event: { type: 'worker.Push' } }) },
        },
        'hub.Progress': {},
        'xstate.done.actor.*': {
          actions: [
            stopChild(({ event }) => event.actorId),
            assign({
              hired: ({ context, event }) => without(context.hired, event.actorId),
              ended: ({ context }) => context.ended + 1,
            }),
            emit(({ event }) => ({ type: 'hub.Ended', id: event.actorId })),
          ],
        },
        'xstate.error.actor.*': {
          guard: ({ context, event }) => context.hired[event.actorId] === true,
          actions: [
            stopChild(({ event }) => event.actorId),
            assign({
              hired: ({ context, event }) => without(context.hired, event.actorId),
              ended: ({ context }) => context.ended + 1,
            }),
            emit(({ event }) => ({ type: 'hub.Ended', id: event.actorId })),
          ],
        },
        'hub.Poison': {
          actions: assign(({ context }) => {
            if (context.ended % 2 === 0) throw new Error('a guard or assign threw')
            return { odd: new Date(0) }
          }),
        },
      },
    },
    pulse: {
      initial: 'still',
      states: {
        still: { on: { 'hub.Start': 'beating' } },
        beating: {
          on: { 'hub.Rest': 'still' },
          entry: [
            assign({ beats: ({ context }) => context.beats + 1 }),
            { type: 'note', params: ({ context }) => ({ beat: context.beats }) },
          ],
          after: { beat: { target: 'beating', reenter: true } },
        },
      },
    },
    watch: {
      initial: 'blind',
      states: {
        blind: { on: { 'hub.Watch': 'watching' } },
        watching: {
          on: {
            'hub.Rest': 'blind',
            'hub.Seen': { actions: assign({ seen: ({ context, event }) => [...context.seen, event.what].slice(-5) }) },
          },
          invoke: { src: 'observe', id: 'observe', input: {}, onError: 'blind', onDone: 'blind' },
        },
      },
    },
    door: {
      initial: 'open',
      states: {
        open: {
          initial: 'left',
          on: { 'hub.Shut': 'shut' },
          states: {
            left: { on: { 'hub.Turn': { target: 'right', actions: emit({ type: 'hub.Turned' }) } } },
            right: { on: { 'hub.Turn': { target: 'left', actions: emit({ type: 'hub.Turned' }) } } },
            before: { type: 'history' },
          },
        },
        shut: { on: { 'hub.Reopen': 'open.before' } },
      },
    },
    luck: {
      initial: 'none',
      states: {
        none: { on: { 'hub.Gamble': 'trying' } },
        // Its failure has nobody to hear it: it is parked.
        trying: { on: { 'hub.Rest': 'none' }, invoke: { src: 'gamble', id: 'gamble', input: {}, onDone: 'none' } },
      },
    },
  },
})

const named = z.strictObject({ id: z.string() })
const command = (schema: z.ZodType) => ({ schema, v: 1, command: true }) as const

export const hubDef: ActorDef<typeof hub> = {
  type: 'hub',
  version: 1,
  machine: hub,
  events: {
    'hub.Hire': command(named),
    'hub.Fire': command(named),
    'hub.Push': command(named),
    'hub.Progress': { schema: named, v: 1 },
    'hub.Seen': { schema: z.strictObject({ what: z.number() }), v: 1 },
    'hub.Start': command(nothing),
    'hub.Rest': command(nothing),
    'hub.Watch': command(nothing),
    'hub.Turn': command(nothing),
    'hub.Shut': command(nothing),
    'hub.Reopen': command(nothing),
    'hub.Gamble': command(nothing),
    'hub.Poison': command(nothing),
  },
  effects: {
    observe: { ...keyed, timeoutMs: 'activity' },
    gamble: { ...keyed, timeoutMs: 2_000 },
    note: { ...keyed, concurrency: 2 },
  },
  children: { worker: { type: 'worker', id: 'ref' } },
}
