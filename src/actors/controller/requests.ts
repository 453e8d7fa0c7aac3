const REQUEST_MS = 10_000
/** So many requests of one name at once: their time does not run while they wait for a place. */
const TOGETHER = 32
const patiently = { attempts: 3, backoffMs: 500, on: ['Unavailable', 'TimedOut'] } as const
const request = { timeoutMs: REQUEST_MS, retry: patiently, concurrency: TOGETHER } as const

/** A request that only reads. */
export const asking = { ...request, reach: 'internal', idempotency: 'natural' } as const
/** A request that changes something, and the second time nothing more. */
export const changing = { ...request, reach: 'disruptive', idempotency: 'natural' } as const
