import type { Kind } from '../../events/kinds.ts'
import type { Finding } from '../../ports.ts'
import type { News } from './news.ts'
import { type Ends, type Stream, startStream } from './stream.ts'

type Away = Exclude<Finding, { readonly is: 'served' }>
/** What a kind is taken for: a stream, or why there is none. */
type Place = Stream | Away['is']

/** What each kind is taken for, made true. */
export type Places = {
  start(kind: Kind, version: string, relist: boolean): void
  /**
   * Takes what was found for true: starts or stops the kind's stream, and says so.
   * @returns false if it has to be found a second time first
   */
  settle(finding: Finding): Promise<boolean>
  /** Resolves when a kind stalls from now on. */
  stall(): Promise<void>
  /** Rejects when a stream ends by itself. */
  readonly failed: Promise<never>
  /** Comes back when no stream runs any more. */
  stop(): Promise<void>
}

export const openPlaces = (ends: Ends, news: News, signal: AbortSignal): Places => {
  const places = new Map<string, Place>()
  /** An API server that is just starting knows neither all kinds nor all roles: bad news counts when it is heard twice. */
  const doubts = new Map<string, Away['is']>()
  const { promise: failed, reject } = Promise.withResolvers<never>()
  failed.catch(() => {}) // it may fail when nobody waits for it any more
  let stalled = Promise.withResolvers<void>()

  const start = (kind: Kind, version: string, relist: boolean): void => {
    const tell: Parameters<typeof startStream>[3] = (heard) => {
      news.tell(kind.name, heard)
      if (heard.state === 'stalled') stalled.resolve()
    }
    places.set(kind.name, startStream(ends, { kind, version }, relist, tell, reject, signal))
  }
  const stopStream = async (place: Place | undefined): Promise<void> => {
    if (isStream(place)) await place.stop()
  }
  const serve = async (kind: Kind, version: string): Promise<void> => {
    const place = places.get(kind.name)
    if (isStream(place) && place.version === version) return
    await stopStream(place)
    start(kind, version, false)
  }
  const leave = async ({ kind, is, reason }: Away): Promise<void> => {
    const place = places.get(kind.name)
    await stopStream(place)
    places.set(kind.name, is)
    news.tell(kind.name, { state: 'unavailable', why: is, reason })
    await bury(ends, { kind, is, reason }, isStream(place) ? place.version : (kind.versions[0] ?? ''), signal)
  }

  return {
    start,
    settle: async (finding) => {
      const { name } = finding.kind
      const place = places.get(name)
      const doubted = doubts.get(name)
      doubts.delete(name)
      if (finding.is === 'served') await serve(finding.kind, finding.version)
      else if (place === finding.is || (finding.is === 'unknown' && place !== undefined)) return true
      else if (!isStream(place) || doubted === finding.is) await leave(finding)
      else doubts.set(name, finding.is)
      return !doubts.has(name)
    },
    stall: () => {
      stalled = Promise.withResolvers()
      return stalled.promise
    },
    failed,
    stop: async () => void (await Promise.all([...places.values()].map(stopStream))),
  }
}

const isStream = (place: Place | undefined): place is Stream => typeof place === 'object'

/** Tells the readers of OBJECTS that the kind can't be read. Its objects are gone only if the API knows no such kind. */
const bury = async ({ openStore }: Ends, { kind, is, reason }: Away, version: string, signal: AbortSignal): Promise<void> => {
  const store = await openStore({ kind, version }, signal)
  try {
    await store.unavailable(reason, is === 'absent')
  } finally {
    await store.close()
  }
}
