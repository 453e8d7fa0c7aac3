import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate'
import { begin, type Decision, decide } from '../src/runtime/decide.ts'
import type { ChildDef, Definition, JournaledEvent } from '../src/runtime/types.ts'

type Event = JournaledEvent & { readonly at?: number }
/** What one event decided: the new state, effects and messages as [name, input], facts, and when timers are due. */
export type Decided = {
  readonly to: unknown
  readonly fx: readonly (readonly [string, unknown])[]
  readonly facts: readonly unknown[]
  readonly timers: readonly number[]
}

export const done = (ref: string, output?: unknown, at = 0): Event => ({
  type: `xstate.done.actor.${ref}`,
  actorId: ref,
  output,
  at,
})
export const failed = (ref: string, name: string, message = 'no', at = 0): Event => ({
  type: `xstate.error.actor.${ref}`,
  actorId: ref,
  error: { name, message },
  at,
})

const self = { type: 'test', id: 'demo' }
const decided = ({ next, fx, em, tset }: Decision): Decided => ({
  to: next.value,
  fx: fx.map(({ kind, name, input, to }) => [
    kind === 'spawn' || kind === 'stop' ? `${kind} ${to?.type}/${to?.id}` : name,
    input,
  ]),
  facts: em.map(({ ev }) => ev),
  timers: tset.map(({ due }) => due),
})

/** Replays the history without effects, then answers with what one more event decides. */
export const given = (
  machine: AnyStateMachine,
  input: unknown,
  children: Readonly<Record<string, ChildDef>>,
  ...history: readonly Event[]
) => {
  const definition: Definition = { type: 'test', version: 1, machine, events: {}, effects: {}, children }
  const first = begin(definition, self, input, 0)
  const state = history.reduce<AnyMachineSnapshot>((before, event) => {
    const decision = decide(definition, self, before, { at: 0, ...event })
    if (!decision) throw new Error(`${event.type} is not accepted in ${JSON.stringify(before.value)}`)
    return decision.next
  }, first.next)
  return {
    begun: decided(first),
    state,
    when: (event: Event): Decided | 'refused' => {
      const decision = decide(definition, self, state, { at: 0, ...event })
      return decision ? decided(decision) : 'refused'
    },
  }
}
