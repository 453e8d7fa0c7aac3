/** How short of memory the process is. */
export type Pressure = 'none' | 'some' | 'high'

const levels: readonly Pressure[] = ['none', 'some', 'high']

/** Shares of the limit: a level is entered at the first and left below the second, so that it does not flutter. */
const ENTERED: readonly number[] = [0, 0.75, 0.88]
const LEFT: readonly number[] = [0, 0.65, 0.8]

/**
 * Pure: the pressure after a look at the memory in use.
 * @param share of the memory that may be used, 0 to 1 and above
 */
export const pressureAfter = (before: Pressure, share: number): Pressure => {
  let level = levels.indexOf(before)
  while (share >= (ENTERED[level + 1] ?? Number.POSITIVE_INFINITY)) level++
  while (share < (LEFT[level] ?? 0)) level--
  return levels[level] ?? 'none'
}
