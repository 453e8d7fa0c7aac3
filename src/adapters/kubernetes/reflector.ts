import { setTimeout as sleep } from 'node:timers/promises'
import { Gone, type KubernetesReads, type ReflectorListener, Refused, type Served, Unavailable } from '../../ports.ts'
import { createSlots } from '../../runtime/slots.ts'
import { pauseMs } from './back-off.ts'
import type { KubernetesClient } from './client.ts'
import { Expired } from './failure.ts'
import { pageOf } from './pages.ts'
import { collectionPath } from './paths.ts'
import { begun, isBefore, leaveOut, type Place, reach, settle, slowness, stumble, trust, turn } from './place.ts'
import { type Pace, poll } from './poller.ts'
import { type Heard, type Patience, watch } from './watch.ts'
import { listAll, PAGE } from './whole-list.ts'

/**
 * Real API servers send a bookmark every 60 to 75 s, so 90 s of silence is a dead watch and never a false alarm. Within
 * that, a small list every 5 s proves that the API answers, because nothing disruptive is done on a picture older than 15 s.
 */
const FRESH: Patience = { quietMs: 5_000, idleMs: 90_000 }
/**
 * For what nothing disruptive depends on the bookmarks do. Events have none, because they are in no watch cache: a watch
 * is only dead when it outlives the five minutes after which the server ends it.
 */
const STEADY: Patience = { quietMs: 60_000, idleMs: 330_000 }
const POLLED: Pace = { everyMs: 30_000, atMostMs: 300_000 }
/** Lists under way at a time, over all kinds: their pages are what takes memory. */
const LISTS = 2

/** Comes back after so many ms, or when the signal aborts. */
type Pause = (ms: number, signal: AbortSignal) => Promise<void>
export type Pacing = { readonly fresh?: Patience; readonly steady?: Patience; readonly polled?: Pace; readonly pause?: Pause }

/** Everything one reflection works with. */
type Means = {
  readonly client: KubernetesClient
  readonly served: Served
  readonly listener: ReflectorListener
  readonly patience: Patience
  readonly pause: Pause
  readonly signal: AbortSignal
  readonly pageSize: () => number
  /** A list waits here until it may begin; what comes back lets the next one begin. */
  readonly turnToList: () => Promise<() => void>
}

/**
 * Lists and follows kinds. A listener that throws ends the reflection with its error; it must not throw the errors of
 * ports.ts that mean the API (Unavailable, Refused, Gone), which are waited out.
 * @param pageSize asked before each page of a list; below the full size no page is read ahead
 */
export const kubernetesReads = (
  client: KubernetesClient,
  pacing: Pacing = {},
  pageSize: () => number = () => PAGE,
): KubernetesReads => {
  const { fresh = FRESH, steady = STEADY, polled = POLLED, pause = passing } = pacing
  const slots = createSlots()
  return {
    reflect: (served, from, listener, signal) => {
      if (served.kind.reading === 'polled') return poll(client, served, listener, polled, pause, signal)
      const patience = served.kind.news === 'fresh' ? fresh : steady
      const turnToList = () => slots.take('list', LISTS, signal)
      return reflect({ client, served, listener, patience, pause, signal, pageSize, turnToList }, from)
    },
  }
}

const passing: Pause = (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}) // who waits sees the abort

const reflect = async (means: Means, from: string | undefined): Promise<void> => {
  const { served, listener, pause, signal } = means
  const place = begun(from)
  while (!signal.aborted) {
    try {
      if (place.version === undefined) await list(means, place)
      await follow(means, place)
      if (settle(place)) await stall(listener, place, `GET ${collectionPath(served)}: every watch ends at once`)
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Unavailable || error instanceof Refused || error instanceof Gone)) throw error
      if (stumble(place, error)) await stall(listener, place, error.message)
    }
    if (slowness(place) > 0) await pause(pauseMs(slowness(place), place.wishMs), signal)
    place.wishMs = 0
  }
}

const list = async (means: Means, place: Place): Promise<void> => {
  const done = await means.turnToList()
  try {
    reach(place, await listAll(means, place))
    await recover(means.listener, place)
  } finally {
    done()
  }
}

const follow = async (means: Means, place: Place): Promise<void> => {
  const { client, served, listener, patience, signal } = means
  if (place.version === undefined) return
  for await (const batch of watch(client, served, place.version, patience, signal))
    for (const heard of batch) {
      if (signal.aborted) return
      if (heard.type === 'quiet') await probe(means, place)
      else await report(heard, listener, place)
      trust(place, patience.quietMs)
      await turn(place)
    }
}

const report = async (heard: Exclude<Heard, { type: 'quiet' }>, listener: ReflectorListener, place: Place): Promise<void> => {
  if (heard.type === 'open') {
    place.openedAt = performance.now()
    return
  }
  const { resourceVersion } = heard
  if (isBefore(resourceVersion, place.version ?? ''))
    throw new Expired(`a watch from version ${place.version} goes back to ${resourceVersion}: list again`)
  place.failures = 0
  await recover(listener, place)
  reach(place, resourceVersion)
  if (heard.type === 'change') await listener.changed(heard.change, resourceVersion)
  else if (heard.type === 'bookmark') await listener.bookmark(resourceVersion)
  else {
    leaveOut(place, [heard.description], 'since')
    await listener.malformed(heard.description, heard.at)
  }
}

const stall = async (listener: ReflectorListener, place: Place, reason: string): Promise<void> => {
  place.isStalled = true
  await listener.stalled(reason)
}

// Not when a watch opens: one from an expired version opens too, and only then says 410.
const recover = async (listener: ReflectorListener, place: Place): Promise<void> => {
  if (!place.isStalled) return
  place.isStalled = false
  await listener.recovered()
}

/**
 * Asks the API for one object while the watch is silent. Its answer is a word from the API, and the version in it shows
 * a history that has gone back behind ours, on which a watch would be silent for ever.
 */
const probe = async ({ client, served, listener, signal }: Means, place: Place): Promise<void> => {
  const { resourceVersion } = await pageOf(client, served, { limit: 1 }, signal)
  const version = place.version ?? ''
  if (isBefore(resourceVersion, version))
    throw new Expired(
      `GET ${collectionPath(served)}: the API is at version ${resourceVersion}, before our ${version}: list again`,
    )
  await recover(listener, place)
  await listener.bookmark(version)
}
