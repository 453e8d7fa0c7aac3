import type { AnyMachineSnapshot } from 'xstate'
import { getAdjacencyMap, getShortestPaths } from 'xstate/graph'
import { begin, type Decision, decide } from '../decide.ts'
import type { Address, Definition, JournaledEvent } from '../types.ts'

/** How an effect or a child may end: `[output]` of each good ending, and its errors: by name, or with fields of their own. */
type Endings = {
  readonly outputs?: readonly unknown[]
  readonly errors?: readonly (string | { readonly name: string; readonly [field: string]: unknown })[]
}

/** What a machine may meet. */
export type Surroundings = {
  readonly input?: unknown
  /** Events that come from outside, with their payload. */
  readonly events?: readonly JournaledEvent[]
  /** By the name in `setup({ actors })`; what is not named ends well, without output. */
  readonly endings?: Readonly<Record<string, Endings>>
  /** What of the context makes another state of it; the rest of it does not. */
  readonly sees?: (context: any) => unknown
  /** So many transitions are looked at, at most. */
  readonly limit?: number
}

/** A machine between two events: its state, and what may come by itself. */
type Place = {
  readonly status: 'active'
  readonly output: undefined
  readonly error: undefined
  readonly snapshot: AnyMachineSnapshot
  readonly timers: ReadonlyMap<string, { readonly due: number; readonly event: JournaledEvent }>
  readonly at: number
}

const NEVER = Number.POSITIVE_INFINITY
const LIMIT = 5_000

/**
 * Every way through the machine that ends in a transition no other way has taken: the shortest to each state (by `xstate/graph`),
 * and from there each event that the state accepts. Time is the timers': of several the earliest comes first.
 */
export const pathsOf = (
  definition: Definition,
  self: Address,
  { input, events = [], endings = {}, sees = () => null, limit = LIMIT }: Surroundings,
): readonly (readonly JournaledEvent[])[] => {
  const logic = {
    config: undefined,
    getInitialSnapshot: () => placeAfter(undefined, begin(definition, self, input, 0), 0),
    transition: (place: Place, event: JournaledEvent) => {
      const at = place.timers.get(event.type)?.due ?? place.at
      const decision = decide(definition, self, place.snapshot, { ...event, at })
      return decision ? placeAfter(place, decision, at) : place
    },
    getPersistedSnapshot: (place: Place) => place,
  }
  const options = {
    events: (place: Place) => [...accepted(place, events), ...endingsOf(place, endings), ...earliest(place)],
    serializeState: ({ snapshot: { value, status, children, context } }: Place) =>
      JSON.stringify([value, status, Object.keys(children), sees(context)]),
    serializeEvent: (event: JournaledEvent) => JSON.stringify(event),
    limit,
  }
  const shortest = new Map(
    getShortestPaths(logic as never, options as never).map(({ state, steps }): [string, readonly JournaledEvent[]] => [
      options.serializeState(state as unknown as Place),
      steps.map(({ event }) => event as unknown as JournaledEvent).filter(({ type }) => type !== 'xstate.init'),
    ]),
  )
  const edges = Object.entries(getAdjacencyMap(logic as never, options as never)).flatMap(([serialized, { transitions }]) =>
    Object.values(transitions as Record<string, { readonly event: JournaledEvent }>).map(({ event }) => [
      ...(shortest.get(serialized) ?? []),
      event,
    ]),
  )
  return withoutPrefixes(edges)
}

const placeAfter = (before: Place | undefined, { next, tset, tdel }: Decision, at: number): Place => {
  const timers = new Map(before?.timers)
  for (const id of tdel) timers.delete(id)
  for (const { id, due, ev } of tset) timers.set(id, { due, event: ev })
  return { status: 'active', output: undefined, error: undefined, snapshot: next, timers, at }
}

const accepted = ({ snapshot }: Place, events: readonly JournaledEvent[]): readonly JournaledEvent[] =>
  events.filter((event) => snapshot.can({ ...event, at: 0 }))

const endingsOf = ({ snapshot }: Place, endings: NonNullable<Surroundings['endings']>): readonly JournaledEvent[] =>
  Object.entries(snapshot.children as Record<string, { readonly src: unknown } | undefined>).flatMap(([ref, child]) => {
    const { outputs = [null], errors = [] } = endings[String(child?.src)] ?? {}
    return [
      ...outputs.map((output) => ({ type: `xstate.done.actor.${ref}`, actorId: ref, output })),
      ...errors
        .map((error) => (typeof error === 'string' ? { name: error } : error))
        .map((error) => ({
          type: `xstate.error.actor.${ref}`,
          actorId: ref,
          error: { message: `the world says ${error.name}`, ...error },
        })),
    ].filter((event) => snapshot.can({ ...event, at: 0 }))
  })

const earliest = ({ timers }: Place): readonly JournaledEvent[] => {
  const due = Math.min(NEVER, ...[...timers.values()].map((timer) => timer.due))
  return [...timers.values()].filter((timer) => timer.due === due).map(({ event }) => event)
}

const withoutPrefixes = (paths: readonly (readonly JournaledEvent[])[]): readonly (readonly JournaledEvent[])[] => {
  const longer = new Set(paths.flatMap((path) => path.slice(0, -1).map((_, index) => JSON.stringify(path.slice(0, index + 1)))))
  const whole = new Map(paths.map((path) => [JSON.stringify(path), path]))
  return [...whole].filter(([text]) => !longer.has(text)).map(([, path]) => path)
}
