import { amountOf } from '../model/amount.ts'

const GIB = 2 ** 30
/** Up to so many GiB this part of the memory is kept, then the next. */
const MEMORY_STEPS: readonly (readonly [gib: number, part: number])[] = [
  [4, 0.25],
  [4, 0.2],
  [8, 0.1],
  [112, 0.06],
  [Number.POSITIVE_INFINITY, 0.02],
]
/** The same by cores. */
const CORE_STEPS: readonly (readonly [cores: number, part: number])[] = [
  [1, 0.06],
  [1, 0.01],
  [2, 0.005],
  [Number.POSITIVE_INFINITY, 0.0025],
]
const kept = (amount: number, steps: typeof MEMORY_STEPS): number => {
  let left = amount
  let sum = 0
  for (const [size, part] of steps) {
    sum += part * Math.min(left, size)
    left -= Math.min(left, size)
  }
  return sum
}
/** What the kubelet evicts pods for. */
const EVICTION = 100 * 2 ** 20
const PODS = 110

/**
 * What a machine of this capacity has for pods, in the model's units: less what GKE's published formula keeps for the system,
 * the most careful of those of the clouds (25 % of the first 4 GiB, 6 % of the first core, …).
 * @throws RangeError for what is no quantity
 */
export const allocatableOf = (capacity: Readonly<Record<string, string | number>>): ReadonlyMap<string, number> => {
  const amounts = new Map(Object.entries({ pods: PODS, ...capacity }).map(([name, text]) => [name, amountOf(name, text)]))
  const [milliCpu, bytes] = [amounts.get('cpu') ?? 0, amounts.get('memory') ?? 0]
  amounts.set('cpu', Math.max(0, Math.floor(milliCpu - 1000 * kept(milliCpu / 1000, CORE_STEPS))))
  amounts.set('memory', Math.max(0, Math.floor(bytes - GIB * kept(bytes / GIB, MEMORY_STEPS) - EVICTION)))
  return amounts
}
