import { setTimeout as sleep } from 'node:timers/promises'
import { Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'

/** Requests per second: so many at most, and so many at least: those who wait have ten seconds, and up to a hundred wait together. */
const MOST = 300
const LEAST = 20
/** From the least to the most in so many seconds without a complaint. */
const RECOVERY_SECONDS = 60
/** What was on its way when the rate was halved does not halve it again. */
const ONE_COMPLAINT_MS = 1_000

type Bucket = {
  /** ms to wait until the next request may be sent, which is then taken for sent. */
  take(): number
  /** The API has too much to do. @param sentAt when what it complains of was sent @param wishMs how long it wants to be left alone */
  complained(sentAt: number, wishMs?: number): void
  /** Requests per second now. */
  rate(): number
}

/**
 * A token bucket whose rate is halved by each complaint and comes back slowly, like TCP's: everybody who shares it slows
 * down together. It holds one second's worth.
 * @param now monotonic ms
 */
export const createBucket = (now: () => number = () => performance.now()): Bucket => {
  let [rate, tokens, at] = [MOST, MOST, now()]
  let [halvedAt, closedUntil] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
  const refill = (): void => {
    const seconds = Math.max(0, now() - Math.max(at, closedUntil)) / 1_000
    if (now() < closedUntil) return
    rate = Math.min(MOST, rate + (seconds * (MOST - LEAST)) / RECOVERY_SECONDS)
    tokens = Math.min(rate, tokens + seconds * rate)
    at = now()
  }
  return {
    take: () => {
      refill()
      tokens -= 1
      const closed = Math.max(0, closedUntil - now())
      return closed + (tokens >= 0 ? 0 : (-tokens / rate) * 1_000)
    },
    complained: (sentAt, wishMs = 0) => {
      refill()
      closedUntil = Math.max(closedUntil, now() + Math.min(wishMs, 60_000))
      if (sentAt < halvedAt || now() - halvedAt < ONE_COMPLAINT_MS) return
      rate = Math.max(LEAST, rate / 2)
      tokens = Math.min(tokens, 0)
      halvedAt = now()
    },
    rate: () => rate,
  }
}

/** The client whose requests share one bucket; a 429 that is no budget's empties it. Streams are not counted. */
export const throttled = (client: KubernetesClient, bucket: Bucket = createBucket()): KubernetesClient => {
  const send = async <T>(signal: AbortSignal | undefined, request: () => Promise<T>): Promise<T> => {
    const waitMs = bucket.take()
    if (waitMs > 0) await sleep(waitMs, undefined, signal && { signal })
    const sentAt = performance.now()
    try {
      return await request()
    } catch (error) {
      if (error instanceof Unavailable && error.code === 429) bucket.complained(sentAt, error.retryAfterMs)
      throw error
    }
  }
  return {
    ...client,
    request: (method, path, call) => send(call?.signal, () => client.request(method, path, call)),
    bytes: (path, call) => send(call?.signal, () => client.bytes(path, call)),
  }
}
