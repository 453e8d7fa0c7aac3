import type { Kind } from '../../events/kinds.ts'
import type { KubernetesObject } from '../../events/kubernetes.ts'
import { subjects } from '../../events/subjects.ts'
import type { ObjectName, ObjectRecord } from '../../ports.ts'
import type { News, ObjectsWriter } from './objects-writer.ts'

/** What one kind is to hold in OBJECTS; every change becomes a write, and what is there already does not. */
export type Contents = {
  /**
   * From here on a list: what is not told by `keep` until `listed` is no more.
   * @param isOtherHistory what is held is written anew: the same version may mean something else now
   */
  listing(isOtherHistory?: boolean): void
  /** @param held subjects with a record: those that nobody here wrote are a zombie's last words, and buried */
  listed(held: readonly string[]): void
  /**
   * @param text asked only where it is written
   * @returns false if the object is too large for a record: it is then left out
   */
  keep(metadata: ObjectRecord['metadata'], text: () => Uint8Array, news?: News): boolean
  remove(object: KubernetesObject, news?: News): void
  /** Of an object that could not be read nothing is held. @param at undefined: not even which it is could be read */
  leaveOut(at: ObjectName | undefined): void
  /** How many objects of the cluster are left out, as far as is known since the last list began. */
  leftOut(): number
  /** Whether a newer version than this is held: after a resume the watch repeats what was stored after the watermark. */
  isStale(object: KubernetesObject): boolean
}

/** NATS takes messages up to 1 MiB. */
const RECORD_BYTES = 900 * 1024
const TOMBSTONE = { uid: undefined, resourceVersion: '', payload: new Uint8Array(0) }

/** @param isOfNow whether what is held was read at the version, and written in the form, of what is kept from now on */
export const kindContents = (
  cluster: string,
  kind: Kind,
  writer: Pick<ObjectsWriter, 'put' | 'wanted' | 'subjects'>,
  isOfNow: boolean,
): Contents => {
  /** Records of another version or form: one resourceVersion then stands for something else. */
  const outdated = new Set(isOfNow ? [] : writer.subjects())
  let unlisted = new Set<string>()
  const { object: subjectAt } = subjects(cluster)
  const subjectOf = ({ metadata: { namespace, name } }: Pick<ObjectRecord, 'metadata'>): string =>
    subjectAt(kind, namespace, name)
  const isLive = (subject: string): boolean => writer.wanted(subject)?.uid !== undefined
  const leftOut = new Set<string>()
  const bury = (subject: string, news?: News): void => {
    if (isLive(subject)) writer.put(subject, { ...TOMBSTONE, news })
  }
  const leaveOut = (subject: string): void => {
    leftOut.add(subject)
    bury(subject) // an old version in its place would be a lie
  }

  return {
    listing: (isOtherHistory = false) => {
      if (isOtherHistory) for (const subject of writer.subjects()) outdated.add(subject)
      unlisted = new Set([...writer.subjects()].filter(isLive))
      leftOut.clear()
    },
    listed: (held) => {
      for (const subject of unlisted) bury(subject)
      for (const subject of held) if (writer.wanted(subject) === undefined) writer.put(subject, TOMBSTONE)
      unlisted.clear()
    },
    keep: (metadata, text, news) => {
      const { uid, resourceVersion } = metadata
      const subject = subjectOf({ metadata })
      unlisted.delete(subject)
      leftOut.delete(subject)
      const held = writer.wanted(subject)
      if (held?.uid === uid && held.resourceVersion === resourceVersion && !outdated.delete(subject)) return true
      const payload = text()
      if (payload.length <= RECORD_BYTES) writer.put(subject, { uid, resourceVersion, payload, news })
      else leaveOut(subject)
      return payload.length <= RECORD_BYTES
    },
    remove: (object, news) => {
      leftOut.delete(subjectOf(object))
      bury(subjectOf(object), news)
    },
    leaveOut: (at) => {
      if (at) leaveOut(subjectAt(kind, at.namespace, at.name))
      else leftOut.add('')
    },
    leftOut: () => leftOut.size,
    isStale: (object) => isBefore(object.metadata.resourceVersion, writer.wanted(subjectOf(object))?.resourceVersion ?? ''),
  }
}

const isBefore = (a: string, b: string): boolean => /^\d{1,20}$/.test(a) && /^\d{1,20}$/.test(b) && BigInt(a) < BigInt(b)
