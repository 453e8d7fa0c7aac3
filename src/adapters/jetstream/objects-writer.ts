import type { Fenced, Next, Payload, Room } from './fenced.ts'

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
  /**
   * Wants this version on the subject; a version that is still waiting there is replaced. What was listed waits until
   * there is enough for a batch, or somebody waits for it.
   */
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

/** Room for what is under way, over all kinds: acknowledgements of single records, and of batches. */
export type Rooms = { readonly records: Room; readonly batches: Room }

/** As many as NATS takes: each batch costs the server some milliseconds, however many records it has. */
const BATCH = 1_000

/**
 * Brings subjects to their newest version, one write in flight per subject. What waits is bounded by the number of
 * objects: of each only the newest version is kept. `stored` hears of every acknowledged write, `failed` of the one
 * that ends it all.
 */
export const objectsWriter = (
  slots: Map<string, Slot>,
  { write, writeAll }: Fenced,
  rooms: Rooms,
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
  /** Somebody waits for what is in the queue. */
  let isUrgent = false

  const pump = (): void => {
    while (queue.size >= BATCH && pumpBatch());
    if (isUrgent && queue.size < BATCH) pumpEach()
    isUrgent &&= queue.size > 0
    for (const entry of waiting.filter(({ until }) => until())) {
      waiting.splice(waiting.indexOf(entry), 1)
      entry.go()
    }
  }

  const pumpEach = (): void => {
    for (const [subject, version] of queue) {
      if (inFlight.has(subject)) continue
      if (!rooms.records.take()) {
        rooms.records.whenFree(pump)
        break
      }
      void bring([[subject, version]], rooms.records, ([record]) =>
        Promise.all(record === undefined ? [] : [write(record.subject, record.payload, record.expected, isOwner)]),
      )
    }
  }

  /** @returns whether there was one, and room for it */
  const pumpBatch = (): boolean => {
    if (!rooms.batches.take()) {
      rooms.batches.whenFree(pump)
      return false
    }
    const batch = [...queue].filter(([subject]) => !inFlight.has(subject)).slice(0, BATCH)
    const isFull = batch.length === BATCH
    if (isFull) void bring(batch, rooms.batches, (records) => writeAll(records, isOwner))
    else rooms.batches.give()
    return isFull
  }

  const bring = async (
    versions: readonly (readonly [string, Version])[],
    room: Room,
    store: (records: readonly Next[]) => Promise<readonly number[]>,
  ): Promise<void> => {
    for (const [subject, version] of versions) {
      queue.delete(subject)
      inFlight.set(subject, version)
    }
    try {
      const sequences = await store(
        versions.map(([subject, { payload }]) => ({ subject, payload, expected: slots.get(subject)?.seq ?? 0 })),
      )
      for (const [index, [subject, version]] of versions.entries()) settled(subject, version, sequences[index] ?? 0)
    } catch (error) {
      heard.failed(error)
    } finally {
      for (const [subject] of versions) inFlight.delete(subject)
      room.give()
      pump()
    }
  }

  const settled = (subject: string, { uid, resourceVersion, news }: Version, seq: number): void => {
    const before = slots.get(subject)
    const after = { seq, uid, resourceVersion, writtenAt: now() }
    slots.set(subject, after)
    heard.stored(before, after, subject, news)
  }

  /** All that waits is written now. */
  const hurry = (): void => {
    isUrgent = true
    pump()
  }

  const when = (until: () => boolean): Promise<void> => new Promise((go) => (until() ? go() : void waiting.push({ until, go })))

  return {
    put: (subject, version) => {
      const target = settling && !queue.has(subject) ? later : queue
      target.set(subject, version)
      if (target !== queue) return
      isUrgent ||= version.news !== undefined
      if (isUrgent || queue.size >= BATCH) pump()
    },
    wanted: (subject) => later.get(subject) ?? queue.get(subject) ?? inFlight.get(subject) ?? slots.get(subject),
    subjects: () => new Set([...slots.keys(), ...inFlight.keys(), ...queue.keys(), ...later.keys()]),
    settle: () => {
      settling = true
      hurry()
      return when(() => queue.size === 0 && inFlight.size === 0)
    },
    resume: () => {
      settling = false
      for (const [subject, version] of later) queue.set(subject, version)
      later.clear()
      hurry()
    },
    drop: () => {
      queue.clear()
      later.clear()
      pump()
      return when(() => inFlight.size === 0)
    },
    waiting: () => queue.size + later.size,
    roomFor: (count) => {
      if (queue.size >= count) hurry()
      return when(() => queue.size + later.size < count)
    },
  }
}
