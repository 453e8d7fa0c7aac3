import { demand, endObject, endPod, releaseIfDone } from '../deletion.ts'
import { badRequest, invalid, methodNotAllowed, modified, notFound, unsupportedMedia } from '../failure.ts'
import type { ApiObject, Kind, Kinds, ResourceName } from '../objects.ts'
import { kinds } from '../objects.ts'
import type { Json } from '../patch.ts'
import { jsonPatch, mergePatch, strategicPatch } from '../patch.ts'
import { suffixOf } from '../random.ts'
import { textOf } from '../text.ts'
import type { World } from '../world.ts'
import type { Fields } from './admission.ts'
import { admitted, bodyOf, isFields, isSameSpec } from './admission.ts'
import type { DeleteOptions } from './options.ts'
import type { Target } from './path.ts'

/** The object that a path names. @throws ApiFailure 404, 405 for a path without a name */
export const present = ({ store }: World, { kind, namespace, name }: Target): AnyObject => {
  if (name === undefined) throw methodNotAllowed()
  const object = store.get(kind.resource, namespace, name)
  if (!object) throw notFound(kind, name)
  return object
}

type AnyObject = Kinds[ResourceName]

const metadataOf = (body: Fields): Fields => (isFields(body.metadata) ? body.metadata : {})

/** POST to a collection. @throws ApiFailure 400, 404 (no such namespace), 409, 422 */
export const create = (world: World, { kind, namespace }: Target, body: unknown, dryRun: boolean): ApiObject => {
  const given = bodyOf(kind, body)
  const metadata = metadataOf(given)
  if (kind.namespaced && namespace === undefined) throw methodNotAllowed()
  if (metadata.namespace !== undefined && metadata.namespace !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  if (metadata.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created')
  if (namespace !== undefined && !world.store.get('namespaces', undefined, namespace)) throw notFound(kinds.namespaces, namespace)
  const { uid: _, creationTimestamp: __, deletionTimestamp: ___, ...kept } = metadata
  const isCounted = kind.resource !== 'pods' && kind.resource !== 'nodes' && kind.hasStatus
  const draft = admitted(kind.resource, kind, {
    ...(kind.resource === 'nodes' ? given : without(given, 'status')),
    metadata: {
      ...kept,
      name: nameFor(world, metadata),
      ...(namespace === undefined ? {} : { namespace }),
      ...(isCounted ? { generation: 1 } : {}),
    },
  })
  return dryRun ? draft : world.store.create(kind.resource, draft)
}
const without = (fields: Fields, field: string): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => name !== field))
const nameFor = ({ store }: World, { name, generateName }: Fields): unknown =>
  name === undefined && typeof generateName === 'string'
    ? `${generateName}${suffixOf(`${store.seed}/${store.resourceVersion()}/${generateName}`, 5)}`
    : name

/** PUT, to the object or to its status. @throws ApiFailure 400, 404, 409, 422 */
export const replace = (world: World, target: Target, body: unknown, dryRun: boolean): ApiObject => {
  const before = present(world, target)
  const given = bodyOf(target.kind, body)
  const { name } = metadataOf(given)
  if (name !== target.name)
    throw badRequest(`the name of the object (${String(name)}) does not match the name on the URL (${target.name})`)
  const { uid } = metadataOf(given)
  if (uid !== undefined && uid !== '') demand({ uid: String(uid) }, before)
  return put(world, target, before, given, dryRun)
}

const put = (world: World, target: Target, before: AnyObject, given: Fields, dryRun: boolean): ApiObject => {
  const { kind } = target
  const { resourceVersion } = metadataOf(given)
  if (resourceVersion !== undefined && resourceVersion !== '' && resourceVersion !== before.metadata.resourceVersion)
    throw modified(kind, before.metadata.name)
  const next = admitted(
    kind.resource,
    kind,
    target.subresource === 'status' ? statusFrom(before, given) : mainFrom(target, before, given),
  )
  if (kind.resource === 'pods') demandSamePod(before, next)
  if (dryRun) return next
  const written = world.store.update(kind.resource, next)
  return releaseIfDone(world, kind.resource, written)
}

const statusFrom = (before: ApiObject, given: Fields): Fields => ({ ...before, status: given.status ?? {} })

/** What a client may not change stays as the server has it. */
const mainFrom = (
  { kind }: Target,
  before: ApiObject & { readonly status?: unknown; readonly spec?: unknown },
  given: Fields,
): Fields => {
  const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation } =
    before.metadata
  const own = { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds }
  const set = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined))
  const { generation: _, ...metadata } = metadataOf(given)
  const raised =
    generation === undefined
      ? {}
      : { generation: JSON.stringify(before.spec) === JSON.stringify(given.spec) ? generation : generation + 1 }
  return { ...given, metadata: { ...metadata, ...set, ...raised }, ...(kind.hasStatus ? { status: before.status ?? {} } : {}) }
}

/** Of a pod's spec only images, more tolerations, a shorter life and the gates may change (validation.go `ValidatePodUpdate`). */
const demandSamePod = (before: ApiObject, after: ApiObject): void => {
  if (isSameSpec(fixedPart(before), fixedPart(after))) return
  const message =
    'Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'
  throw invalid('Pod', '', before.metadata.name, [{ reason: 'FieldValueForbidden', message, field: 'spec' }])
}
const fixedPart = (pod: ApiObject & { readonly spec?: unknown }): ApiObject & { readonly spec?: unknown } => {
  const {
    tolerations: _,
    activeDeadlineSeconds: __,
    schedulingGates: ___,
    containers,
    ...rest
  } = isFields(pod.spec) ? pod.spec : {}
  const plain = Array.isArray(containers) ? containers.map((container) => ({ ...container, image: '' })) : containers
  const sorted = Object.fromEntries(Object.entries({ ...rest, containers: plain }).sort(([a], [b]) => (a < b ? -1 : 1)))
  return { ...pod, spec: sorted }
}

const PATCHES: Readonly<Record<string, (target: Json, patch: Json) => Json>> = {
  'application/json-patch+json': jsonPatch,
  'application/merge-patch+json': mergePatch,
  'application/strategic-merge-patch+json': strategicPatch,
}

/** PATCH, to the object or to its status. @throws ApiFailure 400, 404, 409, 415, 422 */
export const patch = (world: World, target: Target, mediaType: string, body: Json, dryRun: boolean): ApiObject => {
  const apply = PATCHES[mediaType]
  if (!apply) throw unsupportedMedia(mediaType, Object.keys(PATCHES))
  const before = present(world, target)
  const json: Json = JSON.parse(textOf(before))
  const given = bodyOf(target.kind, apply(json, body))
  demandSameUid(target.kind, before, metadataOf(given).uid)
  return put(world, target, before, given, dryRun)
}

/** In a patch the UID is a field like others, which may not change; only a replacement has it as a precondition. */
const demandSameUid = ({ kind, group }: Kind, { metadata }: ApiObject, uid: unknown): void => {
  if (uid === undefined || uid === metadata.uid) return
  const message = `Invalid value: ${JSON.stringify(uid)}: field is immutable`
  throw invalid(kind, group, metadata.name, [{ reason: 'FieldValueInvalid', message, field: 'metadata.uid' }])
}

/** DELETE of one object: the object while it is on its way out, else a Status that says it is gone. @throws ApiFailure 404, 409 */
export const remove = (world: World, target: Target, options: DeleteOptions): object => {
  const { kind } = target
  const before = present(world, target)
  demand(options.preconditions, before)
  if (before.kind === 'Pod') return options.dryRun ? before : endPod(world, before, options.graceSeconds)
  const after = options.dryRun ? before : endObject(world, kind.resource, before)
  if (after.metadata.deletionTimestamp !== undefined) return after
  const { name, uid } = before.metadata
  const details = { name, ...(kind.group === '' ? {} : { group: kind.group }), kind: kind.resource, uid }
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }
}
