import { type AnyMachineSnapshot, type AnyStateMachine, createActor } from 'xstate'
import { Corrupt } from './journal.ts'

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

/** The JSON form of a snapshot. Context and output are shared, not copied. */
export const persist = (snapshot: AnyMachineSnapshot): Persisted => {
  const history = (snapshot.historyValue ?? {}) as Record<string, readonly { readonly id: string }[]>
  const children = snapshot.children as Record<string, { readonly src: unknown } | undefined>
  return {
    status: snapshot.status,
    value: snapshot.value,
    context: snapshot.context,
    children: Object.fromEntries(Object.entries(children).flatMap(([id, child]) => (child ? [[id, String(child.src)]] : []))),
    ...(Object.keys(history).length > 0 && { historyValue: mapped(history, (nodes) => nodes.map(({ id }) => id)) }),
    ...(snapshot.output !== undefined && { output: snapshot.output }),
  }
}

// A child's own state is in its own journal; here only its name matters, so that leaving the state stops it.
const childOf = (src: string) => ({
  src,
  syncSnapshot: false,
  snapshot: { status: 'active', output: undefined, error: undefined, input: undefined },
})

/**
 * The snapshot of a machine from its JSON form. Runs no entry action and starts nothing.
 * @throws Corrupt when the machine has no such state
 */
export const hydrate = (machine: AnyStateMachine, persisted: Persisted): AnyMachineSnapshot => {
  const { historyValue = {}, children, ...rest } = persisted
  const snapshot = {
    ...rest,
    status: persisted.status === 'stopped' ? 'active' : persisted.status,
    historyValue: mapped(historyValue, (ids) => ids.map((id) => ({ id }))),
    children: mapped(children, childOf),
  }
  const restored = createActor(machine, { snapshot: snapshot as never }).getSnapshot() as AnyMachineSnapshot
  if (restored.status === 'error' && persisted.status !== 'error')
    throw new Corrupt(`the machine "${machine.id}" has no state ${JSON.stringify(persisted.value)}`, { cause: restored.error })
  return restored
}
