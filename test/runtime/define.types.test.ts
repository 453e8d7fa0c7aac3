import { expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { invoked, performed, spawned, tell } from '../../src/runtime/intent.ts'
import type { ActorDef, EffectDef, EffectsOf } from '../../src/runtime/types.ts'

// `npm run types` is what judges here: each line below a `@ts-expect-error` must not compile.

const machine = setup({
  types: { context: {} as { n: number }, events: {} as { type: 'kettle.Boil' } | { type: 'kettle.Stop' } },
  actors: { heat: invoked<{ degrees: number }, { watts: number }>(), cup: spawned<void, object>() },
  actions: { ring: performed<{ times: number }>(), tell },
  delays: { tooLong: 1_000 },
}).createMachine({ id: 'kettle', context: { n: 0 }, on: { 'kettle.Boil': { actions: assign({ n: 1 }) } } })
type Machine = typeof machine

const promise = { reach: 'internal', idempotency: 'natural', timeoutMs: 1_000 } as const
const heat: EffectDef<{ watts: number }, { degrees: number }> = { ...promise, run: async ({ watts }) => ({ degrees: watts }) }
const ring: EffectDef<{ times: number }, void> = { ...promise, run: async ({ times }) => void times }
const event = { schema: z.strictObject({}), v: 1 } as const
const events = { 'kettle.Boil': event, 'kettle.Stop': event }
const base = { type: 'kettle', version: 1, machine, events, effects: { heat, ring } }

export const right: ActorDef<Machine> = { ...base, timers: { tooLong: 'restart' }, children: { cup: { type: 'cup', id: 'ref' } } }

// @ts-expect-error an effect is missing
export const missing: EffectsOf<Machine> = { heat }
// @ts-expect-error one is misspelt
export const misspelt: EffectsOf<Machine> = { heat, rign: ring }
// @ts-expect-error one is too many
export const tooMany: EffectsOf<Machine> = { heat, ring, whistle: ring }
// @ts-expect-error a message to another actor is no effect
export const told: EffectsOf<Machine> = { heat, ring, tell: ring }
// @ts-expect-error another actor is no effect
export const child: EffectsOf<Machine> = { heat, ring, cup: heat }
// @ts-expect-error it answers with something else than the machine waits for
export const wrongOutput: EffectsOf<Machine> = { ring, heat: { ...promise, run: async () => ({ kelvin: 1 }) } }
const volts = { ...promise, run: async (input: { volts: number }) => ({ degrees: input.volts }) }
// @ts-expect-error it asks for something else than the machine gives
export const wrongInput: EffectsOf<Machine> = { ring, heat: volts }
// @ts-expect-error an effect says what it does to the world
export const noReach: EffectsOf<Machine> = { heat, ring: { idempotency: 'natural', timeoutMs: 1, run: async () => {} } }
// @ts-expect-error it says how a repeat is harmless
export const noIdempotency: EffectsOf<Machine> = { heat, ring: { reach: 'internal', timeoutMs: 1, run: async () => {} } }
// @ts-expect-error who probes needs a probe
export const noProbe: EffectsOf<Machine> = { heat, ring: { ...promise, idempotency: 'probe', run: async () => {} } }
// @ts-expect-error an event without a schema
export const unchecked: ActorDef<Machine> = { ...base, events: { 'kettle.Boil': event } }
// @ts-expect-error a policy for a delay that the machine does not have
export const unknownDelay: ActorDef<Machine> = { ...base, timers: { tooLogn: 'restart' } }
// @ts-expect-error a policy that does not exist
export const unknownPolicy: ActorDef<Machine> = { ...base, timers: { tooLong: 'sometimes' } }

test('types: the definition that compiles is the one that is meant', () => {
  expect(Object.keys(right.effects)).toEqual(['heat', 'ring'])
})
