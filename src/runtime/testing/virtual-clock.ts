import type { Clock } from '../clock.ts'

type Sleeper = { readonly at: number; readonly wake: () => void }

/** Time that moves only when told to. */
export type VirtualClock = Clock & {
  /** Moves on by so many milliseconds, waking what sleeps in order, and lets everything run that this makes ready. */
  readonly advance: (ms: number) => Promise<void>
  /** When the next sleeper wakes, epoch ms; undefined while nobody sleeps. */
  readonly next: () => number | undefined
}

const TURNS = 4

/** Lets everything that is ready run. */
export const settled = async (): Promise<void> => {
  for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** @param start epoch milliseconds */
export const virtualClock = (start = Date.UTC(2026, 0, 1)): VirtualClock => {
  let now = start
  const sleepers = new Set<Sleeper>()
  /** The earliest; of two at the same time the one that went to sleep first. */
  const earliest = (): Sleeper | undefined => {
    let found: Sleeper | undefined
    for (const sleeper of sleepers) if (!found || sleeper.at < found.at) found = sleeper
    return found
  }
  return {
    now: () => now,
    monotonic: () => now - start,
    after: (ms, wake) => {
      const sleeper = { at: now + ms, wake }
      sleepers.add(sleeper)
      return () => sleepers.delete(sleeper)
    },
    next: () => earliest()?.at,
    advance: async (ms) => {
      const end = now + ms
      for (;;) {
        await settled()
        const next = earliest()
        if (!next || next.at > end) break
        sleepers.delete(next)
        now = Math.max(now, next.at)
        next.wake()
      }
      now = end
      await settled()
    },
  }
}
