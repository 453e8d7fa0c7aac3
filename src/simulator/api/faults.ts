import { z } from 'zod'
import { ApiFailure, badRequest } from '../failure.ts'

/** What may be made to go wrong, to rehearse it. */
export type Faults = {
  /** The next so many requests are answered with this HTTP status. */
  failNext(count: number, status: number, retryAfterSeconds?: number): void
  /** Every request waits so many milliseconds first, or every one of these methods. */
  delay(ms: number, methods?: readonly string[]): void
  /** Breaks every open watch, as a server that was killed does. */
  dropWatches(): void
  /** Forgets the past: a watch from before now is answered with 410. */
  compact(): void
}
type Armed = Faults & {
  /** @throws ApiFailure when this request is to fail */
  strike(): void
  delayMs(method: string): number
  onDrop(drop: () => void): () => void
}

const REASONS: Readonly<Record<number, string>> = {
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

export const armFaults = (compact: () => void): Armed => {
  const drops = new Set<() => void>()
  let left = 0
  let failure = new ApiFailure(500, 'InternalError', '')
  let [waitMs, waiting]: [number, readonly string[] | undefined] = [0, undefined]
  return {
    failNext(count, status, retryAfterSeconds) {
      left = count
      const extra = retryAfterSeconds === undefined ? {} : { retryAfterSeconds, details: { retryAfterSeconds } }
      failure = new ApiFailure(status, REASONS[status] ?? '', 'the simulated cluster was asked to fail this request', extra)
    },
    delay(ms, methods) {
      waitMs = ms
      waiting = methods
    },
    dropWatches() {
      for (const drop of [...drops]) drop()
    },
    compact,
    strike() {
      if (left === 0) return
      left -= 1
      throw failure
    },
    delayMs: (method) => (waiting?.includes(method) === false ? 0 : waitMs),
    onDrop(drop) {
      drops.add(drop)
      return () => void drops.delete(drop)
    },
  }
}
export type ArmedFaults = Armed

const Order = z.strictObject({
  failNext: z
    .object({ count: z.int().min(0), status: z.int().min(400).max(599), retryAfterSeconds: z.number().optional() })
    .optional(),
  delayMs: z.number().min(0).max(60_000).optional(),
  delayMethods: z.array(z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])).optional(),
  dropWatches: z.boolean().optional(),
  compact: z.boolean().optional(),
})

/** What `POST /simulator/faults` asks for. @throws ApiFailure 400 */
export const orderFaults = (faults: Faults, body: unknown): void => {
  const { success, data, error } = Order.safeParse(body)
  if (!success) throw badRequest(`no such fault: ${z.prettifyError(error)}`)
  if (data.failNext) faults.failNext(data.failNext.count, data.failNext.status, data.failNext.retryAfterSeconds)
  if (data.delayMs !== undefined) faults.delay(data.delayMs, data.delayMethods)
  if (data.dropWatches === true) faults.dropWatches()
  if (data.compact === true) faults.compact()
}
