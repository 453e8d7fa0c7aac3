import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assign, enqueueActions, setup } from 'xstate'
import { FEW } from '../../src/runtime/crowd.ts'
import { begin, decide } from '../../src/runtime/decide.ts'
import { type Book, book, INIT } from '../../src/runtime/fold.ts'
import { spawned } from '../../src/runtime/intent.ts'
import { patched } from '../../src/runtime/patch.ts'
import { hydrate, persist } from '../../src/runtime/persist.ts'
import { recorded } from '../../src/runtime/record.ts'
import type { Commit, Definition } from '../../src/runtime/types.ts'

type YardEvent = {
  readonly type: 'yard.Hire' | 'yard.Dismiss' | 'yard.Swap' | 'yard.Shift' | 'yard.Close' | 'xstate.done.actor.x'
  readonly names: readonly string[]
}

/** Hires and dismisses as many as it is told, one is there only in a state, and all go when it closes. */
const yard = setup({
  types: { context: {} as { readonly heard: number }, events: {} as YardEvent },
  actors: { hand: spawned<void, object>(), guard: spawned<void, object>() },
}).createMachine({
  id: 'yard',
  context: { heard: 0 },
  initial: 'day',
  on: {
    'yard.Hire': {
      actions: enqueueActions(({ enqueue, event }) => {
        for (const id of event.names) enqueue.spawnChild('hand', { id, input: {} })
      }),
    },
    'yard.Dismiss': {
      actions: enqueueActions(({ enqueue, event }) => {
        for (const name of event.names) enqueue.stopChild(name)
      }),
    },
    // Comes and goes in one transition, and so that what comes hides what was there.
    'yard.Swap': {
      actions: enqueueActions(({ enqueue, event }) => {
        const [one = '', other = ''] = event.names
        enqueue.spawnChild('hand', { id: one, input: {} })
        enqueue.stopChild(other)
      }),
    },
    'xstate.done.actor.*': {
      actions: [
        assign({ heard: ({ context }) => context.heard + 1 }),
        enqueueActions(({ enqueue, event }) => enqueue.stopChild((event as unknown as { readonly actorId: string }).actorId)),
      ],
    },
    'yard.Close': '.closed',
  },
  states: {
    day: { on: { 'yard.Shift': 'night' } },
    night: { invoke: { src: 'guard', id: 'watchman', input: {} }, on: { 'yard.Shift': 'day' } },
    closed: { type: 'final' },
  },
})
const definition: Definition = {
  type: 'yard',
  version: 1,
  machine: yard,
  events: {},
  effects: {},
  children: { hand: { type: 'hand', id: 'ref' }, guard: { type: 'guard', id: 'ref' } },
}
const self = { type: 'yard', id: 'one' }

// A number as a name has a place of its own in a bag.
const nameOf = (index: number): string => (index % 5 === 0 ? `${index}` : `hand ${index}`)
const names = (most: number) => fc.uniqueArray(fc.nat(199).map(nameOf), { minLength: 1, maxLength: most, size: 'max' })
const command = fc.oneof(
  fc.record({ type: fc.constant('yard.Hire'), names: names(60) }),
  fc.record({ type: fc.constant('yard.Dismiss'), names: names(3) }),
  fc.record({ type: fc.constant('yard.Swap'), names: names(2) }),
  fc.record({ type: fc.constant('yard.Shift'), names: fc.constant([]) }),
  fc.record({ type: fc.constant('done'), names: names(1) }),
)
const eventOf = ({ type, names: [actorId = ''], names: all }: { readonly type: string; readonly names: readonly string[] }) =>
  type === 'done' ? { type: `xstate.done.actor.${actorId}`, actorId, at: 1 } : { type, names: all, at: 1 }

const onWire = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T
const committed = (known: Book | undefined, ev: Commit['ev'] & { readonly at: number }, decision: ReturnType<typeof begin>) => {
  const next = persist(decision.next)
  const record = recorded(definition, { own: 'me', nonce: '0' }, known, next, { ev, cmd: 'c', decision }, [])
  return { record, live: book(known, self, record, record.n, next) }
}

/** What has to come of it, as a bag that is copied each time. */
const expected = (before: ReadonlyMap<string, string>, { type, names: of }: { type: string; names: readonly string[] }) => {
  const after = new Map(before)
  const [first = '', second = ''] = of
  if (type === 'yard.Hire') for (const name of of) after.set(name, 'hand')
  if (type === 'yard.Dismiss') for (const name of of) after.delete(name)
  if (type === 'yard.Swap') after.set(first, 'hand')
  if (type === 'yard.Swap') after.delete(second)
  if (type === 'done') after.delete(first)
  if (type === 'yard.Shift' && !after.delete('watchman')) after.set('watchman', 'guard')
  return after
}

test('crowd: whatever comes and goes, few or many, the state, its patches and its fold are those of a plain bag', () => {
  let most = 0
  fc.assert(
    fc.property(fc.array(command, { minLength: 1, maxLength: 40, size: 'max' }), fc.nat(39), (commands, cut) => {
      let children: ReadonlyMap<string, string> = new Map()
      const first = begin(definition, self, undefined, 0)
      let { record, live: known } = committed(undefined, { type: INIT, at: 0 }, first)
      let state = first.next
      let folded = book(undefined, self, onWire(record), 1)
      commands.forEach((each, index) => {
        const ev = eventOf(each)
        const decision = decide(definition, self, state, ev)
        if (!decision) throw new Error(`${ev.type} is not accepted`)
        const before = onWire(known.state)
        ;({ record, live: known } = committed(known, ev, decision))
        children = expected(children, each)
        most = Math.max(most, children.size)
        expect(onWire(known.state.children)).toEqual(onWire(Object.fromEntries(children)))
        expect(patched(before, onWire(record.p) as never)).toEqual(onWire(known.state))
        expect((record.p.set?.length ?? 0) + (record.p.del?.length ?? 0)).toBeLessThanOrEqual(each.names.length + 3)
        folded = book(folded, self, onWire(record), record.n)
        state = index === cut ? hydrate(yard, folded.state) : decision.next
      })
      expect(onWire(folded.state)).toEqual(onWire(known.state))
      expect(Object.keys(state.children).toSorted()).toEqual([...children.keys()].toSorted())
      const end = decide(definition, self, state, { type: 'yard.Close', names: [], at: 2 })
      expect(
        end?.fx
          .filter(({ kind }) => kind === 'stop')
          .map(({ ref }) => ref ?? '')
          .toSorted(),
      ).toEqual([...children.keys()].toSorted())
    }),
    { numRuns: 30 },
  )
  expect(most).toBeGreaterThan(3 * FEW)
})
