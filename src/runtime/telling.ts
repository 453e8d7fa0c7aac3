import type { Clock } from './clock.ts'
import { failureOf } from './effects.ts'
import type { Log } from './ground.ts'
import { Conflict, type Journal, Unanswered } from './journal.ts'

/** A trouble that lasts is said again so often. */
const AGAIN_MS = 10_000

/**
 * The same journal, whose troubles are said: who waits for an append to be answered waits in silence. A trouble that all
 * actors have is said once in ten seconds, not once for each try; that it is over is said too.
 */
export const telling = (journal: Journal, clock: Clock, log: Log): Journal => {
  let saidAt = Number.NEGATIVE_INFINITY
  let unsaid = 0
  const trouble = (error: unknown): void => {
    if (error instanceof Conflict) return // a lost race is no trouble: the actor asks who won
    unsaid++
    if (clock.monotonic() - saidAt < AGAIN_MS) return
    const fields = { err: failureOf(error), times: unsaid }
    if (error instanceof Unanswered) log.warn(fields, 'the journal waits')
    else log.error(fields, 'the journal refuses')
    saidAt = clock.monotonic()
    unsaid = 0
  }
  const over = (): void => {
    if (saidAt === Number.NEGATIVE_INFINITY) return
    saidAt = Number.NEGATIVE_INFINITY
    unsaid = 0
    log.info({}, 'the journal is written again')
  }
  const told = async <T>(work: Promise<T>, onSuccess: () => void = () => {}): Promise<T> => {
    try {
      const result = await work
      onSuccess()
      return result
    } catch (error) {
      trouble(error)
      throw error
    }
  }
  return {
    ...journal,
    append: (...args) => told(journal.append(...args), over),
    last: (...args) => told(journal.last(...args)),
    refuse: (...args) => told(journal.refuse(...args), over),
  }
}
