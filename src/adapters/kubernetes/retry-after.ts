/** No wish of a server keeps us away for longer: a kind that is not looked at for hours is as good as lost. */
const LONGEST_WISH_MS = 60_000

/** As RFC 9110 writes dates, and no other text that `Date.parse` would make a date of. */
const DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /

/**
 * When a server wants to be asked again: its headers `Retry-After` (seconds, or a date) and `Date`. A date is compared
 * with the server's own clock if it tells it, because ours may be hours off.
 * @returns ms, from 0 to a minute; undefined if it has no wish that makes sense
 */
export const retryAfterMs = (retryAfter: string | undefined, date?: string, now = Date.now): number | undefined => {
  const text = retryAfter?.trim() ?? ''
  if (/^\d+(?:\.\d+)?$/.test(text)) return bounded(Number(text) * 1_000)
  if (!DATE.test(text)) return undefined
  const itsNow = DATE.test(date ?? '') ? Date.parse(date ?? '') : Number.NaN
  return bounded(Date.parse(text) - (Number.isNaN(itsNow) ? now() : itsNow))
}

const bounded = (ms: number): number | undefined => (Number.isNaN(ms) ? undefined : Math.min(LONGEST_WISH_MS, Math.max(0, ms)))
