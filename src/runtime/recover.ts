import { type Book, book } from './fold.ts'
import { Corrupt, type Journal } from './journal.ts'
import { type Address, addressOf, type Commit } from './types.ts'

export type Recovered = {
  readonly books: readonly { readonly actor: Address; readonly state: Book }[]
  /** Actors whose journal has a hole: nothing is guessed over, they stay closed. */
  readonly corrupt: readonly { readonly actor: Address; readonly error: Corrupt }[]
}

/** One reading of the journal for all the types that ask at the same time, folded without running user code. */
export const recover = (journal: Journal, types: readonly string[]): { read(type: string): Promise<Recovered> } => {
  let gathering: Promise<ReadonlyMap<string, Recovered>> | undefined
  // Whoever asks after the reading has begun gets one of its own: what was written in between must be in it.
  const gathered = async (): Promise<ReadonlyMap<string, Recovered>> => {
    await Promise.resolve()
    gathering = undefined
    return fold(journal, types)
  }
  return {
    read: async (type) => {
      gathering ??= gathered()
      return (await gathering).get(type) ?? { books: [], corrupt: [] }
    },
  }
}

const fold = async (journal: Journal, types: readonly string[]): Promise<ReadonlyMap<string, Recovered>> => {
  const states = new Map<string, { readonly actor: Address; state: Book | Corrupt }>()
  await journal.readAll(0, ({ seq, type, id, record }) => {
    if (id === undefined || !types.includes(type) || !(record instanceof Corrupt || 'n' in record)) return
    const actor = { type, id }
    const known = states.get(addressOf(actor))
    if (known?.state instanceof Corrupt) return
    const state = record instanceof Corrupt ? record : next(known?.state, actor, record, seq)
    if (known) known.state = state
    else states.set(addressOf(actor), { actor, state })
  })
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
