import { z } from 'zod'
import type { KubernetesObject } from '../../events/kubernetes.ts'
import { Gone, type ReflectorListener, Refused, type Served, Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'
import { pageOf } from './pages.ts'
import { recordOf, written } from './records.ts'

export type Pace = {
  /** Between two lists, ms. */
  readonly everyMs: number
  /** After lists that failed it grows up to this, ms. */
  readonly atMostMs: number
}

/**
 * Follows a kind that can not be watched: lists it again and again, and tells the differences. Runs until the signal
 * aborts. What is measured anew has no UID and no version of its own, so it gets its place and its time instead.
 */
export const poll = async (
  client: KubernetesClient,
  served: Served,
  listener: ReflectorListener,
  { everyMs, atMostMs }: Pace,
  pause: (ms: number, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> => {
  let told: ReadonlyMap<string, KubernetesObject> | undefined
  let [failures, wishMs] = [0, 0]
  while (!signal.aborted) {
    try {
      const found = await listed(client, served, listener, signal)
      if (told === undefined) await begin(found, listener)
      else await tell(told, found, listener)
      if (failures > 0) await listener.recovered()
      told = found
      failures = 0
      wishMs = 0
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Unavailable || error instanceof Refused || error instanceof Gone)) throw error
      failures += 1
      wishMs = error instanceof Unavailable ? (error.retryAfterMs ?? 0) : 0
      await listener.stalled(error.message)
    }
    await pause(Math.max(wishMs, Math.min(atMostMs, everyMs * 2 ** Math.min(failures, 10))), signal)
  }
}

const listed = async (
  client: KubernetesClient,
  served: Served,
  listener: ReflectorListener,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, KubernetesObject>> => {
  const { items } = await pageOf(client, served, {}, signal)
  const found = new Map<string, KubernetesObject>()
  for (const item of items) {
    const result = recordOf(served, measured(item))
    if ('malformed' in result) await listener.malformed(result.malformed, result.at)
    else found.set(result.object.metadata.uid, result.object)
  }
  return found
}

const Measured = z.looseObject({
  metadata: z.looseObject({ namespace: z.string().default(''), name: z.string() }),
  timestamp: z.string(),
})

// Labels are those of the pod, which has a record of its own.
const measured = (item: unknown): unknown => {
  const { success, data } = Measured.safeParse(item)
  if (!success) return item
  const { namespace, name } = data.metadata
  const { labels: _, ...metadata } = data.metadata
  return { ...data, metadata: { ...metadata, uid: `${namespace}/${name}`, resourceVersion: data.timestamp } }
}

const begin = async (found: ReadonlyMap<string, KubernetesObject>, listener: ReflectorListener): Promise<void> => {
  await listener.listing()
  await listener.page([...found.values()].map(written))
  await listener.listed('')
}

const tell = async (
  told: ReadonlyMap<string, KubernetesObject>,
  found: ReadonlyMap<string, KubernetesObject>,
  listener: ReflectorListener,
): Promise<void> => {
  for (const [uid, object] of told) if (!found.has(uid)) await listener.changed({ type: 'DELETED', object }, '')
  for (const [uid, object] of found) {
    const before = told.get(uid)
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion) continue
    await listener.changed({ type: before ? 'MODIFIED' : 'ADDED', object }, '')
  }
}
