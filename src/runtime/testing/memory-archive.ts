import type { Archive, Chapter } from '../archive.ts'
import type { Stored } from '../journal.ts'
import { addressOf } from '../types.ts'

export type MemoryArchive = Archive & {
  /** What was written, each write with all its chapters. */
  readonly writes: (readonly Chapter[])[]
}

/** The archive's contract in memory; every commit passes through JSON, as on the wire. */
export const memoryArchive = (): MemoryArchive => {
  const writes: (readonly Chapter[])[] = []
  /** By address and number of the commit: what was written twice is there once. */
  const kept = new Map<string, Map<number, Stored>>()
  const inOrder = (commits: ReadonlyMap<number, Stored>): readonly Stored[] =>
    [...commits.values()].toSorted((a, b) => a.commit.n - b.commit.n)
  return {
    writes,
    write: async (chapters) => {
      const copy = JSON.parse(JSON.stringify(chapters)) as readonly Chapter[]
      writes.push(copy)
      for (const { actor, commits } of copy) {
        const known = kept.get(addressOf(actor)) ?? new Map<number, Stored>()
        kept.set(addressOf(actor), known)
        for (const stored of commits) known.set(stored.commit.n, stored)
      }
    },
    read: async (actor, onStored) => inOrder(kept.get(addressOf(actor)) ?? new Map()).forEach(onStored),
    between: async (from, to, onStored) => {
      for (const commits of kept.values())
        for (const stored of inOrder(commits)) if (stored.commit.ts >= from && stored.commit.ts <= to) onStored(stored)
    },
  }
}
