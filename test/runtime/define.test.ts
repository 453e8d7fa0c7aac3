import { describe, expect, test } from 'vitest'
import {
  and,
  assign,
  cancel,
  createMachine,
  emit,
  enqueueActions,
  forwardTo,
  fromPromise,
  log,
  not,
  raise,
  sendParent,
  sendTo,
  setup,
  spawnChild,
  stateIn,
  stopChild,
} from 'xstate'
import { z } from 'zod'
import { define, faultsOf, Misdefined } from '../../src/runtime/define.ts'
import { invoked, performed, spawned, tell } from '../../src/runtime/intent.ts'
import type { Definition, EffectDef } from '../../src/runtime/types.ts'
import { everyShipped } from '../shipped.ts'

const effect: EffectDef<any, any> = { reach: 'internal', idempotency: 'natural', timeoutMs: 1_000, run: async () => {} }
const Nothing = z.strictObject({})

const machine = setup({
  types: { context: {} as { n: number }, events: {} as { type: 'kettle.Boil' } | { type: 'kettle.Stop' } },
  actors: { heat: invoked<void, object>(), cup: spawned<void, object>() },
  actions: { ring: performed<{ times: number }>(), tell, count: assign({ n: ({ context }) => context.n + 1 }) },
  delays: { tooLong: 1_000 },
  guards: { full: ({ context }) => context.n > 0 },
}).createMachine({
  id: 'kettle',
  context: { n: 0 },
  initial: 'cold',
  states: {
    cold: {
      on: { 'kettle.Boil': { guard: not('full'), target: 'hot', actions: ['count', { type: 'ring', params: { times: 1 } }] } },
    },
    hot: {
      invoke: { src: 'heat', input: {}, onDone: 'cold' },
      after: { tooLong: 'cold', 500: { guard: 'full' } },
      on: { 'kettle.Stop': 'cold' },
    },
  },
})
const kettle: Definition = {
  type: 'kettle',
  version: 1,
  machine,
  events: { 'kettle.Boil': { schema: Nothing, v: 1, command: true }, 'kettle.Stop': { schema: Nothing, v: 1 } },
  effects: { heat: effect, ring: effect },
  children: { cup: { type: 'cup', id: 'ref' } },
}
/** The kettle with another machine: its names are the same, unless the change adds some. */
const withMachine = (config: object, more: Partial<Definition> = {}): Definition => ({
  ...kettle,
  machine: createMachine({ id: 'kettle', ...config } as never, machine.implementations as never),
  ...more,
})
const types = new Set(['kettle', 'cup'])

test('define: a right definition comes back as it is', () => {
  expect(define(kettle, types)).toBe(kettle)
})

test('define: everything that is shipped is right', () => {
  const known = new Set([...everyShipped.map(({ type }) => type), 'scanner'])
  for (const definition of everyShipped) expect(faultsOf(definition, known)).toEqual([])
})

test('define: all faults come at once, with their places, under the name of the type', () => {
  const wrong = withMachine({ entry: () => {}, invoke: { src: 'heet' } }, { version: 0 })
  expect(() => define(wrong, types)).toThrow(Misdefined)
  expect(() => define(wrong, types)).toThrow(
    [
      'the definition of "kettle" is refused:',
      '- #kettle entry: the action entry is written inline; name it in setup({ actions }) and give it an effect',
      '- #kettle invoke[0]: "heet" is not in setup({ actors })',
      '- version: 0 is not one of 1, 2, 3 …',
    ].join('\n'),
  )
})

const inline = [() => {}][0] // has no name
describe.each([
  ['entry', { entry: inline }, '#kettle entry'],
  ['exit', { exit: [inline] }, '#kettle exit'],
  ['a transition', { on: { 'kettle.Boil': { actions: inline } } }, '#kettle on "kettle.Boil"'],
  [
    'a transition without an event',
    { initial: 'a', states: { a: { always: { target: 'b', actions: inline } }, b: {} } },
    '#kettle.a always',
  ],
  ['an initial transition', { initial: { target: 'a', actions: inline }, states: { a: {} } }, '#kettle initial'],
  ['after', { after: { 10: { actions: inline } } }, '#kettle on "xstate.after.10.kettle"'],
  ['onDone of an effect', { invoke: { src: 'heat', id: 'h', onDone: { actions: inline } } }, '#kettle on "xstate.done.actor.h"'],
  [
    'onError of an effect',
    { invoke: { src: 'heat', id: 'h', onError: { actions: inline } } },
    '#kettle on "xstate.error.actor.h"',
  ],
  [
    'onDone of a state',
    { initial: 'a', states: { a: { initial: 'x', states: { x: { type: 'final' } }, onDone: { actions: inline } } } },
    '#kettle.a on "xstate.done.state.kettle.a"',
  ],
  [
    'a state within states',
    { initial: 'a', states: { a: { initial: 'b', states: { b: { entry: inline } } } } },
    '#kettle.a.b entry',
  ],
])('define: an action written inline in %s is refused', (_, config, where) => {
  test('with its place', () => {
    const fault = `${where}: the action (anonymous) is written inline; name it in setup({ actions }) and give it an effect`
    expect(faultsOf(withMachine(config))).toEqual([fault])
  })
})

test('define: what XState decides within the machine, and what a commit holds, is accepted', () => {
  const entry = [
    assign({ n: 1 }),
    emit({ type: 'kettle.Boiled' }),
    raise({ type: 'kettle.Stop' }),
    raise({ type: 'kettle.Stop' }, { id: 'soon', delay: 'tooLong' as never }),
    cancel('soon'),
    spawnChild('cup', { id: 'first' }),
    stopChild('first'),
    enqueueActions(({ enqueue }) => enqueue.assign({ n: 2 })),
    { type: 'tell', params: { to: 'cup/first', event: { type: 'cup.Fill' } } },
    'count',
  ]
  expect(faultsOf(withMachine({ context: { n: 0 }, entry }))).toEqual([])
})

test.each([
  [sendTo('cup', { type: 'cup.Fill' }), 'xstate.sendTo is not journaled; use tell'],
  [sendParent({ type: 'x' }), 'xstate.sendTo is not journaled; use tell'],
  [forwardTo('cup'), 'xstate.sendTo is not journaled; use tell'],
  [log('hot'), 'xstate.log is not journaled; give it an effect of its own'],
  [raise({ type: 'x' }, { delay: 10 }), 'a delayed raise has no id'],
  [raise({ type: 'x' }, { id: 'x', delay: 'never' as never }), '"never" is no delay of setup({ delays })'],
  [spawnChild('cup'), 'the child cup has no id'],
  [spawnChild('mug', { id: 'a' }), '"mug" is not in setup({ actors })'],
  [
    spawnChild(
      fromPromise(async () => {}),
      { id: 'a' },
    ),
    'src is written inline',
  ],
  [spawnChild('cup', { id: 'a', systemId: 'first' } as never), 'systemId "first" is not journaled'],
])('define: an action that is not journaled is refused: %#', (action, fault) => {
  expect(faultsOf(withMachine({ entry: action }))).toEqual([expect.stringContaining(`#kettle entry: ${fault}`)])
})

test("define: an action can not be called like one of XState's own", () => {
  const wrong = withMachine({ entry: { type: 'xstate.custom' } }, { effects: { ...kettle.effects, 'xstate.custom': effect } })
  expect(faultsOf(wrong)).toEqual(['#kettle entry: the action name "xstate.custom" is reserved; choose another'])
})

test('define: an action of setup that is not journaled is refused under its name', () => {
  const wrong = createMachine({ id: 'kettle' }, { ...machine.implementations, actions: { shout: log('hot') } } as never)
  expect(faultsOf({ ...kettle, machine: wrong, effects: { heat: effect } })).toEqual([
    expect.stringContaining('setup.actions.shout: xstate.log is not journaled'),
  ])
})

test.each([
  [{ invoke: { src: fromPromise(async () => {}) } }, '#kettle invoke[0]: src is written inline'],
  [{ invoke: [{ src: 'heat' }, { src: createMachine({}) }] }, '#kettle invoke[1]: src is written inline'],
  [{ invoke: { src: 'heat', systemId: 'heater' } }, '#kettle invoke[0]: systemId "heater" is not journaled'],
  [{ invoke: { src: 'heat', onSnapshot: {} } }, '#kettle invoke[0]: onSnapshot never comes'],
  [{ after: { forever: {} } }, '#kettle after: "forever" is no delay of setup({ delays }): it would never come'],
  [{ always: { guard: 'ful' } }, '#kettle always: the guard "ful" is not in setup({ guards })'],
  [{ always: { guard: and([not('ful'), 'full', stateIn('a')]) } }, '#kettle always: the guard "ful" is not in setup({ guards })'],
  [{ always: { guard: { type: 'ful' } } }, '#kettle always: the guard "ful" is not in setup({ guards })'],
  [{ on: { 'kettle.Whistle': {} } }, '#kettle listens to "kettle.Whistle", which has no schema in events'],
])('define: a machine is refused with the place: %#', (config, fault) => {
  expect(faultsOf(withMachine(config))).toEqual([expect.stringContaining(fault)])
})

test.each([
  [
    ({ input }: { input: { id: string } }) => ({ id: input.id }),
    "Cannot read properties of undefined (reading 'id'); XState calls it",
  ],
  [() => ({ since: new Date(0) }), 'since is a Date: keep plain JSON'],
  [() => ({ seed: Math.random() }), 'seed is another at each call; chance and time come in the input'],
  [
    ({ spawn }: { spawn: (src: string) => unknown }) => ({ cup: spawn('cup') }),
    'spawn is not journaled; use invoke or spawnChild',
  ],
  [{ made: Symbol('x') }, 'made is a symbol'],
])('define: a context that can not be journaled or made without input is refused: %#', (context, fault) => {
  expect(faultsOf(withMachine({ context }))).toEqual([expect.stringContaining(`context: ${fault}`)])
})

test.each<[Partial<Definition>, string]>([
  [{ effects: { heat: effect } }, 'effects.ring is missing: the machine names it'],
  [{ effects: { ring: effect } }, 'effects.heat is missing: the machine names it'],
  [{ effects: { ...kettle.effects, rnig: effect } }, 'effects.rnig: the machine never asks for it'],
  [{ effects: { ...kettle.effects, tell: effect } }, 'effects.tell: the machine never asks for it'],
  [{ effects: { ...kettle.effects, count: effect } }, 'effects.count: the machine never asks for it'],
  [{ children: {} }, 'effects.cup is missing: the machine names it, and it is no child'],
  [{ children: { cup: { type: 'cpu', id: 'ref' } } }, 'children.cup: no definition has the type "cpu"'],
  [{ children: { cup: { type: 'kettle', id: 'parent' } } }, 'children.cup: it would be the kettle itself'],
  [{ children: { ...kettle.children, mug: { type: 'cup', id: 'ref' } } }, 'children.mug: setup({ actors }) has no such name'],
  [{ timers: { tooLogn: 'restart' } }, 'timers.tooLogn: no state is left after this delay'],
  [{ timers: { tooLong: 'sometimes' as never } }, 'timers.tooLong: "sometimes" is not absolute, remaining, restart'],
  [{ version: 1.5 }, 'version: 1.5 is not one of 1, 2, 3 …'],
  [{ version: 3, migrate: { 1: (state) => state } }, 'version: migrate has no step from 2 to 3'],
  [{ migrate: { 1: (state) => state } }, 'version: migrate has a step from 1, but 1 is the newest version'],
  [{ oneShot: { retainMs: 0 } }, 'oneShot.retainMs: 0 is no time in milliseconds'],
])('define: names and versions that do not fit are refused: %#', (change, fault) => {
  expect(faultsOf({ ...kettle, ...change }, types)).toEqual([expect.stringContaining(fault)])
})

test('define: a policy is taken by the delay of after, by its milliseconds, and by the id of a delayed raise', () => {
  const timed = withMachine({
    after: { tooLong: {}, 500: {} },
    entry: raise({ type: 'kettle.Stop' }, { id: 'soon', delay: 10 }),
  })
  expect(faultsOf({ ...timed, timers: { tooLong: 'restart', 500: 'remaining', soon: 'absolute' } })).toEqual([])
})

test('define: effects named alike with a child are refused once', () => {
  const faults = faultsOf({ ...kettle, effects: { ...kettle.effects, cup: effect } })
  expect(faults).toContain('children.cup: it is an effect too; it can be one only')
})

test.each<[string, object, string]>([
  ['Boil', {}, 'not named kettle.<Verb>'],
  ['kettle.boil', {}, 'not named kettle.<Verb>'],
  ['cup.Fill', {}, 'not named kettle.<Verb>'],
  ['kettle.Boil.Now', {}, 'not named kettle.<Verb>'],
  ['kettle.$Stop', {}, 'verbs that begin with "$" are the host\'s own'],
  ['kettle.RetryEffect', { command: true }, 'every actor has the command RetryEffect already'],
  ['kettle.DiscardEffect', { command: true }, 'every actor has the command DiscardEffect already'],
])('define: an event can not be called %s', (name, more, fault) => {
  const events = { ...kettle.events, [name]: { schema: Nothing, v: 1, ...more } }
  expect(faultsOf({ ...kettle, events })).toEqual([expect.stringContaining(`events["${name}"]: ${fault}`)])
})

test.each<[object, string]>([
  [{ v: 0 }, 'v: 0 is not one of 1, 2, 3 …'],
  [{ v: 3, upcast: { 1: (payload: unknown) => payload } }, 'v: upcast has no step from 2 to 3'],
  [{ v: 1, deadlineMs: -1 }, 'deadlineMs: -1 is no time in milliseconds'],
])('define: an event is refused for its version or deadline: %#', (change, fault) => {
  const events = { ...kettle.events, 'kettle.Stop': { schema: Nothing, v: 1, ...change } }
  expect(faultsOf({ ...kettle, events })).toEqual([`events["kettle.Stop"].${fault}`])
})

const retry = { attempts: 3, backoffMs: 10, on: ['Unavailable'] }
test.each<[object, string]>([
  [{ reach: 'restoring', timeoutMs: 10_001 }, 'timeoutMs: 10001 is more than one request to the world may take, 10000 ms'],
  [{ timeoutMs: 0 }, 'timeoutMs: 0 is no time in milliseconds'],
  [{ timeoutMs: Number.NaN }, 'timeoutMs: NaN is no time in milliseconds'],
  [{ concurrency: 0 }, 'concurrency: 0 is not one of 1, 2, 3 …'],
  [{ oneByOne: 'name' }, 'oneByOne is no function'],
  [{ retry: { ...retry, attempts: 0 } }, 'retry.attempts: 0 is not one of 1, 2, 3 …'],
  [{ retry: { ...retry, backoffMs: Number.POSITIVE_INFINITY } }, 'retry.backoffMs: Infinity is no time in milliseconds'],
  [{ retry: { ...retry, on: [] } }, 'retry.on names no error: nothing would be tried again'],
  [{ idempotency: 'probe' }, 'probe is missing'],
  [{ idempotency: 'probe', probe: async () => {}, timeoutMs: 'activity' }, 'an activity is begun again, not probed'],
  [{ idempotency: 'lucky' }, 'idempotency: "lucky" is not known'],
  [{ reach: 'far' }, 'reach: "far" is not known'],
  [{ run: 'me' }, 'run is no function'],
])('define: an effect is refused for what it promises: %#', (change, fault) => {
  const heat = { ...effect, ...change } as EffectDef<any, any>
  expect(faultsOf({ ...kettle, effects: { ...kettle.effects, heat } })).toEqual([`effects.heat: ${fault}`])
})

test('define: a type that can not be part of a subject is refused', () => {
  expect(faultsOf({ ...kettle, type: 'Tea/kettle' })).toContain(
    'type "Tea/kettle": it is part of subjects; small letters, digits and "-" only',
  )
})
