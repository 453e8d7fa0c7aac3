import { assign, emit, setup } from 'xstate'
import { invoked, performed, spawned, tell } from '../../src/runtime/intent.ts'
import type { ActorDef, EffectDef } from '../../src/runtime/types.ts'
import { keyed, nothing, retry, unrun } from './sketch.ts'

type WorkerContext = { readonly task: string; readonly outcome: string; readonly odd?: unknown }
type WorkerEvent = { readonly type: 'worker.Push'; readonly at: number }

const worker = setup({
  types: {
    context: {} as WorkerContext,
    events: {} as WorkerEvent,
    emitted: {} as { readonly type: 'worker.Acted'; readonly task: string },
    input: {} as { readonly task: string; readonly at: number },
    output: {} as { readonly outcome: string },
  },
  actors: {
    prepare: invoked<void, { readonly task: string }>(),
    act: invoked<void, { readonly task: string }>(),
    undo: invoked<void, { readonly task: string }>(),
    helper: spawned<{ readonly counted: number }, { readonly task: string }>(),
  },
  actions: { audit: performed<{ readonly task: string }>(), tell },
  delays: { patience: 300, again: 200, overdue: 4_000 },
}).createMachine({
  id: 'worker',
  // What can't be written is no state: such a worker is never born.
  context: ({ input }) => ({
    task: input?.task ?? '',
    outcome: 'failed',
    ...(input?.task.endsWith('9') && { odd: new Date(0) }),
  }),
  output: ({ context }) => ({ outcome: context.outcome }),
  initial: 'preparing',
  states: {
    preparing: {
      invoke: { src: 'prepare', input: ({ context }) => ({ task: context.task }), onDone: 'waiting', onError: 'ended' },
    },
    waiting: { on: { 'worker.Push': 'acting' }, after: { patience: 'acting' } },
    acting: {
      entry: [
        { type: 'audit', params: ({ context }) => ({ task: context.task }) },
        { type: 'tell', params: ({ context }) => ({ to: 'hub/main', event: { type: 'hub.Progress', id: context.task } }) },
      ],
      invoke: {
        src: 'act',
        input: ({ context }) => ({ task: context.task }),
        onDone: { target: 'helped', actions: emit(({ context }) => ({ type: 'worker.Acted', task: context.task })) },
        onError: 'compensating',
      },
    },
    helped: {
      invoke: {
        src: 'helper',
        id: 'helper',
        input: ({ context }) => ({ task: context.task }),
        onDone: { target: 'ended', actions: assign({ outcome: 'done' }) },
        onError: 'compensating',
      },
      after: { overdue: 'compensating' },
    },
    compensating: {
      invoke: { src: 'undo', input: ({ context }) => ({ task: context.task }), onDone: 'ended', onError: 'later' },
    },
    later: { after: { again: 'compensating' } },
    ended: { type: 'final' },
  },
})

const helper = setup({
  types: {
    context: {} as { readonly task: string; readonly ticks: number },
    events: {} as { readonly type: 'helper.Never'; readonly at: number },
    input: {} as { readonly task: string; readonly at: number },
    output: {} as { readonly counted: number },
  },
  actors: { count: invoked<number, { readonly task: string }>() },
  delays: { tick: 150 },
}).createMachine({
  id: 'helper',
  context: ({ input }) => ({ task: input?.task ?? '', ticks: 0 }),
  output: ({ context }) => ({ counted: context.ticks }),
  initial: 'ticking',
  states: {
    ticking: { after: { tick: 'counting' } },
    counting: {
      invoke: {
        src: 'count',
        input: ({ context }) => ({ task: context.task }),
        onDone: [
          { guard: ({ context }) => context.ticks >= 1, target: 'done' },
          { target: 'ticking', actions: assign({ ticks: ({ context }) => context.ticks + 1 }) },
        ],
        onError: 'ticking',
      },
    },
    done: { type: 'final' },
  },
})

const disruptive: EffectDef<any, any> = { ...keyed, reach: 'disruptive', idempotency: 'natural', timeoutMs: 5_000 }

export const workerDef: ActorDef<typeof worker> = {
  type: 'worker',
  version: 1,
  machine: worker,
  events: { 'worker.Push': { schema: nothing, v: 1 } },
  effects: {
    prepare: { ...keyed, retry },
    act: { ...disruptive, retry },
    undo: { ...disruptive, reach: 'restoring', idempotency: 'probe', probe: unrun, retry },
    audit: { ...keyed, retry: { ...retry, attempts: 9, on: ['Unavailable', 'TimedOut', 'Refused', 'Gone'] } },
  },
  children: { helper: { type: 'helper', id: 'parent' } },
  timers: { patience: 'remaining' },
}
export const helperDef: ActorDef<typeof helper> = {
  type: 'helper',
  version: 1,
  machine: helper,
  events: { 'helper.Never': { schema: nothing, v: 1 } },
  effects: { count: { ...keyed, timeoutMs: 2_000 } },
  timers: { tick: 'restart' },
}
