import { AssertionError } from 'node:assert'
import type { AnyMachineSnapshot } from 'xstate'
import { begin, type Decision, decide } from '../decide.ts'
import { type Book, book, INIT } from '../fold.ts'
import { hydrate } from '../persist.ts'
import type { Commit, Definition, JournaledEvent } from '../types.ts'

/** What one event decided. Effects and messages are `[name, input]`; children `[spawn <type>/<id>, input]`; timers their due time. */
type Decided = {
  readonly to: unknown
  readonly effects: readonly (readonly unknown[])[]
  readonly timers: readonly number[]
  readonly emitted: readonly unknown[]
  /** What the actor leaves, if this was its end. */
  readonly output?: unknown
}

/** An event with its fields. */
type Event = { readonly type: string; readonly at?: number | undefined; readonly [field: string]: unknown }

type Given = {
  readonly state: AnyMachineSnapshot
  /** What the event decides; `at` (epoch ms) is 0 unless it is in the event. */
  readonly when: (event: Event) => {
    readonly decided: Decided | 'refused'
    /** Compares what is named in `expected`, in objects likewise; arrays have the same length. @throws AssertionError */
    readonly then: (expected: Partial<Decided> | 'refused') => void
  }
}

const self = { type: 'test', id: 'demo' }

/** The event that begins an actor, with what its machine gets as input. */
export const born = (input?: unknown, at = 0): JournaledEvent => ({ type: INIT, input, at })

/** The end of what was invoked or spawned under the name. */
export const done = (ref: string, output?: unknown, at = 0): JournaledEvent => ({
  type: `xstate.done.actor.${ref}`,
  actorId: ref,
  output,
  at,
})
/** The failure of what was invoked or spawned under the name. */
export const failed = (ref: string, name: string, message = 'no', at = 0): JournaledEvent => ({
  type: `xstate.error.actor.${ref}`,
  actorId: ref,
  error: { name, message },
  at,
})

/** A definition of which a test needs only the machine and what it spawns. */
type Sketch = Pick<Definition, 'type' | 'machine'> & Partial<Definition>

/**
 * An actor after its history: commits, which are folded, and then events, which the machine decides; no effect runs.
 * A history that begins with neither a commit nor `born` begins without input.
 * @throws Error naming an event of the history that the machine does not accept
 */
export const given = (sketch: Sketch, ...history: readonly (Commit | Event)[]): Given => {
  const definition: Definition = { version: 1, events: {}, effects: {}, ...sketch }
  const folded = history.filter(isCommit).reduce<Book | undefined>((known, each) => book(known, self, each, each.n), undefined)
  const known = folded && hydrate(definition.machine, folded.state)
  const events = history.filter((each): each is JournaledEvent => !isCommit(each))
  const first = events[0]?.type === INIT ? events.shift() : undefined
  const begun = known ?? decision(definition, undefined, first ?? born()).next
  const state = events.reduce<AnyMachineSnapshot>((before, event) => decision(definition, before, event).next, begun)
  return {
    state,
    when: (event) => {
      const made = decided(definition, event.type === INIT ? undefined : state, event)
      const outcome = made ? described(made) : 'refused'
      // biome-ignore lint/suspicious/noThenProperty: given, when, then; nobody waits for it
      return { decided: outcome, then: (expected) => matches(outcome, expected) }
    },
  }
}

const isCommit = (each: Commit | JournaledEvent): each is Commit => 'f' in each && 'n' in each && 'ev' in each

const decided = (definition: Definition, before: AnyMachineSnapshot | undefined, event: JournaledEvent): Decision | undefined => {
  const at = event.at ?? 0
  return before ? decide(definition, self, before, { ...event, at }) : begin(definition, self, event['input'], at)
}
const decision = (definition: Definition, before: AnyMachineSnapshot | undefined, event: JournaledEvent): Decision => {
  const made = decided(definition, before, event)
  if (!made) throw new Error(`${event.type} is not accepted in ${JSON.stringify(before?.value)}`)
  return made
}

const described = ({ next, fx, em, tset }: Decision): Decided => ({
  to: next.value,
  effects: fx.map(({ kind, name, input, to }) => [
    kind === 'spawn' || kind === 'stop' ? `${kind} ${to?.type}/${to?.id}` : name,
    input,
  ]),
  timers: tset.map(({ due }) => due),
  emitted: em.map(({ ev }) => ev),
  ...(next.output !== undefined && { output: next.output as unknown }),
})

const matches = (actual: Decided | 'refused', expected: Partial<Decided> | 'refused'): void => {
  if (typeof expected === 'function') throw new TypeError('then() compares a decision; what when() returns is no promise')
  if (within(actual, expected)) return
  const operator = 'then'
  throw new AssertionError({ message: 'another decision than expected', actual, expected, operator })
}

type Bag = Readonly<Record<string, unknown>>
const isBag = (value: unknown): value is Bag => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether everything that is expected is there. */
const within = (actual: unknown, expected: unknown): boolean => {
  if (Array.isArray(expected))
    return Array.isArray(actual) && actual.length === expected.length && expected.every((each, i) => within(actual[i], each))
  if (isBag(expected)) return isBag(actual) && Object.entries(expected).every(([key, each]) => within(actual[key], each))
  return Object.is(actual, expected)
}
