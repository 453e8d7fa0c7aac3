import type { Leases } from '../inbox.ts'

/** Everybody gets every lease; `quietAt`: until when a holder before may still write, on the clock's monotonic time. */
export const freeFrom = (quietAt: number): Leases => ({
  acquire: async () => ({ lost: new AbortController().signal, quietAt, release: async () => {} }),
})

/** What then keeps two owners apart is the fence alone. */
export const freeLeases = freeFrom(0)

/** The first `count` leases are given, and lost with the signal; then nobody gets one any more. */
export const leasesUntil = (lost: AbortSignal, count: number): Leases => {
  let given = 0
  return {
    acquire: (_, __, signal) =>
      given++ < count
        ? Promise.resolve({ lost, quietAt: 0, release: async () => {} })
        : new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  }
}
