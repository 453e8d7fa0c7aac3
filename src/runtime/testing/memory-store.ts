import { Conflict, type Entry, type Stored } from '../journal.ts'
import { type Address, addressOf, type Commit, type Refusal } from '../types.ts'

/** What a server holds of a journal: all of it happens at once, nothing fails by itself. */
export type MemoryStore = {
  /** Every record that was not purged, in order. */
  readonly entries: Entry[]
  /** @throws Conflict unless the actor's newest record has the sequence `expected` (0: there is none) */
  append(actor: Address, commit: Commit, expected: number): number
  /** Stored once in two minutes, as NATS knows a repeat for so long. */
  refuse(refusal: Refusal): void
  last(actor: Address): Stored | undefined
  at(seq: number): Entry | undefined
  /** Every record after a sequence. */
  since(after: number): readonly Entry[]
  /** The commits of one actor after a sequence. */
  of(actor: Address, after?: number): readonly Stored[]
  purge(actor: Address, before?: number): void
  /** Told of each new record; the result ends it. */
  onStored(listener: (entry: Entry) => void): () => void
}

/** The duplicate window of the stream. */
const KNOWN_MS = 120_000

/**
 * Every record passes through JSON, as on the wire.
 * @param now the server's own clock, ms: those of the processes may be set
 */
export const memoryStore = (now: () => number): MemoryStore => {
  const entries: Entry[] = []
  /** By command: when its refusal was stored. */
  const refusedAt = new Map<string, number>()
  const newest = new Map<string, Stored>()
  const listeners = new Set<(entry: Entry) => void>()
  let seq = 0
  const store = <R extends Commit | Refusal>(type: string, id: string | undefined, sent: R): R => {
    const record = JSON.parse(JSON.stringify(sent)) as R
    const entry = { seq: ++seq, type, id, record }
    entries.push(entry)
    for (const listener of listeners) listener(entry)
    return record
  }
  const isOf = ({ type, id }: Address, entry: Entry): boolean => entry.type === type && entry.id === id
  return {
    entries,
    append: (actor, commit, expected) => {
      const name = addressOf(actor)
      const last = newest.get(name)?.seq ?? 0
      if (last !== expected) throw new Conflict(`${name}: wrong last sequence: ${last}, not ${expected}`)
      const stored = store(actor.type, actor.id, commit)
      newest.set(name, { seq, actor, commit: stored })
      return seq
    },
    refuse: (refusal) => {
      if (now() - (refusedAt.get(refusal.cmd) ?? Number.NEGATIVE_INFINITY) < KNOWN_MS) return
      refusedAt.set(refusal.cmd, now())
      store(refusal.refused.type, undefined, refusal)
    },
    last: (actor) => newest.get(addressOf(actor)),
    at: (wanted) => entries.find((entry) => entry.seq === wanted),
    since: (after) => entries.slice(entries.findLastIndex((entry) => entry.seq <= after) + 1),
    of: (actor, after = 0) =>
      entries.flatMap((entry) =>
        isOf(actor, entry) && entry.seq > after ? [{ seq: entry.seq, actor, commit: entry.record as Commit }] : [],
      ),
    purge: (actor, before = Number.POSITIVE_INFINITY) => {
      const kept = entries.filter((entry) => !isOf(actor, entry) || entry.seq >= before)
      entries.splice(0, entries.length, ...kept)
      if (!kept.some((entry) => isOf(actor, entry))) newest.delete(addressOf(actor))
    },
    onStored: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
