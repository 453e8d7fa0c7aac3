import { type Entry, type Journal, Unanswered, Unstorable } from '../journal.ts'
import type { Address, Commit } from '../types.ts'
import { memoryStore } from './memory-store.ts'

/** What befalls the next append: stored but never answered, or neither. */
type Fault = 'answer lost' | 'not stored' | 'too large'

export type MemoryJournal = Journal & {
  readonly entries: Entry[]
  /** Befalls the next append. */
  fault?: Fault | undefined
  /** How often `last` and `refuse` stay unanswered. */
  silent: number
  readonly of: (actor: Address) => readonly Commit[]
}

/** The journal's contract in memory, with the faults that a server has. */
export const memoryJournal = (): MemoryJournal => {
  const store = memoryStore(() => performance.now())
  const answered = (): void => {
    if (journal.silent <= 0) return
    journal.silent--
    throw new Unanswered('timeout')
  }
  const journal: MemoryJournal = {
    entries: store.entries,
    silent: 0,
    of: (actor) => store.of(actor).map(({ commit }) => commit),
    append: async (actor, commit, expected) => {
      await Promise.resolve()
      const fault = journal.fault
      journal.fault = undefined
      if (fault === 'too large') throw new Unstorable('larger than max_payload')
      if (fault === 'not stored') throw new Unanswered('timeout')
      const seq = store.append(actor, commit, expected)
      if (fault === 'answer lost') throw new Unanswered('timeout')
      return seq
    },
    last: async (actor) => {
      await Promise.resolve()
      answered()
      return store.last(actor)
    },
    at: async (seq) => store.at(seq),
    read: async (actor, after, onStored) => store.of(actor, after).forEach(onStored),
    purge: async (actor, before) => store.purge(actor, before),
    refuse: async (refusal) => {
      answered()
      store.refuse(refusal)
    },
    readAll: async (after, onEntry) => {
      for (const entry of store.since(after)) if (onEntry(entry) === false) return
    },
    follow: async function* (after, signal) {
      for (let at = after; !signal.aborted; ) {
        const entries = store.since(at)
        for (const entry of entries) {
          at = entry.seq
          yield entry
        }
        if (entries.length === 0) await something(store.onStored, signal)
      }
    },
  }
  return journal
}

/** Resolves with the next record, or when the signal aborts. */
const something = (onStored: (listener: () => void) => () => void, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      unheard()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const unheard = onStored(end)
    signal.addEventListener('abort', end, { once: true })
  })
