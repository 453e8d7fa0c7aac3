import { selects } from '../../events/selector.ts'
import type { Counts } from '../budget.ts'
import { allowed } from '../budget.ts'
import { timestamp } from '../clock.ts'
import type { BudgetObject, BudgetStatus, PodObject } from '../objects.ts'
import { controllerUid, isFinished, isReady, isTerminating, keyOfObject, withCondition } from '../objects.ts'
import type { World } from '../world.ts'
import { split, workQueue } from './queue.ts'

/** Keeps the status of every PodDisruptionBudget: what the eviction subresource spends. */
export const runDisruption = (world: World): void => {
  const { store, clock, timings } = world
  const queue = workQueue(clock, timings.controllerMs, (key) => {
    const budget = store.get('poddisruptionbudgets', ...split(key))
    if (budget) store.update('poddisruptionbudgets', { ...budget, status: budgetStatus(world, budget) })
  })
  const touched = (pod: PodObject): void => {
    for (const budget of store.all('poddisruptionbudgets'))
      if (budget.metadata.namespace === pod.metadata.namespace && selects(budget.spec.selector, pod.metadata.labels))
        queue.add(keyOfObject(budget))
  }
  store.subscribe((change) => {
    if (change.resource === 'pods') touched(change.object)
    if (change.resource === 'poddisruptionbudgets' && change.type !== 'DELETED') queue.add(keyOfObject(change.object))
    if (change.resource === 'deployments' || change.resource === 'replicasets') {
      if (change.previous?.spec.replicas === change.object.spec.replicas) return
      for (const budget of store.all('poddisruptionbudgets'))
        if (budget.metadata.namespace === change.object.metadata.namespace) queue.add(keyOfObject(budget))
    }
  })
  for (const budget of store.all('poddisruptionbudgets')) queue.add(keyOfObject(budget))
}

type Read = Pick<World, 'store' | 'pods' | 'clock'>

/** What the disruption controller would write into the budget's status now. */
const budgetStatus = (world: Read, budget: BudgetObject): BudgetStatus => {
  const { metadata, spec, status } = budget
  const pods = [...world.pods.within(metadata.namespace ?? '')].filter(
    (pod) => selects(spec.selector, pod.metadata.labels) && !isFinished(pod),
  )
  const disrupted = stillDisrupted(world, status.disruptedPods, pods)
  const healthy = pods.filter((pod) => isReady(pod) && !isTerminating(pod) && !Object.hasOwn(disrupted, pod.metadata.name))
  const counts = allowed(spec, pods.length, replicasOf(world, pods), healthy.length)
  return settledBudget(counts, metadata.generation ?? 1, timestamp(world.clock.now()), status.conditions, disrupted)
}

/** The status that says these counts. */
export const settledBudget = (
  counts: Counts,
  observedGeneration: number,
  at: string,
  conditions: BudgetStatus['conditions'] = [],
  disruptedPods: Readonly<Record<string, string>> = {},
): BudgetStatus => {
  const enough = counts.disruptionsAllowed > 0
  const reason = enough ? 'SufficientPods' : 'InsufficientPods'
  const condition = { type: 'DisruptionAllowed', status: enough ? 'True' : 'False', reason, observedGeneration }
  return {
    ...counts,
    conditions: withCondition(conditions, condition, at),
    ...(Object.keys(disruptedPods).length > 0 ? { disruptedPods } : {}),
    observedGeneration,
  }
}

const DISRUPTION_TIMEOUT_MS = 120_000 // disruption controller `DeletionTimeout`: then the deletion did not happen

const stillDisrupted = (
  { clock }: Read,
  disrupted: Readonly<Record<string, string>> = {},
  pods: readonly PodObject[],
): Readonly<Record<string, string>> => {
  const waiting = new Set(pods.filter((pod) => !isTerminating(pod)).map(({ metadata }) => metadata.name))
  const young = (at: string): boolean => Date.parse(at) + DISRUPTION_TIMEOUT_MS > clock.now()
  return Object.fromEntries(Object.entries(disrupted).filter(([name, at]) => waiting.has(name) && young(at)))
}

/** The replicas that the pods' controllers ask for, each controller once; a pod without one counts for nothing. */
const replicasOf = (world: Read, pods: readonly PodObject[]): number => {
  const scales = new Map<string, number>()
  for (const pod of pods) for (const [uid, replicas] of scaleOf(world, pod)) scales.set(uid, replicas)
  return [...scales.values()].reduce((sum, replicas) => sum + replicas, 0)
}
const scaleOf = ({ store }: Read, pod: PodObject): readonly (readonly [string, number])[] => {
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller === true)
  const { namespace } = pod.metadata
  const set = owner?.kind === 'ReplicaSet' ? store.get('replicasets', namespace, owner.name) : undefined
  if (!set || set.metadata.uid !== controllerUid(pod)) return []
  const parent = set.metadata.ownerReferences?.find(({ kind }) => kind === 'Deployment')
  const deployment = parent && store.get('deployments', namespace, parent.name)
  return deployment ? [[deployment.metadata.uid, deployment.spec.replicas ?? 1]] : [[set.metadata.uid, set.spec.replicas ?? 1]]
}
