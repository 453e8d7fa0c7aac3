import { selects } from '../../events/selector.ts'
import { endPod } from '../deletion.ts'
import type { PodObject, ReplicaSetObject } from '../objects.ts'
import { controllerUid, isFinished, isReady, isTerminating, keyOfObject, ownerReferenceTo } from '../objects.ts'
import type { World } from '../world.ts'
import { newPod } from './pod.ts'
import { split, workQueue } from './queue.ts'

/** Keeps as many pods of each ReplicaSet as it asks for: a terminating or finished pod no longer counts. */
export const runReplicaSets = (world: World): void => {
  const { store, clock, timings } = world
  const keyByUid = new Map<string, string>()
  const queue = workQueue(clock, timings.controllerMs, (key) => {
    const set = store.get('replicasets', ...split(key))
    if (set && !isTerminating(set)) reconcile(world, set)
  })
  const note = (set: ReplicaSetObject): void => {
    keyByUid.set(set.metadata.uid, keyOfObject(set))
    queue.add(keyOfObject(set))
  }
  store.subscribe(({ resource, type, object }) => {
    if (resource === 'replicasets') {
      if (type === 'DELETED') keyByUid.delete(object.metadata.uid)
      else note(object)
    }
    const owner = resource === 'pods' ? keyByUid.get(controllerUid(object) ?? '') : undefined
    if (owner !== undefined) queue.add(owner)
  })
  for (const set of store.all('replicasets')) note(set)
}

const reconcile = (world: World, set: ReplicaSetObject): void => {
  const active = [...world.pods.of(set.metadata.uid)].filter((pod) => !isFinished(pod) && !isTerminating(pod))
  const wanted = set.spec.replicas ?? 1
  for (let missing = wanted - active.length; missing > 0; missing -= 1) make(world, set)
  const surplus = active.toSorted(byWorth).slice(0, Math.max(0, active.length - wanted))
  for (const pod of surplus) endPod(world, pod, undefined)
  report(world, set)
}

const make = ({ store }: World, set: ReplicaSetObject): void => {
  const { template } = set.spec
  // A selector that does not match its own template would make pods for ever; the real server refuses to store one.
  if (template && selects(set.spec.selector, template.metadata?.labels))
    store.create('pods', newPod(store, set.metadata.namespace ?? 'default', set.metadata.name, template, ownerReferenceTo(set)))
}

/** Which pod goes first: not placed, not running, not ready, lowest deletion cost, youngest (controller_utils.go `ActivePodsWithRanks`). */
const byWorth = (one: PodObject, other: PodObject): number => {
  const [a, b] = [worth(one), worth(other)]
  const index = a.findIndex((value, place) => value !== b[place])
  if (index >= 0) return (a[index] ?? 0) - (b[index] ?? 0)
  return (
    (other.metadata.creationTimestamp ?? '').localeCompare(one.metadata.creationTimestamp ?? '') ||
    one.metadata.name.localeCompare(other.metadata.name)
  )
}
const worth = (pod: PodObject): readonly number[] => [
  pod.spec.nodeName ? 1 : 0,
  pod.status.phase === 'Running' ? 1 : 0,
  isReady(pod) ? 1 : 0,
  Number(pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0) || 0,
]

const report = ({ store, pods }: World, set: ReplicaSetObject): void => {
  const active = [...pods.of(set.metadata.uid)].filter((pod) => !isFinished(pod) && !isTerminating(pod))
  const readyReplicas = active.filter(isReady).length
  store.update('replicasets', { ...set, status: replicaStatus(active.length, readyReplicas, set.metadata.generation) })
}

/** The status of a ReplicaSet; counts of zero are left out, as Kubernetes does. */
export const replicaStatus = (replicas: number, readyReplicas: number, generation = 1): ReplicaSetObject['status'] => ({
  replicas,
  ...(replicas > 0 ? { fullyLabeledReplicas: replicas } : {}),
  ...(readyReplicas > 0 ? { readyReplicas, availableReplicas: readyReplicas } : {}),
  observedGeneration: generation,
})
