import type { Book } from './fold.ts'
import { Corrupt } from './journal.ts'
import type { Persisted } from './persist.ts'
import { type Address, addressOf, type Definition } from './types.ts'

/**
 * Pure: an actor's state as the machine of this process has it: the recorded one, carried from version to version. Old
 * events are never replayed through a newer machine.
 * @throws Corrupt when the journal was written by a newer machine, or a step between the versions is missing
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
    current = step(current)
  }
  return current
}
