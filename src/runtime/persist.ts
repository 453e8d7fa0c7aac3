import { type AnyMachineSnapshot, type AnyStateMachine, createActor } from 'xstate'
import { type Crowd, changedCrowd, crowdFrom, crowdOf, differing, type Sources, withCrowd } from './crowd.ts'
import { Corrupt } from './journal.ts'
import { diff, type Patch, patched } from './patch.ts'

/** A machine's state as JSON: what patches apply to. Children are kept as name → source; each has its own journal. */
export type Persisted = {
  readonly status: 'active' | 'done' | 'error' | 'stopped'
  readonly value: unknown
  readonly context: unknown
  readonly children: Readonly<Record<string, string>>
  readonly historyValue?: Readonly<Record<string, readonly string[]>>
  readonly output?: unknown
}

const mapped = <From, To>(bag: Readonly<Record<string, From>>, change: (value: From) => To): Record<string, To> =>
  Object.fromEntries(Object.entries(bag).map(([key, value]) => [key, change(value)]))

/** Name → source of the children in a snapshot's bag. */
export const sourcesIn = ({ children }: Pick<AnyMachineSnapshot, 'children'>): Sources =>
  Object.fromEntries(
    Object.entries(children as Record<string, { readonly src: unknown } | undefined>).flatMap(([ref, child]) =>
      child ? [[ref, String(child.src)]] : [],
    ),
  )

/** The JSON form of a snapshot. Context and output are shared, not copied. */
export const persist = (snapshot: AnyMachineSnapshot): Persisted => {
  const history = (snapshot.historyValue ?? {}) as Record<string, readonly { readonly id: string }[]>
  const crowd = crowdOf(snapshot)
  const persisted = {
    status: snapshot.status,
    value: snapshot.value,
    context: snapshot.context,
    children: crowd ? {} : sourcesIn(snapshot),
    ...(Object.keys(history).length > 0 && { historyValue: mapped(history, (nodes) => nodes.map(({ id }) => id)) }),
    ...(snapshot.output !== undefined && { output: snapshot.output }),
  }
  return crowd ? withCrowd(persisted, crowd, (all) => all) : persisted
}

/** The same but for its children: a crowd is not looked into. */
const childless = (holder: Persisted, children: Sources = {}): Persisted => {
  const { status, value, context, historyValue, output } = holder
  return {
    status,
    value,
    context,
    children,
    ...(historyValue !== undefined && { historyValue }),
    ...(output !== undefined && { output }),
  }
}

/** The patch from one state to the next. Of many children those alone are compared that came or went. */
export const statePatch = (before: Persisted | undefined, after: Persisted): Patch => {
  const [older, newer] = [before && crowdOf(before), crowdOf(after)]
  const found = before && older && newer && differing(older, newer)
  return found ? diff(childless(before, found.was), childless(after, found.is)) : diff(before, after)
}

type Path = readonly (string | number)[]
const isChild = (path: Path): boolean => path.length === 2 && path[0] === 'children'
const isElse = (path: Path): boolean => path.length > 0 && path[0] !== 'children'

/** The state after the patch. `before` is not changed; untouched parts are shared. */
export const patchedState = (before: Persisted | undefined, patch: Patch): Persisted => {
  const { set = [], del = [] } = patch
  const paths = [...set.map(([path]) => path), ...del]
  const crowd = before && crowdOf(before)
  if (crowd && paths.every((path) => isChild(path) || isElse(path))) return patchedCrowd(before, crowd, set, del)
  const state = patched(before, patch) as Persisted
  return paths.every(isElse) ? state : gathered(state)
}
const patchedCrowd = (
  before: Persisted,
  crowd: Crowd,
  set: NonNullable<Patch['set']>,
  del: NonNullable<Patch['del']>,
): Persisted => {
  const rest = { set: set.filter(([path]) => isElse(path)), del: del.filter(isElse) }
  const gone = del.filter(isChild).map(([, ref]) => [String(ref), undefined] as const)
  const come = set.filter(([path]) => isChild(path)).map(([[, ref], src]) => [String(ref), String(src)] as const)
  return withCrowd(patched(childless(before), rest) as Persisted, changedCrowd(crowd, [...gone, ...come]), (all) => all)
}
const gathered = (state: Persisted): Persisted => {
  const crowd = crowdFrom(state.children)
  return crowd ? withCrowd(childless(state), crowd, (all) => all) : state
}

// A child's own state is in its own journal; here only its name matters, so that leaving the state stops it.
const childOf = (src: string) => ({
  src,
  syncSnapshot: false,
  snapshot: { status: 'active', output: undefined, error: undefined, input: undefined },
})

const restored = (machine: AnyStateMachine, persisted: Persisted, children: Sources): AnyMachineSnapshot => {
  const { historyValue = {}, ...rest } = childless(persisted)
  const snapshot = {
    ...rest,
    status: persisted.status === 'stopped' ? 'active' : persisted.status,
    historyValue: mapped(historyValue, (ids) => ids.map((id) => ({ id }))),
    children: mapped(children, childOf),
  }
  return createActor(machine, { snapshot: snapshot as never }).getSnapshot() as AnyMachineSnapshot
}

/** Gives a snapshot the children of a crowd; what XState asks of them it knows of any child. */
export const inCrowd = (snapshot: AnyMachineSnapshot, crowd: Crowd): AnyMachineSnapshot => {
  const { machine, value, context } = snapshot
  const bare = { status: 'active', value, context, children: {} } as const
  return withCrowd(snapshot, crowd, (all) => restored(machine, bare, all).children)
}

/**
 * The snapshot of a machine from its JSON form. Runs no entry action and starts nothing.
 * @throws Corrupt when the machine has no such state
 */
export const hydrate = (machine: AnyStateMachine, persisted: Persisted): AnyMachineSnapshot => {
  const crowd = crowdOf(persisted) ?? crowdFrom(persisted.children)
  const snapshot = restored(machine, persisted, crowd ? {} : persisted.children)
  if (snapshot.status === 'error' && persisted.status !== 'error')
    throw new Corrupt(`the machine "${machine.id}" has no state ${JSON.stringify(persisted.value)}`, { cause: snapshot.error })
  return crowd ? inCrowd(snapshot, crowd) : snapshot
}
