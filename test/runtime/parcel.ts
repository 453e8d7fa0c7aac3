import { assign, emit, setup } from 'xstate'
import { z } from 'zod'
import { invoked, performed } from '../../src/runtime/intent.ts'
import type { ActorDef } from '../../src/runtime/types.ts'

type ParcelEvent = { readonly at: number } & (
  | { readonly type: 'parcel.Address'; readonly to: string }
  | { readonly type: 'parcel.Send' }
  | { readonly type: 'parcel.Weighed'; readonly grams: number }
)

/** Is addressed, is handed over, is under way for an hour and arrives. */
export const parcel = setup({
  types: {
    context: {} as { readonly to: string; readonly grams: number },
    events: {} as ParcelEvent,
    emitted: {} as { readonly type: 'parcel.HandedOver'; readonly receipt: string } | { readonly type: 'parcel.Weighed' },
    output: {} as { readonly to: string },
    tags: {} as 'ours',
  },
  actors: { handOver: invoked<string, { readonly to: string }>() },
  actions: { notify: performed<{ readonly to: string }>() },
  delays: { journey: 3_600_000 },
}).createMachine({
  id: 'parcel',
  context: { to: '', grams: 0 },
  output: ({ context }) => ({ to: context.to }),
  initial: 'packing',
  on: {
    'parcel.Weighed': { actions: [assign({ grams: ({ event }) => event.grams }), emit({ type: 'parcel.Weighed' })] },
  },
  states: {
    packing: {
      tags: 'ours',
      on: {
        'parcel.Address': { actions: assign({ to: ({ event }) => event.to }) },
        'parcel.Send': { guard: ({ context }) => context.to !== '', target: 'handingOver' },
      },
    },
    handingOver: {
      tags: 'ours',
      invoke: {
        src: 'handOver',
        input: ({ context }) => ({ to: context.to }),
        onDone: { target: 'travelling', actions: emit(({ event }) => ({ type: 'parcel.HandedOver', receipt: event.output })) },
      },
    },
    travelling: { after: { journey: 'arrived' } },
    arrived: { type: 'final', entry: { type: 'notify', params: ({ context }) => ({ to: context.to }) } },
  },
})

export const parcelDef: ActorDef<typeof parcel> = {
  type: 'parcel',
  version: 1,
  machine: parcel,
  events: {
    'parcel.Address': { schema: z.strictObject({ to: z.string().min(1) }), v: 1, command: true },
    'parcel.Send': { schema: z.strictObject({}), v: 1, command: true },
    'parcel.Weighed': { schema: z.strictObject({ grams: z.number() }), v: 1 },
  },
  effects: {
    handOver: { reach: 'internal', idempotency: 'keyed', timeoutMs: 1_000, run: async ({ to }) => `receipt for ${to}` },
    notify: { reach: 'internal', idempotency: 'natural', timeoutMs: 1_000, run: async () => {} },
  },
}
