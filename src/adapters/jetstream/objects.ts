import type { JetStreamClient, JetStreamManager } from 'nats'
import { type Kind, RECORD_FORM } from '../../events/kinds.ts'
import type { KubernetesObject } from '../../events/kubernetes.ts'
import { subjects } from '../../events/subjects.ts'
import type { Change, KindMeta, ReflectorListener, Served } from '../../ports.ts'
import { fenced, room } from './fenced.ts'
import { kindContents } from './objects-contents.ts'
import { type Found, readBack } from './objects-found.ts'
import { metaWriter, type Place } from './objects-meta.ts'
import { lastOn, metaIn, subjectsHeld } from './objects-stream.ts'
import { purgeTombstones } from './objects-tombstones.ts'
import { type News, objectsWriter, type Rooms, type Slot } from './objects-writer.ts'
import type { Publish } from './publish.ts'

export type ObjectStoreOptions = {
  /** Between two meta records at most, ms; by default 5 s for the kinds that decisions are made on, 30 s for the others. */
  readonly metaMs?: number
  /** How long a tombstone stays, ms. */
  readonly tombstoneMs?: number
  /** Epoch milliseconds. */
  readonly now?: () => number
  /** Asked each time: how many versions of a kind may wait before its reader is slowed down. */
  readonly mostWaiting?: () => number
  /** Hears of every change that is stored. */
  readonly onStored?: (kind: Kind, latency: Latency) => void
}

/** How long a change took until it was acknowledged, ms: since it was heard of, and since its object was made if it is new. */
export type Latency = { readonly sinceHeard: number; readonly sinceCreated: number | undefined }

/** Writes one kind's objects to OBJECTS; give it to `KubernetesReads.reflect` as the listener. */
export type KindStore = ReflectorListener & {
  /** Where to resume the watch; undefined: list first. */
  readonly watermark: string | undefined
  /** Aborted when it can write no more; the reason is Superseded, or what NATS refused. Its methods then throw the reason. */
  readonly lost: AbortSignal
  /** What readers are told of this kind, as of now. */
  meta(): KindMeta
  /** Versions that wait to be written. */
  waiting(): number
  /** Objects left out since the start because they made no sense. */
  malformedCount(): number
  /** Comes back when all that was told before is stored, with a meta record that says so. @throws as `lost` */
  flush(): Promise<void>
  /**
   * Tells readers that the kind can't be read; comes back when it is stored. What is known stays: it is the last truth,
   * and the kind may come back. Unless its objects are gone with it (a deleted CRD takes its objects along).
   * @param isGone whether every record is buried
   */
  unavailable(reason: string, isGone: boolean): Promise<void>
  /**
   * Stops timers and writes, and waits for those in flight, so that none lands under the next to open. What is not
   * stored yet is not missed: the watermark is before it.
   */
  close(): Promise<void>
}

export type ObjectStore = {
  /**
   * Reads back what OBJECTS holds of the kind and claims it. Records that were read at another version, or written in
   * another form, are all written anew by the list that then comes first.
   * @throws Superseded if another agent claims it meanwhile
   */
  open(served: Served, signal?: AbortSignal): Promise<KindStore>
}

/** Acknowledgements awaited at a time, over all kinds: more only fills the server's queue, which drops. */
const WINDOW = 512
/** Batches under way at a time, over all kinds: one is stored while the next is sent. */
const BATCHES = 2
/** Versions of a kind that may wait before its reader is slowed down: of a list always, of a watch only where less is allowed. */
export const WAITING = 4_096

/**
 * The agent's side of OBJECTS: whoever wrote a kind's last meta record owns the kind.
 * @param publish how long it waits for an answer is how long a lost acknowledgement holds an object up
 * @param epoch unique per process: two agents with one epoch would each think to be the owner
 */
export const objectStore = (
  publish: Publish,
  js: JetStreamClient,
  jsm: JetStreamManager,
  cluster: string,
  epoch: string,
  options: ObjectStoreOptions = {},
): ObjectStore => {
  const shared = { records: room(WINDOW), batches: room(BATCHES) }
  return {
    open: async ({ kind, version }, signal) => {
      const found = await readBack(js, jsm, cluster, kind, signal ?? new AbortController().signal)
      const store = kindStore({ publish, jsm, cluster, epoch, kind, version, shared, options }, found)
      // The claim: from here on an older agent's meta records conflict, and it stops.
      await store.flush()
      return store
    },
  }
}

type Storing = {
  readonly publish: Publish
  readonly jsm: JetStreamManager
  readonly cluster: string
  readonly epoch: string
  readonly kind: Kind
  readonly version: string
  readonly shared: Rooms
  readonly options: ObjectStoreOptions
}

const kindStore = (given: Storing, found: Found): KindStore => {
  const { cluster, jsm, kind, version, options } = given
  const { metaMs = kind.news === 'fresh' ? 5_000 : 30_000, tombstoneMs = 3_600_000 } = options
  const { now = Date.now, mostWaiting = () => WAITING } = options
  const lost = new AbortController()
  const ended = new AbortController()
  const { writer, meta, tombstones, fence } = storing(given, found, ended.signal, (error) => fail(error), now)
  const contents = kindContents(cluster, kind, writer, isOfNow(found, version))
  const watermark = resumable(found, version) || undefined
  let malformed = 0

  const close = (): Promise<void> => {
    clearInterval(timer)
    ended.abort(lost.signal.reason)
    return writer.drop()
  }
  const fail = (error: unknown): void => {
    if (ended.signal.aborted) return
    lost.abort(error)
    void close()
  }
  const timer = setInterval(() => {
    void meta.ask()
    void purgeTombstones(jsm, found.slots, tombstones, now() - tombstoneMs, ended.signal).catch(fail)
  }, metaMs).unref()

  const advance = (next: Partial<Place>): void => {
    lost.signal.throwIfAborted()
    meta.advance(next)
  }
  const heard = (next: Partial<Place>): void =>
    advance({ observedAt: now(), reason: undefined, leftOut: contents.leftOut() || undefined, ...next })

  return {
    watermark,
    lost: lost.signal,
    meta: meta.now,
    waiting: writer.waiting,
    malformedCount: () => malformed,
    flush: async () => {
      ended.signal.throwIfAborted()
      await meta.ask()
      ended.signal.throwIfAborted()
    },
    close,
    listing: (isOtherHistory) => {
      contents.listing(isOtherHistory)
      // Without a watermark a crash in the middle of the list begins with a list again.
      advance({ state: 'listing', resourceVersion: '' })
    },
    page: async (records) => {
      heard({})
      for (const { metadata, text } of records) if (!contents.keep(metadata, () => text)) malformed += 1
      await writer.roomFor(mostWaiting())
    },
    listed: async (resourceVersion) => {
      contents.listed(await fence.ask(() => subjectsHeld(jsm, cluster, kind)))
      heard({ state: 'streaming', resourceVersion, version, form: RECORD_FORM })
    },
    changed: ({ type, object }, resourceVersion) => {
      if (!contents.isStale(object))
        if (type === 'DELETED') contents.remove(object, newsOf(type, object, now()))
        else if (!contents.keep(object.metadata, () => Buffer.from(JSON.stringify(object)), newsOf(type, object, now())))
          malformed += 1
      heard({ state: 'streaming', ...(resourceVersion === '' ? {} : { resourceVersion }) })
      // Of each object only the newest version waits, so there is an end to it; short of memory even that is too much.
      const most = mostWaiting()
      return most < WAITING ? writer.roomFor(most) : undefined
    },
    bookmark: (resourceVersion) => heard({ state: 'streaming', resourceVersion }),
    unavailable: async (reason, isGone) => {
      if (isGone) {
        contents.listing()
        contents.listed(await fence.ask(() => subjectsHeld(jsm, cluster, kind)))
      }
      advance({ state: 'unavailable', reason, ...(isGone && { resourceVersion: '' }) })
      await meta.ask()
      lost.signal.throwIfAborted()
    },
    stalled: () => advance({ state: 'stalled' }),
    recovered: () => heard({ state: 'streaming' }),
    malformed: (_, at) => {
      malformed += 1
      contents.leaveOut(at)
      heard({})
    },
  }
}

const newsOf = (type: Change['type'], { metadata }: KubernetesObject, heardAt: number): News => {
  const createdAt = type === 'ADDED' ? Date.parse(metadata.creationTimestamp ?? '') : Number.NaN
  return { heardAt, createdAt: Number.isNaN(createdAt) ? undefined : createdAt }
}

/** Whether what is held is what this process would write of the same objects. */
const isOfNow = ({ meta }: Found, version: string): boolean => meta?.version === version && meta.form === RECORD_FORM
/** From where the watch may go on; empty: list first. */
const resumable = (found: Found, version: string): string =>
  found.isWhole && isOfNow(found, version) ? (found.meta?.resourceVersion ?? '') : ''

/** The writing parts of a kind: its objects, its meta record, and the tombstones that wait for their end. */
const storing = (
  { publish, jsm, cluster, epoch, kind, version, shared, options }: Storing,
  found: Found,
  signal: AbortSignal,
  failed: (error: unknown) => void,
  now: () => number,
) => {
  const { slots, sum, meta, metaSeq } = found
  const tombstones = new Map([...slots].filter(([, { uid }]) => uid === undefined))
  const stored = (before: Slot | undefined, after: Slot, subject: string, news: News | undefined): void => {
    if (before?.uid !== undefined) sum.remove(before.uid, before.resourceVersion)
    if (after.uid !== undefined) sum.add(after.uid, after.resourceVersion)
    if (after.uid === undefined) tombstones.set(subject, after)
    else tombstones.delete(subject)
    if (news === undefined) return
    const { heardAt, createdAt } = news
    const sinceCreated = createdAt === undefined ? undefined : after.writtenAt - createdAt
    options.onStored?.(kind, { sinceHeard: after.writtenAt - heardAt, sinceCreated })
  }
  const metaSubject = subjects(cluster).meta(kind)
  const isOwner = async (): Promise<boolean> => {
    const last = await lastOn(jsm, metaSubject)
    return last !== undefined && metaIn(last.data)?.epoch === epoch
  }
  const fence = fenced(publish, jsm, signal)
  const writer = objectsWriter(slots, fence, shared, isOwner, { stored, failed }, now)
  const resourceVersion = resumable(found, version)
  const place: Place = {
    state: resourceVersion === '' ? 'listing' : 'stalled',
    version: meta?.version,
    form: meta?.form,
    resourceVersion,
    observedAt: meta?.observedAt ?? 0,
  }
  return { writer, tombstones, fence, meta: metaWriter(fence, metaSubject, metaSeq, epoch, place, sum, writer, failed) }
}
