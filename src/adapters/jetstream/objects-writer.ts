import type { Fenced, Payload, Room } from './fenced.ts'

/** What is written on one subject: the sequence of the last record, and whose it is (none: a tombstone, or nothing yet). */
export type Slot = {
  seq: number
  uid: string | undefined
  resourceVersion: string
  /** Epoch milliseconds; for tombstones. */
  writtenAt: number
}

type Version = {
  readonly uid: string | undefined
  readonly resourceVersion: string
  readonly payload: Payload
  /** Absent: it was listed. */
  readonly news?: News | undefined
}

/** When a change was heard of, and when its object was made if the change is that; epoch milliseconds. */
export type News = { readonly heardAt: number; readonly createdAt: number | undefined }

export type ObjectsWriter = {
  /** Wants this version on the subject; a version that is still waiting there is replaced. */
  put(subject: string, version: Version): void
  /** The version that the subject will hold when all is written. */
  wanted(subject: string): Pick<Version, 'uid' | 'resourceVersion'> | undefined
  /** Comes back when everything put before is stored and nothing is in flight; writes nothing more until `resume`. */
  settle(): Promise<void>
  resume(): void
  /** Every subject that holds a record or will. */
  subjects(): Iterable<string>
  /** How many subjects wait to be written. */
  waiting(): number
  /** Comes back at once while fewer than this many subjects wait. */
  roomFor(waiting: number): Promise<void>
  /** Gives up what waits: it is never written. Comes back when nothing is in flight. */
  drop(): Promise<void>
}

/**
 * Brings subjects to their newest version, one write in flight per subject. What waits is bounded by the number of
 * objects: of each only the newest version is kept. `stored` hears of every acknowledged write, `failed` of the one
 * that ends it all.
 */
export const objectsWriter = (
  slots: Map<string, Slot>,
  { write }: Fenced,
  room: Room,
  isOwner: () => Promise<boolean>,
  heard: {
    readonly stored: (before: Slot | undefined, after: Slot, subject: string, news: News | undefined) => void
    readonly failed: (error: unknown) => void
  },
  now: () => number,
): ObjectsWriter => {
  const queue = new Map<string, Version>()
  /** What came while `settle` waits: not part of what it settles, so that it ends under constant change. */
  const later = new Map<string, Version>()
  const inFlight = new Map<string, Version>()
  const waiting: { readonly until: () => boolean; readonly go: () => void }[] = []
  let settling = false

  const pump = (): void => {
    for (const [subject, version] of queue) {
      if (inFlight.has(subject)) continue
      if (!room.take()) {
        room.whenFree(pump)
        break
      }
      queue.delete(subject)
      inFlight.set(subject, version)
      void bring(subject, version)
    }
    for (const entry of waiting.filter(({ until }) => until())) {
      waiting.splice(waiting.indexOf(entry), 1)
      entry.go()
    }
  }

  const bring = async (subject: string, version: Version): Promise<void> => {
    const before = slots.get(subject)
    try {
      const seq = await write(subject, version.payload, before?.seq ?? 0, isOwner)
      const after = { seq, uid: version.uid, resourceVersion: version.resourceVersion, writtenAt: now() }
      slots.set(subject, after)
      heard.stored(before, after, subject, version.news)
    } catch (error) {
      heard.failed(error)
    } finally {
      inFlight.delete(subject)
      room.give()
      pump()
    }
  }

  const when = (until: () => boolean): Promise<void> => new Promise((go) => (until() ? go() : void waiting.push({ until, go })))

  return {
    put: (subject, version) => {
      const target = settling && !queue.has(subject) ? later : queue
      target.set(subject, version)
      if (target === queue) pump()
    },
    wanted: (subject) => later.get(subject) ?? queue.get(subject) ?? inFlight.get(subject) ?? slots.get(subject),
    subjects: () => new Set([...slots.keys(), ...inFlight.keys(), ...queue.keys(), ...later.keys()]),
    settle: () => {
      settling = true
      return when(() => queue.size === 0 && inFlight.size === 0)
    },
    resume: () => {
      settling = false
      for (const [subject, version] of later) queue.set(subject, version)
      later.clear()
      pump()
    },
    drop: () => {
      queue.clear()
      later.clear()
      pump()
      return when(() => inFlight.size === 0)
    },
    waiting: () => queue.size + later.size,
    roomFor: (count) => when(() => queue.size + later.size < count),
  }
}
