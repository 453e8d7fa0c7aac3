import type { Clock } from '../../src/runtime/clock.ts'

type Sleeper = { readonly at: number; readonly wake: () => void }

/** Time that moves only when told to. */
export type VirtualClock = Clock & { readonly advance: (ms: number) => Promise<void> }

/** Lets everything that is ready run. */
export const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

export const virtualClock = (start = Date.UTC(2026, 0, 1)): VirtualClock => {
  let now = start
  const sleepers = new Set<Sleeper>()
  return {
    now: () => now,
    monotonic: () => now - start,
    after: (ms, wake) => {
      const sleeper = { at: now + ms, wake }
      sleepers.add(sleeper)
      return () => sleepers.delete(sleeper)
    },
    advance: async (ms) => {
      const end = now + ms
      for (;;) {
        await settled()
        const next = [...sleepers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0]
        if (!next) break
        sleepers.delete(next)
        now = Math.max(now, next.at)
        next.wake()
      }
      now = end
      await settled()
    },
  }
}
