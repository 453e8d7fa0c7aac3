import { isSameWrite, type Write } from './append.ts'
import { type Book, book, bookOf } from './fold.ts'
import type { Ground } from './ground.ts'
import { Corrupt, type Entry, type Journal } from './journal.ts'
import { type Address, addressOf, type Commit, type Definition, type Refusal } from './types.ts'

export type Recovered = {
  /** Actors that live, or owe something. */
  readonly books: readonly { readonly actor: Address; readonly state: Book }[]
  /** Actors whose journal has a hole: nothing is guessed over, they stay closed. */
  readonly corrupt: readonly { readonly actor: Address; readonly error: Corrupt }[]
  readonly refused: Refused
  /** The newest record that was read. */
  readonly upTo: number
}

/** What was refused at the door: ids of commands, with the time. */
export type Refused = {
  /** Their ids are taken. */
  readonly formed: Map<string, number>
  /** What made no sense: under the same id it may come again and make sense. Until then it is not told twice. */
  readonly malformed: Map<string, number>
}
const nothingRefused = (): Refused => ({ formed: new Map(), malformed: new Map() })
const refuse = ({ formed, malformed }: Refused, { refused, cmd, ts }: Refusal): void =>
  void (refused.formed ? formed : malformed).set(cmd, ts)

/** Whether the actor is to be in memory: alive, with messages or effects that are owed, or parked for somebody to decide. */
export const owes = ({ state, open }: Book): boolean => state.status === 'active' || open.size > 0

/** One reading of the journal for all the types that ask at the same time, folded without running user code. */
export const recover = (journal: Journal, types: readonly string[]): { read(type: string): Promise<Recovered> } => {
  let gathering: Promise<ReadonlyMap<string, Recovered>> | undefined
  // Whoever asks after the reading has begun gets one of its own: what was written in between must be in it.
  const gathered = async (): Promise<ReadonlyMap<string, Recovered>> => {
    await Promise.resolve()
    gathering = undefined
    return folded(journal, types)
  }
  return {
    read: async (type) => {
      gathering ??= gathered()
      return (await gathering).get(type) ?? { books: [], corrupt: [], refused: nothingRefused(), upTo: 0 }
    },
  }
}

/** What another process wrote of a type after it was read: actors that went on or began, and what was refused at the door. */
export const written = async (
  journal: Journal,
  type: string,
  { after, except }: { readonly after: number; readonly except: string },
): Promise<{ readonly actors: readonly Address[]; readonly refused: Refused }> => {
  const actors = new Map<string, Address>()
  const refused = nothingRefused()
  await journal.readAll(after, (entry) => {
    const { id, record } = entry
    if (entry.type !== type || record instanceof Corrupt) return
    if ('refused' in record) {
      if (record.own !== except) refuse(refused, record)
    } else if (id !== undefined && !record.own.startsWith(`${except}.`)) actors.set(id, { type, id })
  })
  return { actors: [...actors.values()], refused }
}

type Found = { readonly actor: Address; state: Book | Corrupt }

const folded = async (journal: Journal, types: readonly string[]): Promise<ReadonlyMap<string, Recovered>> => {
  const byType = new Map(types.map((type) => [type, new Map<string, Found>()]))
  const refused = new Map(types.map((type) => [type, nothingRefused()]))
  /** Ended actors are forgotten at once, there may be millions; those of which more comes are read by themselves. */
  const revenants = new Map<string, Address>()
  let upTo = 0
  await journal.readAll(0, ({ seq, type, id, record }) => {
    upTo = seq
    const doors = refused.get(type)
    if (doors && 'refused' in record) refuse(doors, record)
    const found = byType.get(type)
    if (!found || id === undefined || !(record instanceof Corrupt || 'n' in record)) return
    const known = found.get(id)
    if (known?.state instanceof Corrupt) return
    const actor = known?.actor ?? { type, id }
    if (!known && !(record instanceof Corrupt) && record.n > 1 && !record.ck) return void revenants.set(addressOf(actor), actor)
    const state = record instanceof Corrupt ? record : next(known?.state, actor, record, seq)
    if (!(state instanceof Corrupt) && !owes(state)) found.delete(id)
    else if (known) known.state = state
    else found.set(id, { actor, state })
  })
  for (const actor of revenants.values()) {
    const state = await read(journal, actor, undefined).catch((error: unknown) => corruptOnly(error))
    if (state && (state instanceof Corrupt || owes(state))) byType.get(actor.type)?.set(actor.id, { actor, state })
  }
  return new Map(
    [...byType].map(([type, found]) => [
      type,
      { ...grouped([...found.values()]), refused: refused.get(type) ?? nothingRefused(), upTo },
    ]),
  )
}

const next = (before: Book | undefined, actor: Address, commit: Commit, seq: number): Book | Corrupt => {
  try {
    return book(before, actor, commit, seq)
  } catch (error) {
    return corruptOnly(error)
  }
}
const corruptOnly = (error: unknown): Corrupt => {
  if (error instanceof Corrupt) return error
  throw error
}

const grouped = (found: readonly Found[]): Pick<Recovered, 'books' | 'corrupt'> => ({
  books: found.flatMap(({ actor, state }) => (state instanceof Corrupt ? [] : [{ actor, state }])),
  corrupt: found.flatMap(({ actor, state }) => (state instanceof Corrupt ? [{ actor, error: state }] : [])),
})

const read = async (journal: Journal, actor: Address, known: Book | undefined): Promise<Book | undefined> => {
  let state = known
  await journal.read(actor, known?.seq ?? 0, ({ seq, commit }) => {
    state = book(state, actor, commit, seq)
  })
  return state
}

/**
 * One actor, from its cached snapshot and what came after, or from its journal alone. Undefined: there is none.
 * @throws Corrupt when its journal has a hole, or ends before a commit that a snapshot knows; Unanswered
 */
export const load = async (
  { journal, snapshots }: Pick<Ground, 'journal' | 'snapshots'>,
  { oneShot }: Definition,
  actor: Address,
): Promise<Book | undefined> => {
  const cached = await snapshots?.get(actor).catch(() => undefined) // a cache: without it, it takes longer
  if (cached && isSame(await journal.at(cached.seq), actor, cached)) return read(journal, actor, bookOf(cached))
  const state = await read(journal, actor, undefined)
  // One-shot actors are purged whole once they are archived.
  if (cached && cached.n > (state?.n ?? 0) && !(oneShot && !state))
    throw new Corrupt(
      `${addressOf(actor)}: its journal ends at commit ${state?.n ?? 0}, and commit ${cached.n} was acknowledged: the store has lost its end`,
    )
  return state
}

const isSame = (entry: Entry | undefined, { type, id }: Address, write: Write): boolean =>
  entry?.type === type && entry.id === id && 'n' in entry.record && isSameWrite(entry.record, write)
