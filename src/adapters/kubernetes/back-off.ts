const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 30_000

/**
 * How long to wait after so many failures in a row: from 250 ms to 30 s, each time twice as long, and half of it random, so
 * that restarted agents do not come in step. Never sooner than the server wished.
 * @param chance from 0 to below 1
 */
export const pauseMs = (failures: number, wishMs = 0, chance = Math.random): number => {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10))
  const share = chance()
  return Math.max(longest / 2 + share * (longest / 2), wishMs > 0 ? wishMs + share * FIRST_PAUSE_MS : 0)
}
