import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { begin, decide } from '../../src/runtime/decide.ts'
import { type Book, book, INIT, REMEMBERED_MS } from '../../src/runtime/fold.ts'
import { invoked, spawned } from '../../src/runtime/intent.ts'
import { Corrupt } from '../../src/runtime/journal.ts'
import { diff } from '../../src/runtime/patch.ts'
import { hydrate, type Persisted, persist } from '../../src/runtime/persist.ts'
import type { Commit, Definition, JournaledEvent } from '../../src/runtime/types.ts'

type Context = { readonly count: number; readonly bag: Readonly<Record<string, number | null>>; readonly list: readonly number[] }
type Event = {
  readonly type: 'GO' | 'BACK' | 'PAUSE' | 'RESUME' | 'PUT' | 'DROP' | 'AGAIN' | 'SPAWN'
  readonly at: number
  readonly key?: string
}

/** A parallel machine with deep history, re-entry, invoke, children, delays and a context of every JSON kind. */
const machine = setup({
  types: { context: {} as Context, events: {} as Event },
  actors: { work: invoked<number, { readonly count: number }>(), child: spawned<void, Record<string, never>>() },
  delays: { soon: 50 },
}).createMachine({
  id: 'parallel',
  type: 'parallel',
  context: { count: 0, bag: {}, list: [] },
  states: {
    left: {
      initial: 'running',
      states: {
        running: {
          initial: 'first',
          on: { PAUSE: 'paused' },
          states: {
            first: { on: { GO: 'second' }, after: { soon: 'second' } },
            second: {
              initial: 'inner',
              on: { BACK: 'first' },
              states: {
                inner: { on: { GO: 'deep' } },
                deep: {
                  invoke: { src: 'work', input: ({ context }) => ({ count: context.count }), onDone: 'inner', onError: 'inner' },
                },
              },
            },
            remembered: { type: 'history', history: 'deep' },
          },
        },
        paused: { on: { RESUME: 'running.remembered' } },
      },
    },
    right: {
      on: {
        PUT: {
          actions: assign({
            bag: ({ context, event }) => ({ ...context.bag, [event.key ?? 'x']: context.count % 3 === 0 ? null : context.count }),
            list: ({ context }) => [...context.list, context.count],
          }),
        },
        DROP: {
          actions: assign({
            bag: ({ context: { bag }, event }) => Object.fromEntries(Object.entries(bag).filter(([key]) => key !== event.key)),
            list: ({ context }) => context.list.slice(1),
          }),
        },
        AGAIN: { target: '.busy', reenter: true, actions: assign({ count: ({ context }) => context.count + 1 }) },
      },
      initial: 'idle',
      states: {
        idle: { on: { SPAWN: 'withChild' } },
        busy: { on: { SPAWN: 'withChild' }, after: { soon: 'idle' } },
        withChild: { invoke: { src: 'child', id: 'child', input: {} }, on: { BACK: 'idle' } },
      },
    },
  },
})
const definition: Definition = {
  type: 'test',
  version: 1,
  machine,
  events: {},
  effects: {},
  children: { child: { type: 'child', id: 'parent' } },
}
const self = { type: 'test', id: 'one' }

const commitOf = (n: number, ev: JournaledEvent, before: Persisted | undefined, after: Persisted): Commit => ({
  f: 1,
  n,
  mv: 1,
  sv: 1,
  own: 'o',
  nonce: 'n',
  ts: n,
  cmd: `c${n}`,
  corr: 'c',
  ev,
  to: after.value,
  p: diff(before, after) as Commit['p'],
  fx: [],
  done: [],
  tdel: [],
  tset: [],
  em: [],
})
const onWire = (commit: Commit): Commit => JSON.parse(JSON.stringify(commit)) as Commit

const events = fc.array(
  fc.record(
    {
      type: fc.constantFrom('GO', 'BACK', 'PAUSE', 'RESUME', 'PUT', 'DROP', 'AGAIN', 'SPAWN', 'xstate.done.actor.work'),
      key: fc.constantFrom('x', 'y', '__proto__'),
    },
    { noNullPrototype: true },
  ),
  { minLength: 1, maxLength: 30 },
)

test('fold: the patches of any sequence equal the live state, and the machine goes on from it as if it had never stopped', () => {
  fc.assert(
    fc.property(events, fc.nat(29), (sequence, cut) => {
      let live = begin(definition, self, undefined, 0).next
      let folded: Book = book(undefined, self, onWire(commitOf(1, { type: INIT }, undefined, persist(live))), 1)
      sequence.forEach((event, index) => {
        const decision = decide(definition, self, live, { ...event, at: index })
        if (!decision) return
        const commit = commitOf(folded.n + 1, event, persist(live), persist(decision.next))
        folded = book(folded, self, onWire(commit), folded.seq + 1)
        live = index === cut ? hydrate(machine, folded.state) : decision.next
      })
      expect(folded.state).toEqual(JSON.parse(JSON.stringify(persist(live))))
    }),
    { numRuns: 300 },
  )
})

test('fold: a missing commit is said, never guessed over', () => {
  const state = persist(begin(definition, self, undefined, 0).next)
  const first = book(undefined, self, commitOf(1, { type: INIT }, undefined, state), 1)
  expect(() => book(first, self, commitOf(3, { type: 'GO' }, state, state), 9)).toThrow(Corrupt)
  expect(() => book(first, self, commitOf(3, { type: 'GO' }, state, state), 9)).toThrow(
    'test/one: commit 2 is missing, found 3 at sequence 9',
  )
})

test('fold: deletions come before sets, so a timer that is cancelled and set again stays', () => {
  const state = persist(begin(definition, self, undefined, 0).next)
  const timer = { id: 't', due: 5, ev: { type: 'x' } }
  const first = book(undefined, self, { ...commitOf(1, { type: INIT }, undefined, state), tset: [timer] }, 1)
  const again = book(first, self, { ...commitOf(2, { type: 'GO' }, state, state), tdel: ['t'], tset: [{ ...timer, due: 9 }] }, 2)
  expect(again.timers.get('t')?.due).toBe(9)
})

test('fold: command ids are remembered for longer than the stream keeps commands, and no longer', () => {
  const state = persist(begin(definition, self, undefined, 0).next)
  const first = book(undefined, self, { ...commitOf(1, { type: INIT }, undefined, state), ext: true, ts: 0 }, 1)
  const within = book(first, self, { ...commitOf(2, { type: 'GO' }, state, state), ext: true, ts: REMEMBERED_MS }, 2)
  const known = [...within.cmds.keys()]
  const after = book(within, self, { ...commitOf(3, { type: 'GO' }, state, state), ext: true, ts: REMEMBERED_MS + 1 }, 3)
  expect(known).toEqual(['c1', 'c2'])
  expect([...after.cmds.keys()]).toEqual(['c2', 'c3'])
})

test('persist: a state that the machine does not have is refused by name', () => {
  const state = { ...persist(begin(definition, self, undefined, 0).next), value: { left: 'nowhere', right: 'idle' } }
  expect(() => hydrate(machine, state)).toThrow(/the machine "parallel" has no state/)
})
