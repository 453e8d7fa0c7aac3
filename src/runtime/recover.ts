import { type Book, book } from './fold.ts'
import { Corrupt, type Journal } from './journal.ts'
import { type Address, addressOf, type Commit } from './types.ts'

export type Recovered = {
  readonly books: readonly { readonly actor: Address; readonly state: Book }[]
  /** Actors whose journal has a hole: nothing is guessed over, they stay closed. */
  readonly corrupt: readonly { readonly actor: Address; readonly error: Corrupt }[]
}

/** Reads the journal once for all the types that ask at the same time, and folds it without running user code. */
export const recover = (journal: Journal, types: readonly string[]): { read(type: string): Promise<Recovered> } => {
  let pass: { readonly folded: Promise<ReadonlyMap<string, Recovered>>; readonly taken: Set<string> } | undefined
  return {
    read: async (type) => {
      // A second reading of the same type (a lease lost and won back) wants what was written since.
      if (!pass || pass.taken.has(type)) pass = { folded: fold(journal, types), taken: new Set() }
      pass.taken.add(type)
      return (await pass.folded).get(type) ?? { books: [], corrupt: [] }
    },
  }
}

const fold = async (journal: Journal, types: readonly string[]): Promise<ReadonlyMap<string, Recovered>> => {
  const states = new Map<string, { readonly actor: Address; state: Book | Corrupt }>()
  for await (const { seq, type, id, record } of journal.readAll(0)) {
    if (id === undefined || !('n' in record) || !types.includes(type)) continue
    const actor = { type, id }
    const known = states.get(addressOf(actor))
    if (known?.state instanceof Corrupt) continue
    const state = next(known?.state, actor, record, seq)
    if (known) known.state = state
    else states.set(addressOf(actor), { actor, state })
  }
  return grouped([...states.values()])
}

const next = (before: Book | undefined, actor: Address, commit: Commit, seq: number): Book | Corrupt => {
  try {
    return book(before, actor, commit, seq)
  } catch (error) {
    if (error instanceof Corrupt) return error
    throw error
  }
}

const grouped = (
  states: readonly { readonly actor: Address; readonly state: Book | Corrupt }[],
): ReadonlyMap<string, Recovered> => {
  const byType = Map.groupBy(states, ({ actor }) => actor.type)
  return new Map(
    [...byType].map(([type, found]) => [
      type,
      {
        books: found.flatMap(({ actor, state }) => (state instanceof Corrupt ? [] : [{ actor, state }])),
        corrupt: found.flatMap(({ actor, state }) => (state instanceof Corrupt ? [{ actor, error: state }] : [])),
      },
    ]),
  )
}
