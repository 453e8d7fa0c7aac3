import { endObject, endPod } from '../deletion.ts'
import type { ApiObject } from '../objects.ts'
import type { World } from '../world.ts'
import { workQueue } from './queue.ts'

const DEPENDENTS = ['replicasets', 'poddisruptionbudgets', 'leases'] as const

/** The garbage collector: what an owner leaves behind goes after it. */
export const runGarbageCollection = (world: World): void => {
  const { store, clock, timings } = world
  const queue = workQueue(clock, timings.controllerMs, (uid) => collect(world, uid))
  const emptied = workQueue(clock, timings.controllerMs, (namespace) => empty(world, namespace))
  store.subscribe(({ type, resource, object }) => {
    if (type === 'DELETED' && resource !== 'pods') queue.add(object.metadata.uid)
    if (type === 'DELETED' && resource === 'namespaces') emptied.add(object.metadata.name)
  })
}

const collect = (world: World, uid: string): void => {
  for (const pod of [...world.pods.of(uid)]) if (isOrphan(pod, uid)) endPod(world, pod, undefined)
  for (const resource of DEPENDENTS)
    for (const object of [...world.store.all(resource)]) if (isOrphan(object, uid)) endObject(world, resource, object)
}
const isOrphan = ({ metadata }: ApiObject, uid: string): boolean =>
  metadata.ownerReferences?.every((owner) => owner.uid === uid) === true

const NAMESPACED = ['deployments', 'daemonsets', ...DEPENDENTS] as const

/** The namespace controller: what was in a namespace goes with it. */
const empty = (world: World, namespace: string): void => {
  const inside = ({ metadata }: ApiObject): boolean => metadata.namespace === namespace
  for (const resource of NAMESPACED)
    for (const object of [...world.store.all(resource)].filter(inside)) endObject(world, resource, object)
  for (const pod of [...world.pods.within(namespace)]) endPod(world, pod, undefined)
}
