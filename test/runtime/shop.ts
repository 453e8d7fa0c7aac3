import { assign, emit, enqueueActions, setup } from 'xstate'
import { z } from 'zod'
import { invoked, spawned, tell } from '../../src/runtime/intent.ts'
import type { ActorDef, Definition, TimerPolicy } from '../../src/runtime/types.ts'

type ShopEvent =
  | { readonly type: 'shop.Open'; readonly name: string }
  | { readonly type: 'shop.Close'; readonly name: string }
  | { readonly type: 'shop.Note'; readonly text: string }
  | { readonly type: 'shop.Tell'; readonly to: string; readonly event: { readonly type: string } }
  | { readonly type: 'xstate.done.actor.*' }

/** Spawns tills by name, stops them, and tells others things. */
const shop = setup({
  types: { context: {} as { readonly closed: number; readonly notes: number }, events: {} as ShopEvent },
  actors: { till: spawned<void, { readonly name: string }>() },
  actions: { tell },
}).createMachine({
  id: 'shop',
  context: { closed: 0, notes: 0 },
  on: {
    'shop.Open': {
      actions: enqueueActions(({ enqueue, event }) => {
        enqueue.spawnChild('till', { id: event.name, input: { name: event.name } })
      }),
    },
    'shop.Close': { actions: enqueueActions(({ enqueue, event }) => enqueue.stopChild(event.name)) },
    'shop.Note': { actions: assign({ notes: ({ context }) => context.notes + 1 }) },
    'shop.Tell': { actions: { type: 'tell', params: ({ event }) => ({ to: event.to, event: event.event }) } },
    'xstate.done.actor.*': { actions: assign({ closed: ({ context }) => context.closed + 1 }) },
  },
})

type TillEvent = { readonly type: 'till.Pay'; readonly amount: number } | { readonly type: 'till.Shut' }

/** Open until it is shut, or for an hour. */
const till = setup({
  types: {
    context: {} as { readonly name: string; readonly sum: number },
    events: {} as TillEvent,
    emitted: {} as { readonly type: 'till.Paid'; readonly sum: number },
    input: {} as { readonly name: string },
  },
  actors: { count: invoked<void, object>() },
  delays: { hour: 3_600_000 },
}).createMachine({
  id: 'till',
  context: ({ input }) => ({ name: input?.name ?? '', sum: 0 }),
  initial: 'open',
  states: {
    open: {
      after: { hour: 'counting' },
      on: {
        'till.Pay': {
          actions: [
            assign({ sum: ({ context, event }) => context.sum + event.amount }),
            emit(({ context }) => ({ type: 'till.Paid', sum: context.sum })),
          ],
        },
        'till.Shut': 'counting',
      },
    },
    counting: { invoke: { src: 'count', input: {}, onDone: 'shut' } },
    shut: { type: 'final' },
  },
})

export const shopSelf = { type: 'shop', id: 'main' }

type Options = {
  readonly oneShotMs?: number
  readonly policy?: TimerPolicy
  readonly concurrency?: number
  readonly count?: () => Promise<void>
}

export const shopDefinitions = ({
  oneShotMs,
  policy,
  concurrency,
  count = async () => {},
}: Options = {}): readonly Definition[] => {
  const shopDef: ActorDef<typeof shop> = {
    type: 'shop',
    version: 1,
    machine: shop,
    events: {
      'shop.Open': { schema: z.strictObject({ name: z.string() }), v: 1, command: true },
      'shop.Close': { schema: z.strictObject({ name: z.string() }), v: 1, command: true },
      'shop.Note': { schema: z.strictObject({ text: z.string() }), v: 1, command: true },
      'shop.Tell': {
        schema: z.strictObject({ to: z.string(), event: z.looseObject({ type: z.string() }) }),
        v: 1,
        command: true,
      },
    },
    effects: {},
    children: { till: { type: 'till', id: 'ref' } },
  }
  const tillDef: ActorDef<typeof till> = {
    type: 'till',
    version: 1,
    machine: till,
    events: {
      'till.Pay': { schema: z.strictObject({ amount: z.number() }), v: 1, command: true },
      'till.Shut': { schema: z.strictObject({}), v: 1, command: true },
    },
    effects: {
      count: {
        reach: 'internal',
        idempotency: 'natural',
        timeoutMs: 10_000,
        ...(concurrency !== undefined && { concurrency }),
        run: count,
      },
    },
    ...(policy && { timers: { hour: policy } }),
    ...(oneShotMs !== undefined && { oneShot: { retainMs: oneShotMs } }),
  }
  return [shopDef, tillDef]
}
