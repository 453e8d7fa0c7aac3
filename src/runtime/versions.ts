import type { AnyMachineSnapshot } from 'xstate'
import { childAddress } from './decide.ts'
import type { Book } from './fold.ts'
import { Corrupt } from './journal.ts'
import type { Persisted } from './persist.ts'
import { type Address, addressOf, type Definition, type Intent } from './types.ts'

/**
 * Pure: an actor's state as the machine of this process has it: the recorded one, carried from version to version. Old
 * events are never replayed through a newer machine.
 * @throws Corrupt when the journal was written by a newer machine, or a step between the versions is missing or throws
 */
export const migrated = (definition: Definition, self: Address, { mv, state }: Book): Persisted => {
  const { version, migrate = {} } = definition
  if (mv > version)
    throw new Corrupt(
      `${addressOf(self)}: its journal was written by version ${mv} of the machine, this process has version ${version}: run the newer release`,
    )
  let current = state
  for (let from = mv; from < version; from++) {
    const step = migrate[from]
    if (!step)
      throw new Corrupt(
        `${addressOf(self)}: its state is of machine version ${mv}, and no migration leads from ${from} to ${from + 1}`,
      )
    try {
      current = step(current)
    } catch (error) {
      const reason = (error as Error).message
      throw new Corrupt(`${addressOf(self)}: its migration from machine version ${from} threw: ${reason}`, { cause: error })
    }
  }
  return current
}

/**
 * Pure: what the states of a migrated actor invoke and the older machine did not: as if they were entered now. A finished
 * invoke stays among the children until its state is left, so none is started twice.
 * @param at epoch ms
 */
export const newInvokes = (definition: Definition, self: Address, snapshot: AnyMachineSnapshot, at: number): readonly Intent[] =>
  snapshot._nodes
    .flatMap((node) => node.invoke)
    .filter(({ id }) => !(id in snapshot.children))
    .map(({ id, src, input }, i): Intent => {
      const event = { type: '$migrated', at }
      const given: unknown = typeof input === 'function' ? input({ context: snapshot.context, event } as never) : input
      const to = childAddress(definition, self, String(src), id)
      const asked = { i, name: String(src), ref: id, ...(given !== undefined && { input: given }) }
      return to ? { ...asked, kind: 'spawn', to } : { ...asked, kind: 'invoke' }
    })

/** The state with what `newInvokes` asks for among its children. */
export const withInvokes = (state: Persisted, fx: readonly Intent[]): Persisted =>
  fx.length === 0
    ? state
    : { ...state, children: { ...state.children, ...Object.fromEntries(fx.map(({ ref, name }) => [ref, name])) } }
