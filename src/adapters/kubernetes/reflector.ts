import { setTimeout as sleep, setImmediate as yieldToLoop } from 'node:timers/promises'
import type { KubernetesObject } from '../../events/kubernetes.ts'
import { Gone, type KubernetesReads, type ReflectorListener, Refused, type Served, Unavailable } from '../../ports.ts'
import { createSlots } from '../../runtime/slots.ts'
import type { KubernetesClient } from './client.ts'
import { Expired } from './failure.ts'
import { type LazyPage, lazyPageOf, pageOf } from './pages.ts'
import { collectionPath } from './paths.ts'
import { type Pace, poll } from './poller.ts'
import { isKept, recordOf } from './records.ts'
import { type Heard, Idle, type Patience, watch } from './watch.ts'

/** Objects of one page of a list. */
export const PAGE = 500
/** Objects projected in one go: a few milliseconds. */
const SLICE = 100
const SLICE_MS = 10
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 30_000
/** A watch that stayed open for so long, ms, was a success even if nothing happened. */
const STEADY_MS = 5_000

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

export type Pacing = { readonly fresh?: Patience; readonly steady?: Patience; readonly polled?: Pace }

/** Where one reflection stands. */
type Place = {
  version: string | undefined
  failures: number
  isStalled: boolean
  openedAt: number
  lastTurn: number
}

/** Everything one reflection works with. */
type Means = {
  readonly client: KubernetesClient
  readonly served: Served
  readonly listener: ReflectorListener
  readonly patience: Patience
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
  const { fresh = FRESH, steady = STEADY, polled = POLLED } = pacing
  const slots = createSlots()
  return {
    reflect: (served, from, listener, signal) => {
      if (served.kind.reading === 'polled') return poll(client, served, listener, polled, signal)
      const patience = served.kind.news === 'fresh' ? fresh : steady
      const turnToList = () => slots.take('list', LISTS, signal)
      return reflect({ client, served, listener, patience, signal, pageSize, turnToList }, from)
    },
  }
}

const reflect = async (means: Means, from: string | undefined): Promise<void> => {
  const { listener, signal } = means
  const place: Place = { version: from, failures: 0, isStalled: false, openedAt: 0, lastTurn: performance.now() }
  while (!signal.aborted) {
    try {
      place.version ??= await list(means, place)
      await follow(means, place)
      settle(place)
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Unavailable || error instanceof Refused || error instanceof Gone)) throw error
      await stumble(place, error, listener)
    }
    if (place.failures > 0) await sleep(pauseMs(place.failures), undefined, { signal }).catch(() => {}) // the loop sees the abort
  }
}

/** An end in order is a success, but a server that ends every watch at once is not hammered. */
const settle = (place: Place): void => {
  place.failures = wasSteady(place) ? 0 : place.failures + 1
}

const wasSteady = ({ openedAt }: Place): boolean => openedAt > 0 && performance.now() - openedAt >= STEADY_MS

const stumble = async (place: Place, error: Error, listener: ReflectorListener): Promise<void> => {
  if (error instanceof Expired) place.version = undefined
  // Twice silent from the same version on: perhaps the server's history is shorter than ours (a restored backup).
  if (error instanceof Idle && place.failures > 0) place.version = undefined
  if (wasSteady(place) && !(error instanceof Idle)) place.failures = 0
  place.openedAt = 0
  place.failures += 1
  // One lost connection or one expired version is daily life, and over before anyone could act on it.
  if (place.failures < 2 && !(error instanceof Idle) && !(error instanceof Refused)) return
  place.isStalled = true
  await listener.stalled(error.message)
}

/** Exponential from 250 ms to 30 s, half of it random so that restarted agents do not come in step. */
const pauseMs = (failures: number): number => {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10))
  return longest / 2 + Math.random() * (longest / 2)
}

const list = async (means: Means, place: Place): Promise<string> => {
  const done = await means.turnToList()
  try {
    return await listPages(means, place)
  } finally {
    done()
  }
}

const listPages = async ({ client, served, listener, pageSize, signal }: Means, place: Place): Promise<string> => {
  await listener.listing()
  let next: ReturnType<typeof lazyPageOf> | undefined = lazyPageOf(client, served, { limit: pageSize() }, signal)
  let version = ''
  while (next !== undefined) {
    const { items, metadata }: LazyPage = await next
    version = metadata.resourceVersion
    const limit = pageSize()
    const after = (): typeof next =>
      metadata.continue ? lazyPageOf(client, served, { limit, continue: metadata.continue }, signal) : undefined
    // The server makes the next page while the listener takes this one, unless there is no memory for two.
    next = limit < PAGE ? undefined : after()
    next?.catch(() => {}) // it is awaited above, unless the listener throws first
    await turn(place)
    await tell(served, items, listener, place)
    next ??= after()
  }
  if (version === '') throw new Unavailable(`GET ${collectionPath(served)}: a list without a resourceVersion`)
  await listener.listed(version)
  await recover(listener, place)
  return version
}

const tell = async (served: Served, items: Iterable<unknown>, listener: ReflectorListener, place: Place): Promise<void> => {
  let objects: KubernetesObject[] = []
  for (const item of items) {
    if (!isKept(served, item)) continue
    const result = recordOf(served, item)
    if ('malformed' in result) await listener.malformed(result.malformed)
    else if (objects.push(result.object) === SLICE) {
      await listener.page(objects)
      objects = []
      await turn(place)
    }
  }
  if (objects.length > 0) await listener.page(objects)
  await turn(place)
}

const follow = async (means: Means, place: Place): Promise<void> => {
  const { client, served, listener, patience, signal } = means
  if (place.version === undefined) return
  for await (const batch of watch(client, served, place.version, patience, signal))
    for (const heard of batch) {
      if (signal.aborted) return
      if (heard.type === 'quiet') await probe(means, place)
      else await report(heard, listener, place)
      await turn(place)
    }
}

const report = async (heard: Exclude<Heard, { type: 'quiet' }>, listener: ReflectorListener, place: Place): Promise<void> => {
  if (heard.type === 'open') {
    place.openedAt = performance.now()
    return
  }
  place.failures = 0
  await recover(listener, place)
  if (heard.resourceVersion !== '') place.version = heard.resourceVersion
  if (heard.type === 'change') await listener.changed(heard.change, heard.resourceVersion)
  else if (heard.type === 'bookmark') await listener.bookmark(heard.resourceVersion)
  else await listener.malformed(heard.description)
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
  const { metadata } = await pageOf(client, served, { limit: 1 }, signal)
  const version = place.version ?? ''
  if (isBefore(metadata.resourceVersion, version))
    throw new Expired(
      `GET ${collectionPath(served)}: the API is at version ${metadata.resourceVersion}, before our ${version}: list again`,
    )
  await recover(listener, place)
  await listener.bookmark(version)
}

const isBefore = (a: string, b: string): boolean => /^\d{1,20}$/.test(a) && /^\d{1,20}$/.test(b) && BigInt(a) < BigInt(b)

// Promises alone do not let timers and sockets run: give them a turn every few milliseconds.
const turn = async (place: Place): Promise<void> => {
  if (performance.now() - place.lastTurn < SLICE_MS) return
  await yieldToLoop()
  place.lastTurn = performance.now()
}
