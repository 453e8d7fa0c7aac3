import type { KindStore, ObjectStore } from './objects.ts'

/** How the reading of one kind goes in this process, over all the times that its store was opened. */
export type Reading = {
  readonly kind: string
  /** `opening`: OBJECTS is read back. `closed`: nobody reads it now. */
  state: 'opening' | 'listing' | 'streaming' | 'stalled' | 'closed'
  /** Why it is stalled. */
  reason: string | undefined
  /** Monotonic ms of the last sign of life: a word from the API, or that there is none. */
  heardAt: number
  /** Calls that wait for NATS. */
  held: number
  /** How long the reader was held up by them in all, ms. */
  heldMs: number
  readonly events: { ADDED: number; MODIFIED: number; DELETED: number; BOOKMARK: number }
  lists: number
  stalls: number
  /** Objects left out by stores that are closed; the open one knows its own. */
  malformed: number
  store: Pick<KindStore, 'meta' | 'waiting' | 'malformedCount'> | undefined
}

export type ObservedObjects = ObjectStore & { readonly readings: () => readonly Reading[] }

/**
 * The same stores, and how the reading of each kind goes.
 * @param onListed hears how long a list took, ms
 * @param monotonic ms
 */
export const observedObjects = (
  objects: ObjectStore,
  onListed: (kind: string, ms: number) => void = () => {},
  monotonic: () => number = () => performance.now(),
): ObservedObjects => {
  const readings = new Map<string, Reading>()
  const readingOf = (kind: string): Reading => {
    const known = readings.get(kind) ?? begun(kind, monotonic())
    readings.set(kind, known)
    return known
  }
  return {
    readings: () => [...readings.values()],
    open: async (served, signal) => {
      const reading = readingOf(served.kind.name)
      Object.assign(reading, { state: 'opening', heardAt: monotonic(), held: 0 })
      try {
        const store = await objects.open(served, signal)
        Object.assign(reading, { state: store.meta().state, heardAt: monotonic(), store })
        return observed(store, reading, onListed, monotonic)
      } catch (error) {
        reading.state = 'closed'
        throw error
      }
    },
  }
}

const begun = (kind: string, heardAt: number): Reading => ({
  kind,
  state: 'opening',
  reason: undefined,
  heardAt,
  held: 0,
  heldMs: 0,
  events: { ADDED: 0, MODIFIED: 0, DELETED: 0, BOOKMARK: 0 },
  lists: 0,
  stalls: 0,
  malformed: 0,
  store: undefined,
})

const observed = (
  store: KindStore,
  reading: Reading,
  onListed: (kind: string, ms: number) => void,
  monotonic: () => number,
): KindStore => {
  let listingAt = monotonic()
  const heard = (state = reading.state): void => {
    reading.heardAt = monotonic()
    reading.state = state
  }
  /** What waits is waited for by the reader, so it is no silence of the API. */
  const holding = async (waiting: void | Promise<void>): Promise<void> => {
    const from = monotonic()
    reading.held += 1
    try {
      await waiting
    } finally {
      reading.held -= 1
      reading.heldMs += monotonic() - from
      reading.heardAt = monotonic()
    }
  }
  const held = (waiting: void | Promise<void>): void | Promise<void> => (waiting === undefined ? undefined : holding(waiting))

  return {
    ...store,
    listing: (isOtherHistory) => {
      listingAt = monotonic()
      reading.lists += 1
      heard('listing')
      return store.listing(isOtherHistory)
    },
    page: (records) => {
      heard()
      return held(store.page(records))
    },
    listed: async (resourceVersion) => {
      await held(store.listed(resourceVersion))
      onListed(reading.kind, monotonic() - listingAt)
      heard('streaming')
    },
    changed: (change, resourceVersion) => {
      reading.events[change.type] += 1
      heard('streaming')
      return held(store.changed(change, resourceVersion))
    },
    bookmark: (resourceVersion) => {
      reading.events.BOOKMARK += 1
      heard('streaming')
      return held(store.bookmark(resourceVersion))
    },
    stalled: (reason) => {
      if (reading.state !== 'stalled') reading.stalls += 1
      reading.reason = reason
      heard('stalled')
      return held(store.stalled(reason))
    },
    recovered: () => {
      heard('streaming')
      return held(store.recovered())
    },
    malformed: (description, at) => {
      heard()
      return held(store.malformed(description, at))
    },
    flush: async () => {
      await held(store.flush())
    },
    close: async () => {
      reading.state = 'closed'
      reading.store = undefined
      reading.malformed += store.malformedCount()
      await store.close()
    },
  }
}
