import type { PodDisruptionBudget } from '../events/kubernetes.ts'

export type Counts = {
  readonly expectedPods: number
  readonly currentHealthy: number
  readonly desiredHealthy: number
  readonly disruptionsAllowed: number
}
type Spec = PodDisruptionBudget['spec']

/**
 * An int-or-percent of a total; percentages round up, for `minAvailable` and `maxUnavailable` alike
 * (disruption controller: `GetScaledValueFromIntOrPercent(…, true)`).
 * @throws RangeError when it is neither
 */
export const scaled = (value: string | number, total: number): number => {
  if (typeof value === 'number') return value
  const [, percent] = /^(\d+)%$/.exec(value) ?? []
  if (percent === undefined) throw new RangeError(`"${value}" is neither a number nor a percentage (as in 1, 80%)`)
  return Math.ceil((Number(percent) * total) / 100)
}

/** Whether the expected number is the replicas the controllers ask for, not the pods that are there. */
const countsReplicas = ({ minAvailable, maxUnavailable }: Spec): boolean =>
  maxUnavailable !== undefined || typeof minAvailable === 'string'

/**
 * What a budget allows (disruption controller, `getExpectedPodCount` and `updatePdbStatus`).
 * @param pods how many pods the selector matches
 * @param replicas how many their controllers ask for
 * @param currentHealthy how many are ready and not on their way out
 */
export const allowed = (spec: Spec, pods: number, replicas: number, currentHealthy: number): Counts => {
  const expectedPods = countsReplicas(spec) ? replicas : pods
  const desiredHealthy = desired(spec, expectedPods)
  // No pods, no disruptions: the controller says 0 for an empty budget.
  const disruptionsAllowed = expectedPods <= 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy)
  return { expectedPods, currentHealthy, desiredHealthy, disruptionsAllowed }
}
const desired = ({ minAvailable, maxUnavailable }: Spec, expected: number): number => {
  if (maxUnavailable !== undefined) return Math.max(0, expected - scaled(maxUnavailable, expected))
  return minAvailable === undefined ? 0 : scaled(minAvailable, expected)
}
