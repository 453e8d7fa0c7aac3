import { AsyncLocalStorage } from 'node:async_hooks'
import { type Clock, pause } from './clock.ts'
import type { Journal } from './journal.ts'
import type { Address, Reach } from './types.ts'

/** Disruptive work is not allowed now. */
export class Held extends Error {
  override name = 'Held'
}

/** `permits` reads the governing actor's state value: what it allows, or why not. */
export type Governor = {
  readonly actor: Address
  readonly permits: (value: unknown, reach: Reach) => string | undefined
}

export type Licence = {
  /** Runs a request that the licence allows, and counts it while it is under way; in it, `askAgain` asks. @throws Held */
  during<T>(reach: Reach, request: () => Promise<T>): Promise<T>
  /** Disruptive requests under way. */
  inFlight(): number
  /** Number of the governing actor's newest commit that this process has seen. */
  seen(): number
}

/** A licence is good for this long after the request that renewed it was sent. */
export const LICENCE_MS = 3_000
/** No request to the world lasts longer: each effect is one request, and its time limit is no more than this. */
export const STEP_MS = 10_000
const RENEW_MS = 1_000

const asking = new AsyncLocalStorage<() => void>()

/**
 * Asks for permission once more, right before a request is sent: from the beginning of an effect to there lie a rate
 * limit, a reading, a connection, and they may last longer than a licence. Outside of effects nothing is asked.
 * @throws Held when what the effect may do is not allowed any more: this request was not sent
 */
export const askAgain = (): void => asking.getStore()?.()

/**
 * Permission to disrupt, renewed every second by reading the governing actor's newest commit from the stream's leader.
 * Without an answer it runs out after three seconds of the monotonic clock, counted from the start of the request. A
 * server that answers late is still asked every second: the answer to the youngest question counts.
 */
export const licence = (
  journal: Pick<Journal, 'last'>,
  governor: Governor,
  clock: Clock,
  signal: AbortSignal,
  onRenewed?: () => void,
): Licence => {
  let renewedAt = Number.NEGATIVE_INFINITY
  let value: unknown
  let seen = 0
  const ask = async (): Promise<void> => {
    const askedAt = clock.monotonic()
    const last = await journal.last(governor.actor).catch(() => 'unanswered' as const)
    if (last === 'unanswered' || askedAt < renewedAt) return
    renewedAt = askedAt
    value = last?.commit.to
    seen = last?.commit.n ?? 0
    onRenewed?.()
  }
  const renew = async (): Promise<void> => {
    while (!signal.aborted) {
      void ask()
      await pause(clock, RENEW_MS, signal)
    }
  }
  const check = (reach: Reach): void => {
    if (reach === 'internal') return
    if (signal.aborted) throw new Held('this process stops: nothing disruptive starts')
    if (clock.monotonic() - renewedAt > LICENCE_MS)
      throw new Held('no word from the journal for three seconds: nothing disruptive starts')
    const refusal = governor.permits(value, reach)
    if (refusal !== undefined) throw new Held(refusal)
  }
  void renew()
  return { seen: () => seen, ...counting(check) }
}

const counting = (check: (reach: Reach) => void): Pick<Licence, 'during' | 'inFlight'> => {
  let count = 0
  return {
    inFlight: () => count,
    during: async (reach, request) => {
      const ask = (): void => check(reach)
      ask()
      if (reach !== 'disruptive') return asking.run(ask, request)
      count++
      try {
        return await asking.run(ask, request)
      } finally {
        count--
      }
    },
  }
}

/** For runtimes without a governing actor: everything is allowed. */
export const unrestricted: Licence = { seen: () => 0, ...counting(() => {}) }
