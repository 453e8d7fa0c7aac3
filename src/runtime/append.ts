import { type Clock, pause } from './clock.ts'
import { Conflict, type Journal, type Stored, Unanswered } from './journal.ts'
import { type Address, addressOf, type Commit } from './types.ts'

/** Another owner has written to the actor's journal: this one must stop and forget what it holds. */
export class Fenced extends Error {
  override name = 'Fenced'
}

const ASK_AGAIN_MS = 250

/** What names one append: the activation that wrote it, and its count there. */
export type Write = Pick<Commit, 'own' | 'nonce'>
export const isSameWrite = (a: Write, b: Write): boolean => a.own === b.own && a.nonce === b.nonce

/**
 * Appends the commit after sequence `expected` and answers with its own sequence, however often the server stays silent.
 * A lost race and a lost answer look alike, and only the leader's newest record of the actor tells them apart; it is
 * asked until it answers. If the actor is still where it was, the same record is sent again: of the two at most one can
 * be stored, because both expect the same sequence.
 * @throws Fenced when another owner wrote
 */
export const append = async (
  journal: Journal,
  clock: Clock,
  self: Address,
  commit: Commit,
  expected: number,
  signal: AbortSignal,
): Promise<number> => {
  for (;;) {
    try {
      return await journal.append(self, commit, expected)
    } catch (error) {
      if (!(error instanceof Conflict || error instanceof Unanswered)) throw error
      const last = await newest(journal, clock, self, signal)
      if (last && isSameWrite(last.commit, commit)) return last.seq
      if ((last?.seq ?? 0) !== expected)
        throw new Fenced(`${addressOf(self)}: ${last?.commit.own} wrote commit ${last?.commit.n} first`, { cause: error })
      await pause(clock, ASK_AGAIN_MS, signal)
    }
  }
}

const newest = async (journal: Journal, clock: Clock, self: Address, signal: AbortSignal): Promise<Stored | undefined> => {
  for (;;) {
    if (signal.aborted) throw new Fenced(`${addressOf(self)}: closed while a write was in doubt`)
    try {
      return await journal.last(self)
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error
      await pause(clock, ASK_AGAIN_MS, signal)
    }
  }
}
