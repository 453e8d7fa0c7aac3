import { expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { invoked } from '../../src/runtime/intent.ts'
import type { Persisted } from '../../src/runtime/persist.ts'
import type { ActorDef, Definition } from '../../src/runtime/types.ts'
import { bed } from './bed.ts'

type Events = { readonly type: 'till.Pay'; readonly amount: number }

const first = setup({ types: { context: {} as { sum: number }, events: {} as Events }, delays: { later: 60_000 } }).createMachine(
  {
    id: 'till',
    context: { sum: 0 },
    initial: 'open',
    states: {
      open: {
        after: { later: 'shut' },
        on: { 'till.Pay': { actions: assign({ sum: ({ context, event }) => context.sum + event.amount }) } },
      },
      shut: {},
    },
  },
)
/** Counts cents, and calls its state by another name. */
const second = setup({
  types: {
    context: {} as { cents: number },
    events: {} as { readonly type: 'till.Pay'; readonly cents: number } | { readonly type: 'xstate.after.later.till.open' },
  },
  actors: { greet: invoked<void, object>() },
  delays: { later: 60_000 },
}).createMachine({
  id: 'till',
  context: { cents: 0 },
  initial: 'serving',
  states: {
    serving: {
      on: {
        'till.Pay': { actions: assign({ cents: ({ context, event }) => context.cents + event.cents }) },
        'xstate.after.later.till.open': 'shut',
      },
    },
    shut: {},
  },
})

const v1: ActorDef<typeof first> = {
  type: 'till',
  version: 1,
  machine: first,
  events: { 'till.Pay': { schema: z.strictObject({ amount: z.number() }), v: 1, command: true } },
  effects: {},
}
const v2: ActorDef<typeof second> = {
  type: 'till',
  version: 2,
  machine: second,
  events: {
    'till.Pay': {
      schema: z.strictObject({ cents: z.number().int() }),
      v: 2,
      command: true,
      upcast: { 1: ({ amount }: { amount: number }) => ({ cents: Math.round(amount * 100) }) },
    },
  },
  effects: { greet: { reach: 'internal', idempotency: 'natural', timeoutMs: 1_000, run: async () => {} } },
  migrate: {
    1: (state: Persisted): Persisted => ({
      ...state,
      value: state.value === 'open' ? 'serving' : state.value,
      context: { cents: (state.context as { sum: number }).sum * 100 },
    }),
  },
}
const self = { type: 'till', id: 'main' }

const upgraded = async (...definitions: readonly Definition[]) => {
  const world = bed([v1], self)
  const old = await world.process('a')
  await world.inbox.call('till', 'Pay', { amount: 2.5 })
  await old.stop()
  return { ...world, next: await world.process('b', { definitions }) }
}

test('versions: a state is migrated once, in the commit that claims the journal, and timers go on', async () => {
  const { next, journal, clock, inbox } = await upgraded(v2)
  expect(journal.of(self).at(-1)).toMatchObject({ ev: { type: '$migrated', from: 1, to: 2 }, mv: 2, to: 'serving' })
  expect(next.actors()[0]?.snapshot()?.context).toEqual({ cents: 250 })
  await inbox.call('till', 'Pay', { cents: 1 })
  expect(next.actors()[0]?.snapshot()?.context).toEqual({ cents: 251 })
  await clock.advance(60_000)
  expect(journal.of(self).at(-1)).toMatchObject({ ev: { type: 'xstate.after.later.till.open' }, to: 'shut' })
})

test('versions: a command in an older schema is upcast, one in a newer schema is refused', async () => {
  const { inbox, journal } = await upgraded(v2)
  const command = { type: 'till', verb: 'Pay', id: undefined, payload: { amount: 1.5 }, sentAt: Date.now() }
  expect(await inbox.deliver({ ...command, cmd: 'old', schema: 1 })).toMatchObject({ ok: true })
  expect(journal.of(self).at(-1)).toMatchObject({ sv: 2, ev: { type: 'till.Pay', cents: 150 } })
  expect(await inbox.deliver({ ...command, cmd: 'new', schema: 3 })).toMatchObject({
    ok: false,
    detail: expect.stringMatching(/till\.Pay: .*version 3/),
  })
})

test('versions: a step that is missing is said when the host starts', async () => {
  const { migrate: _, ...bare } = v2
  await expect(upgraded(bare)).rejects.toThrow(/version: migrate has no step from 1 to 2/)
})

test('versions: where a migration throws the actor is quarantined, and its commands are refused with the reason', async () => {
  const broken = { 1: (): Persisted => JSON.parse('no state') as Persisted }
  const { next, inbox, journal } = await upgraded({ ...v2, migrate: broken })
  expect([...next.quarantined().values()]).toEqual([
    expect.stringMatching(/^till\/main: its migration from machine version 1 threw: /),
  ])
  expect(await inbox.call('till', 'Pay', { cents: 1 })).toMatchObject({
    ok: false,
    detail: expect.stringMatching(/^till\/main is quarantined: .*migration from machine version 1 threw/),
  })
  expect(journal.of(self)).toHaveLength(2)
  expect(journal.entries.some(({ record }) => 'refused' in record && record.refused.verb === '$Open')).toBe(true)
})

test('versions: a journal of a newer machine is not touched by an older release', async () => {
  const { next, journal, process, inbox } = await upgraded(v2)
  await next.stop()
  const { length } = journal.of(self)
  const back = await process('c', { definitions: [v1] })
  expect([...back.quarantined().values()]).toEqual([expect.stringMatching(/version 2 .*this process has version 1/)])
  await inbox.call('till', 'Pay', { amount: 1 })
  expect(journal.of(self)).toHaveLength(length)
})

test('versions: a state that the machine does not have is said before anything is written', async () => {
  const lost = { ...v2, migrate: { 1: (state: Persisted) => ({ ...state, value: 'nowhere' }) } }
  const { next, journal } = await upgraded(lost)
  expect([...next.quarantined().values()]).toEqual([expect.stringMatching(/has no state "nowhere"/)])
  expect(journal.of(self)).toHaveLength(2)
})
