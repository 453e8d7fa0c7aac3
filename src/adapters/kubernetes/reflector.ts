import { setTimeout as sleep, setImmediate as yieldToLoop } from 'node:timers/promises'
import type { z } from 'zod'
import type { KubernetesObject } from '../../events/kubernetes.ts'
import { Gone, type KubernetesReads, type ReflectorListener, Refused, type Served, Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'
import { Expired } from './failure.ts'
import { collectionPath } from './paths.ts'
import { projected } from './projection.ts'
import { type Heard, Idle, type Patience, watch } from './watch.ts'
import { ListPage } from './writes.ts'

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
const PATIENCE: Patience = { quietMs: 5_000, idleMs: 90_000 }

/** Where one reflection stands. */
type Place = {
  version: string | undefined
  failures: number
  isStalled: boolean
  openedAt: number
  lastTurn: number
}

/**
 * Lists and follows kinds. A listener that throws ends the reflection with its error; it must not throw the errors of
 * ports.ts that mean the API (Unavailable, Refused, Gone), which are waited out.
 * @param pageSize asked before each page of a list; below the full size no page is read ahead
 */
export const kubernetesReads = (
  client: KubernetesClient,
  patience: Patience = PATIENCE,
  pageSize: () => number = () => PAGE,
): KubernetesReads => ({
  reflect: async (served, from, listener, signal) => {
    const place: Place = {
      version: from,
      failures: 0,
      isStalled: false,
      openedAt: 0,
      lastTurn: performance.now(),
    }
    while (!signal.aborted) {
      try {
        place.version ??= await list(client, served, listener, place, pageSize, signal)
        await follow(client, served, listener, place, patience, signal)
        settle(place)
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof Unavailable || error instanceof Refused || error instanceof Gone)) throw error
        await stumble(place, error, listener)
      }
      if (place.failures > 0) await sleep(pauseMs(place.failures), undefined, { signal }).catch(() => {}) // the loop sees the abort
    }
  },
})

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

const list = async (
  client: KubernetesClient,
  served: Served,
  listener: ReflectorListener,
  place: Place,
  pageSize: () => number,
  signal: AbortSignal,
): Promise<string> => {
  await listener.listing()
  let next: ReturnType<typeof pageOf> | undefined = pageOf(client, served, { limit: pageSize() }, signal)
  let version = ''
  while (next !== undefined) {
    const { items, metadata }: z.infer<typeof ListPage> = await next
    version = metadata.resourceVersion
    const limit = pageSize()
    const after = (): typeof next =>
      metadata.continue ? pageOf(client, served, { limit, continue: metadata.continue }, signal) : undefined
    // The server makes the next page while the listener takes this one, unless there is no memory for two.
    next = limit < PAGE ? undefined : after()
    next?.catch(() => {}) // it is awaited above, unless the listener throws first
    await turn(place)
    await tell(served, items ?? [], listener, place)
    next ??= after()
  }
  if (version === '') throw new Unavailable(`GET ${collectionPath(served)}: a list without a resourceVersion`)
  await listener.listed(version)
  await recover(listener, place)
  return version
}

const pageOf = async (
  client: KubernetesClient,
  served: Served,
  query: Record<string, string | number | undefined>,
  signal: AbortSignal,
) => {
  const page = ListPage.safeParse(await client.request('GET', collectionPath(served), { query, signal }))
  if (!page.success) throw new Unavailable(`GET ${collectionPath(served)}: the answer is no list: ${page.error.message}`)
  return page.data
}

const tell = async (served: Served, items: readonly unknown[], listener: ReflectorListener, place: Place): Promise<void> => {
  for (let from = 0; from < items.length; from += SLICE) {
    const objects: KubernetesObject[] = []
    for (const item of items.slice(from, from + SLICE)) {
      const result = projected(served.kind, item)
      if ('malformed' in result) await listener.malformed(result.malformed)
      else objects.push(result.object)
    }
    await listener.page(objects)
    await turn(place)
  }
}

const follow = async (
  client: KubernetesClient,
  served: Served,
  listener: ReflectorListener,
  place: Place,
  patience: Patience,
  signal: AbortSignal,
): Promise<void> => {
  if (place.version === undefined) return
  for await (const batch of watch(client, served, place.version, patience, signal))
    for (const heard of batch) {
      if (signal.aborted) return
      if (heard.type === 'quiet') await probe(client, served, listener, place, signal)
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
const probe = async (
  client: KubernetesClient,
  served: Served,
  listener: ReflectorListener,
  place: Place,
  signal: AbortSignal,
): Promise<void> => {
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
