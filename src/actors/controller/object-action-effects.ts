import { createHash } from 'node:crypto'
import type { ObjectId, Patch } from '../../events/orders.ts'
import { AlreadyExists, Gone, type ObjectRead, type Objects } from '../../ports.ts'
import type { CreateEventEffects, Note } from './create-event.ts'
import { type CreateObjectEffects, mergeOf } from './create-object.ts'
import type { DeleteObjectEffects } from './delete-object.ts'
import type { DisconnectClusterEffects } from './disconnect-cluster.ts'
import type { ObjectFound, PatchObjectEffects } from './patch-object.ts'
import { asking, changing } from './requests.ts'

/** Which action patched an object last: a repeat of it finds its own id. */
const PATCHED_BY = 'quartermaster.dev/patched-by'

/** The name of an Event: that of its object, as Kubernetes' own are named, and one for each `key`. */
export const eventName = ({ name }: Note['regarding'], key: string): string =>
  `${name.slice(0, 200)}.${createHash('sha256').update(key).digest('hex').slice(0, 16)}`

export const createEventEffects = (objects: Pick<Objects, 'createEvent'>): CreateEventEffects => ({
  createEvent: {
    ...asking, // it changes nothing that runs
    idempotency: 'keyed', // the name is made of the action's id; one that exists is this one
    run: async ({ id, ...note }, { signal }) => {
      await objects.createEvent({ ...note, name: eventName(note.regarding, id) }, signal).catch(ignoreExisting)
      return {}
    },
  },
})
const ignoreExisting = (error: unknown): void => {
  if (!(error instanceof AlreadyExists)) throw error
}

const uidOf = async (objects: Objects, object: ObjectId, signal: AbortSignal): Promise<{ readonly uid?: string }> => {
  const found = await objects.read(object, signal)
  return found ? { uid: found.uid } : {}
}

export const deleteObjectEffects = (objects: Objects): DeleteObjectEffects => ({
  readObject: { ...asking, run: (object, { signal }) => uidOf(objects, object, signal) },
  deleteObject: {
    ...changing, // carries the object's UID
    run: async ({ object, uid }, { signal }) => {
      await objects.remove(object, uid, signal)
      return {}
    },
  },
})

const namespaceNamed = (name: string): ObjectId => ({ group: '', version: 'v1', resource: 'namespaces', name })
export const disconnectClusterEffects = (objects: Objects): DisconnectClusterEffects => ({
  readNamespace: { ...asking, run: ({ name }, { signal }) => uidOf(objects, namespaceNamed(name), signal) },
  deleteNamespace: {
    ...changing, // carries the namespace's UID
    run: async ({ name, uid }, { signal }) => {
      await objects.remove(namespaceNamed(name), uid, signal, 0)
      return {}
    },
  },
})

const annotationsOf = ({ body }: ObjectRead): Readonly<Record<string, unknown>> | undefined =>
  (body['metadata'] as { readonly annotations?: Readonly<Record<string, unknown>> } | undefined)?.annotations

export const patchObjectEffects = (objects: Objects): PatchObjectEffects => ({
  readObject: {
    ...asking,
    run: async (object, { signal }) => {
      const read = await objects.read(object, signal)
      if (!read) return {}
      const annotations = annotationsOf(read)
      const patchedBy = String(annotations?.[PATCHED_BY] ?? '')
      return { uid: read.uid, resourceVersion: read.resourceVersion, patchedBy, hasAnnotations: annotations !== undefined }
    },
  },
  patchObject: {
    reach: 'disruptive',
    timeoutMs: changing.timeoutMs,
    retry: changing.retry,
    concurrency: changing.concurrency,
    idempotency: 'probe', // a list of operations is not harmless twice
    probe: async ({ object, action }, { signal }) => {
      const read = await objects.read(object, signal)
      return read && annotationsOf(read)?.[PATCHED_BY] === action ? { resourceVersion: read.resourceVersion } : undefined
    },
    run: async ({ object, action, patchType, patch, found }, { signal }) => {
      const marked = patchType === 'json' ? operations(patch as readonly object[], action, found) : merged(patch, action, found)
      return { resourceVersion: await objects.patch(object, patchType, marked, signal) }
    },
  },
})

/** The UID as a precondition, and the mark. */
const merged = (patch: Patch['patch'], action: string, { uid }: Partial<ObjectFound>): object => {
  const { metadata = {}, ...rest } = patch as { readonly metadata?: { readonly annotations?: object } }
  return { ...rest, metadata: { ...metadata, annotations: { ...metadata.annotations, [PATCHED_BY]: action }, uid } }
}

/** What is said of UID and version is what was read: of another one by now, the server refuses it. */
const operations = (
  patch: readonly object[],
  action: string,
  { uid, resourceVersion, hasAnnotations }: Partial<ObjectFound>,
): readonly object[] => [
  { op: 'replace', path: '/metadata/uid', value: uid },
  { op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion },
  ...(hasAnnotations ? [] : [{ op: 'add', path: '/metadata/annotations', value: {} }]),
  ...patch,
  { op: 'add', path: `/metadata/annotations/${PATCHED_BY.replace('/', '~1')}`, value: action },
]

export const createObjectEffects = (objects: Objects): CreateObjectEffects => ({
  createObject: {
    ...changing, // one that exists is not created again
    run: async ({ object, manifest }, { signal }) => {
      try {
        return { uid: await objects.create(object, manifest, signal), how: 'created' }
      } catch (error) {
        if (error instanceof AlreadyExists) return { how: 'exists' }
        throw error
      }
    },
  },
  mergeObject: {
    ...changing, // what does not differ is not patched
    run: async ({ object, manifest }, { signal }) => {
      const read = await objects.read(object, signal)
      if (!read) throw new Gone('it was deleted meanwhile')
      const patch = mergeOf(read.body, manifest)
      if (!patch) return { uid: read.uid, how: 'unchanged' }
      await objects.patch(object, 'merge', { ...patch, metadata: { uid: read.uid } }, signal)
      return { uid: read.uid, how: 'patched' }
    },
  },
})
