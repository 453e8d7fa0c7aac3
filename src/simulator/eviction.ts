import { selects } from '../events/selector.ts'
import { timestamp } from './clock.ts'
import type { Preconditions } from './deletion.ts'
import { demand, endPod } from './deletion.ts'
import { ApiFailure, badRequest, notFound } from './failure.ts'
import type { BudgetObject, PodObject } from './objects.ts'
import { isFinished, isReady, isTerminating, kinds } from './objects.ts'
import type { World } from './world.ts'

/** An Eviction (policy/v1) as it was posted. */
export type Eviction = {
  /** `metadata.name` of the body. */
  readonly name: string
  readonly preconditions: Preconditions
  readonly graceSeconds?: number | undefined
  readonly dryRun: boolean
}

/**
 * The eviction subresource (kube-apiserver `registry/core/pod/storage/eviction.go`). Preconditions are looked at before the
 * budget, so that an eviction of the wrong pod takes nothing from it.
 * @throws ApiFailure 400, 404, 409, 429 (a budget forbids it), 500 (two budgets)
 */
export const evict = (world: World, namespace: string, name: string, eviction: Eviction): void => {
  if (eviction.name !== name)
    throw badRequest(`name in URL does not match name in Eviction object: ${name} is not ${eviction.name}`)
  const pod = world.store.get('pods', namespace, name)
  if (!pod) throw notFound(kinds.pods, name)
  demand(eviction.preconditions, pod)
  if (!disturbsNothing(pod)) spend(world, pod, eviction.dryRun)
  if (!eviction.dryRun) end(world, pod, eviction.graceSeconds)
}

const disturbsNothing = (pod: PodObject): boolean => isFinished(pod) || pod.status.phase === 'Pending' || isTerminating(pod)

const end = (world: World, pod: PodObject, graceSeconds: number | undefined): void => {
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
  }
  if (isTerminating(pod)) endPod(world, pod, graceSeconds)
  else endPod(world, pod, graceSeconds, { condition, evicted: { uid: pod.metadata.uid, at: world.clock.now() } })
}

const budgetsOf = ({ store }: World, pod: PodObject): readonly BudgetObject[] =>
  [...store.all('poddisruptionbudgets')].filter(
    ({ metadata, spec }) => metadata.namespace === pod.metadata.namespace && selects(spec.selector, pod.metadata.labels),
  )

const spend = (world: World, pod: PodObject, dryRun: boolean): void => {
  const [budget, second] = budgetsOf(world, pod)
  if (second)
    throw new ApiFailure(
      500,
      'InternalError',
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    )
  if (!budget || isExempt(budget, pod)) return
  const status = afterOne(budget, pod.metadata.name, timestamp(world.clock.now()))
  if (!dryRun) world.store.update('poddisruptionbudgets', { ...budget, status })
}

/** A pod that is not ready: always evictable, or if enough others are healthy, as the budget's policy says. */
const isExempt = ({ spec, status }: BudgetObject, pod: PodObject): boolean => {
  if (isReady(pod)) return false
  if (spec.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true
  return status.currentHealthy >= status.desiredHealthy && status.desiredHealthy > 0
}

const refusal = (message: string, retryAfterSeconds?: number): ApiFailure =>
  new ApiFailure(429, 'TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    details: {
      causes: [{ reason: 'DisruptionBudget', message }],
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    },
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })

/** The budget's status after one more disruption. @throws ApiFailure 429 when none is left */
const afterOne = ({ metadata, status }: BudgetObject, pod: string, at: string): BudgetObject['status'] => {
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0))
    throw refusal(`The disruption budget ${metadata.name} is still being processed by the server.`, 10)
  if (status.disruptionsAllowed <= 0)
    throw refusal(
      `The disruption budget ${metadata.name} needs ${status.desiredHealthy} healthy pods and has ${status.currentHealthy} currently`,
    )
  return {
    ...status,
    disruptionsAllowed: status.disruptionsAllowed - 1,
    disruptedPods: { ...status.disruptedPods, [pod]: at },
  }
}
