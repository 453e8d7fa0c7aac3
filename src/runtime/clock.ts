/** Time, so that it can be simulated. */
export type Clock = {
  /** Epoch milliseconds. */
  now(): number
  /** Milliseconds that never jump: for licences and time-outs. */
  monotonic(): number
  /** Calls once after so many milliseconds; the result cancels. */
  after(ms: number, wake: () => void): () => void
}

/** The machine's own clock. A pending wake keeps no process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, wake) => {
    const timeout = setTimeout(wake, ms).unref()
    return () => clearTimeout(timeout)
  },
}

/** Resolves after so many milliseconds, or at once when the signal aborts. */
export const pause = (clock: Clock, ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const end = (): void => {
      cancel()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.after(ms, end)
    signal?.addEventListener('abort', end, { once: true })
  })
