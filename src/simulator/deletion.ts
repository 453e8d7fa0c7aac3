import { timestamp } from './clock.ts'
import { ApiFailure } from './failure.ts'
import type { Evicted } from './log.ts'
import type { ApiObject, FullCondition, Kinds, PodObject, ResourceName } from './objects.ts'
import { isFinished, isTerminating, kinds, withCondition } from './objects.ts'
import type { World } from './world.ts'

export type Preconditions = { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined }

/** @throws ApiFailure 409 when the object is not the one that was meant */
export const demand = ({ uid, resourceVersion }: Preconditions, object: ApiObject): void => {
  const { metadata, kind } = object
  if (uid !== undefined && uid !== metadata.uid)
    throw conflict(
      kind,
      metadata.name,
      `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`,
    )
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion)
    throw conflict(
      kind,
      metadata.name,
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`,
    )
}
const conflict = (kind: string, name: string, reason: string): ApiFailure =>
  new ApiFailure(409, 'Conflict', `Operation cannot be fulfilled on ${kind} "${name}": ${reason}`, { details: { name, kind } })

type Marks = { readonly condition?: FullCondition; readonly evicted?: Evicted }

/**
 * Ends a pod: at once when nothing runs or no grace is given, else it is marked and its node's kubelet ends it.
 * A pod that is already terminating stays so; a shorter grace period shortens its end.
 */
export const endPod = (
  { store, clock }: World,
  pod: PodObject,
  graceSeconds: number | undefined,
  marks: Marks = {},
): PodObject => {
  const { namespace, name, deletionGracePeriodSeconds: left } = pod.metadata
  const grace = graceFor(pod, graceSeconds)
  const now = clock.now()
  const status = marks.condition
    ? { ...pod.status, conditions: withCondition(pod.status.conditions, marks.condition, timestamp(now)) }
    : pod.status
  if (grace === 0 && !held(pod)) {
    const last = status === pod.status ? pod : store.update('pods', { ...pod, status })
    return store.remove('pods', namespace, last.metadata.name, marks.evicted)
  }
  if (isTerminating(pod) && grace >= (left ?? 0)) return pod
  const deletionTimestamp = timestamp(now + grace * 1000)
  const metadata = { ...pod.metadata, name, deletionTimestamp, deletionGracePeriodSeconds: grace }
  return store.update('pods', { ...pod, metadata, status }, marks.evicted)
}
const graceFor = (pod: PodObject, asked: number | undefined): number => {
  if (pod.spec.nodeName === undefined || pod.spec.nodeName === '' || isFinished(pod)) return 0
  return Math.max(0, asked ?? pod.spec.terminationGracePeriodSeconds ?? 30)
}
const held = ({ metadata }: ApiObject): boolean => (metadata.finalizers ?? []).length > 0

/** Deletes an object of any other kind; finalizers hold it. */
export const endObject = <Resource extends ResourceName>(
  { store, clock }: World,
  resource: Resource,
  object: Kinds[Resource],
): Kinds[Resource] => {
  const { namespace, name } = object.metadata
  if (!held(object)) return store.remove(resource, namespace, name)
  if (isTerminating(object)) return object
  const metadata = { ...object.metadata, deletionTimestamp: timestamp(clock.now()), deletionGracePeriodSeconds: 0 }
  return store.update(resource, { ...object, metadata })
}

/** After a write: what was only held by finalizers goes when the last of them is gone. */
export const releaseIfDone = <Resource extends ResourceName>(
  { store }: World,
  resource: Resource,
  object: Kinds[Resource],
): Kinds[Resource] => {
  const { metadata } = object
  if (!isTerminating(object) || held(object) || (metadata.deletionGracePeriodSeconds ?? 0) > 0) return object
  return store.remove(kinds[resource].resource as Resource, metadata.namespace, metadata.name)
}
