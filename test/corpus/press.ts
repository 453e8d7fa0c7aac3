import { type AnyStateMachine, assign, emit, enqueueActions, setup } from 'xstate'
import { z } from 'zod'
import { invoked, performed, spawned, tell } from '../../src/runtime/intent.ts'
import type { Persisted } from '../../src/runtime/persist.ts'
import type { Definition, EffectDef } from '../../src/runtime/types.ts'

// The machines of `press.jsonl`: never changed, except by a new version with a migration.

type Sent = { readonly to: string; readonly event: { readonly type: string } }
type PressEvent = { readonly at: number } & (
  | { readonly type: 'press.Print'; readonly title: string }
  | { readonly type: 'press.Ink'; readonly millilitres: number }
  | { readonly type: 'press.Hire' | 'press.Fire'; readonly name: string }
  | ({ readonly type: 'press.Tell' } & Sent)
  | { readonly type: 'press.Jam' | 'press.Stop' }
)

const nameOf = (event: { readonly type: string }): string => (event as unknown as { readonly name: string }).name
const parts = setup({
  types: {
    context: {} as { readonly ink: number; readonly printed: readonly string[] },
    events: {} as PressEvent,
    emitted: {} as { readonly type: 'press.Printed'; readonly title: string },
  },
  actors: {
    print: invoked<{ readonly sheets: number }, { readonly title: string }>(),
    clerk: spawned<void, { readonly name: string }>(),
  },
  actions: { ring: performed<object>(), tell },
  delays: { drying: 60_000 },
})
const titleOf = (event: { readonly type: string }): string => (event as unknown as { readonly title: string }).title
const hands = {
  'press.Hire': {
    actions: enqueueActions(({ enqueue, event }) =>
      enqueue.spawnChild('clerk', { id: nameOf(event), input: { name: nameOf(event) } }),
    ),
  },
  'press.Fire': { actions: enqueueActions(({ enqueue, event }) => enqueue.stopChild(nameOf(event))) },
  'press.Tell': { actions: { type: 'tell', params: ({ event }: { event: Sent }) => ({ to: event.to, event: event.event }) } },
  'press.Jam': {
    guard: () => {
      throw new Error('the press is jammed')
    },
  },
}

/** Release 1 prints with any ink; release 2 counts it in litres, and prints only while there is some. */
const press = (release: 1 | 2): AnyStateMachine =>
  parts.createMachine({
    id: 'press',
    context: { ink: 0, printed: [] },
    initial: 'idle',
    on: {
      ...(hands as object),
      'press.Ink': {
        actions: assign({ ink: ({ context, event }) => context.ink + event.millilitres / (release === 1 ? 1 : 1_000) }),
      },
    },
    states: {
      idle: {
        on: {
          'press.Print': {
            guard: ({ context }) => release === 1 || context.ink > 0,
            target: 'printing',
            actions: [
              assign({ printed: ({ context, event }) => [...context.printed, event.title] }),
              { type: 'ring', params: {} },
            ],
          },
        },
      },
      printing: {
        invoke: {
          src: 'print',
          input: ({ event }) => ({ title: titleOf(event) }),
          onDone: {
            target: 'drying',
            actions: emit(({ context }) => ({ type: 'press.Printed' as const, title: context.printed.at(-1) ?? '' })),
          },
        },
        on: { 'press.Stop': 'idle' },
      },
      drying: { after: { drying: 'idle' }, on: { 'press.Stop': 'idle' } },
    },
  })

/** Works until it is dismissed; a clerk without a name can't begin. */
const clerk = setup({
  types: {
    context: {} as { readonly name: string; readonly born?: unknown },
    events: {} as { readonly type: 'clerk.Dismiss' },
    input: {} as { readonly name: string },
  },
}).createMachine({
  id: 'clerk',
  context: ({ input }) => ({ name: input?.name ?? '', ...(input?.name === 'nobody' && { born: new Date(0) }) }),
  initial: 'working',
  states: { working: { on: { 'clerk.Dismiss': 'gone' } }, gone: { type: 'final' } },
})

export const pressSelf = { type: 'press', id: 'main' }

/** What an effect does; the corpus does not run it. */
export type Work = (name: string, input: unknown) => Promise<unknown>

export const pressDefinitions = (release: 1 | 2, work: Work): readonly Definition[] => {
  const effect = (name: string): EffectDef<unknown, unknown> => ({
    reach: 'internal',
    idempotency: 'natural',
    timeoutMs: 10_000,
    run: (input) => work(name, input),
  })
  const named = z.strictObject({ name: z.string() })
  const command = true as const
  return [
    {
      type: 'press',
      version: release,
      machine: press(release),
      events: {
        'press.Print': { schema: z.strictObject({ title: z.string() }), v: 1, command },
        'press.Ink': { schema: z.strictObject({ millilitres: z.number() }), v: 1, command },
        'press.Hire': { schema: named, v: 1, command },
        'press.Fire': { schema: named, v: 1, command },
        'press.Tell': { schema: z.strictObject({ to: z.string(), event: z.looseObject({ type: z.string() }) }), v: 1, command },
        'press.Jam': { schema: z.strictObject({}), v: 1, command },
        'press.Stop': { schema: z.strictObject({}), v: 1, command },
      },
      effects: { print: effect('print'), ring: effect('ring') },
      children: { clerk: { type: 'clerk', id: 'ref' } },
      timers: { drying: 'remaining' },
      ...(release === 2 && {
        migrate: {
          1: (state: Persisted): Persisted => ({ ...state, context: { ...(state.context as object), ink: inLitres(state) } }),
        },
      }),
    },
    {
      type: 'clerk',
      version: 1,
      machine: clerk,
      events: { 'clerk.Dismiss': { schema: z.strictObject({}), v: 1 } },
      effects: {},
    },
  ]
}
const inLitres = ({ context }: Persisted): number => (context as { readonly ink: number }).ink / 1_000
