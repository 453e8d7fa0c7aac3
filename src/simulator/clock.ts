/** Where the simulated cluster takes its time from, and what wakes it. */
export type Clock = {
  /** Epoch milliseconds. */
  now(): number
  /** Runs once after so many milliseconds, unless the returned function is called before. */
  after(delayMs: number, run: () => void): () => void
}

/** The computer's clock. `stop` cancels everything that is still due. */
export const systemClock = (): Clock & { stop(): void } => {
  const timers = new Set<NodeJS.Timeout>()
  return {
    now: () => Date.now(),
    after(delayMs, run) {
      const timer = setTimeout(() => {
        timers.delete(timer)
        run()
      }, delayMs)
      timers.add(timer)
      return () => {
        clearTimeout(timer)
        timers.delete(timer)
      }
    },
    stop() {
      for (const timer of timers) clearTimeout(timer)
      timers.clear()
    },
  }
}

type Due = { readonly at: number; readonly order: number; readonly run: () => void }

/** A clock that stands still until it is advanced; what is due at the same moment runs in the order it was asked for. */
export const virtualClock = (startMs: number): Clock & { advance(ms: number): void } => {
  const due = new Set<Due>()
  let now = startMs
  let order = 0
  const next = (until: number): Due | undefined => {
    let first: Due | undefined
    for (const timer of due)
      if (timer.at <= until && (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)))
        first = timer
    return first
  }
  return {
    now: () => now,
    after(delayMs, run) {
      order += 1
      const timer = { at: now + delayMs, order, run }
      due.add(timer)
      return () => void due.delete(timer)
    },
    advance(ms) {
      const until = now + ms
      for (let timer = next(until); timer; timer = next(until)) {
        due.delete(timer)
        now = Math.max(now, timer.at)
        timer.run()
      }
      now = until
    },
  }
}

/** A moment as Kubernetes writes it: seconds, in UTC. */
export const timestamp = (epochMs: number): string => `${new Date(epochMs).toISOString().slice(0, 19)}Z`
