import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { type Change, type ObjectName, type Served, Unavailable } from '../../ports.ts'
import { type KubernetesClient, reasonOf } from './client.ts'
import { Expired, failureInStream } from './failure.ts'
import { lines } from './lines.ts'
import { collectionPath } from './paths.ts'
import { isKept, recordOf } from './records.ts'

export type Heard =
  | { readonly type: 'open' }
  | { readonly type: 'change'; readonly change: Change; readonly resourceVersion: string }
  | { readonly type: 'bookmark'; readonly resourceVersion: string }
  /** An object that makes no sense; `at`: if it could be told which it is. */
  | {
      readonly type: 'malformed'
      readonly description: string
      readonly resourceVersion: string
      readonly at: ObjectName | undefined
    }
  /** The server has said nothing for a while. */
  | { readonly type: 'quiet' }

/** The watch was open and silent for longer than a server that sends bookmarks ever is. */
export class Idle extends Unavailable {
  override name = 'Idle'
}

export type Patience = {
  /** Between the words `quiet` of an open watch that says nothing, ms. */
  readonly quietMs: number
  /** Silence after which a watch is given up, ms. */
  readonly idleMs: number
}

/** A watch that says nothing at first may be one that stays silent: its server is asked once, before the long wait. */
const FIRST_QUIET_MS = 5_000

const Event = z.object({ type: z.string(), object: z.unknown() })
const Versioned = z.object({ kind: z.string(), metadata: z.object({ resourceVersion: z.string().min(1) }) })

/**
 * One watch from a resourceVersion on, until the server ends it.
 * @throws Expired (410 in both forms, and for what is no event: nobody knows what it would have said); Unavailable, Idle
 */
export const watch = async function* (
  client: KubernetesClient,
  served: Served,
  resourceVersion: string,
  { quietMs, idleMs }: Patience,
  signal: AbortSignal,
): AsyncGenerator<readonly Heard[]> {
  const path = collectionPath(served)
  const timeoutSeconds = 240 + Math.floor(Math.random() * 61)
  const { fieldSelector } = served.kind
  const query = { fieldSelector, watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds }
  const body = await client.open(path, { query, signal })
  const batches = lines(body)
  try {
    yield [{ type: 'open' }]
    let heard = performance.now()
    let patienceMs = Math.min(FIRST_QUIET_MS, quietMs)
    let next = nextOf(batches, path)
    for (;;) {
      const batch = await within(next, patienceMs)
      if (batch === 'done') return
      if (batch === 'quiet') {
        if (performance.now() - heard >= idleMs) throw new Idle(`GET ${path}: an open watch said nothing for ${idleMs} ms`)
        yield [{ type: 'quiet' }]
        patienceMs = quietMs
        continue
      }
      heard = performance.now()
      yield batch.map((line) => heardIn(served, path, line))
      next = nextOf(batches, path)
    }
  } finally {
    body.on('error', () => {}) // we end it: what it says to that is of no use
    body.destroy()
  }
}

type Batch = readonly Buffer[] | 'done'

const nextOf = (batches: AsyncGenerator<readonly Buffer[]>, path: string): Promise<Batch> => {
  const next = batches.next().then(
    ({ done, value }): Batch => (done ? 'done' : value),
    (error: unknown): never => {
      throw error instanceof Unavailable
        ? error
        : new Unavailable(`GET ${path}: the watch broke: ${reasonOf(error)}`, { cause: error })
    },
  )
  next.catch(() => {}) // it is awaited above, but perhaps only after the next word `quiet`
  return next
}

const within = async (next: Promise<Batch>, ms: number): Promise<Batch | 'quiet'> => {
  let timer: NodeJS.Timeout | undefined
  const quiet = new Promise<'quiet'>((resolve) => {
    timer = setTimeout(resolve, ms, 'quiet')
  })
  try {
    return await Promise.race([next, quiet])
  } finally {
    clearTimeout(timer)
  }
}

const heardIn = (served: Served, path: string, line: Buffer): Heard => {
  const event = Event.safeParse(parsed(line))
  if (!event.success) throw new Expired(`GET ${path}: a watch event of ${line.length} bytes is not one: list again`)
  const { type, object } = event.data
  if (type === 'ERROR') throw failureInStream({ method: 'GET', path }, object)
  const { kind, metadata } = Versioned.safeParse(object).data ?? {}
  if (metadata === undefined || kind !== served.kind.kind)
    throw new Expired(
      `GET ${path}: a watch event is of no ${served.kind.kind}, but of ${kind?.slice(0, 40) ?? 'nothing'}: list again`,
    )
  const { resourceVersion } = metadata
  // A bookmark's object is nearly empty, and never an object of the cluster.
  if (type === 'BOOKMARK') return { type: 'bookmark', resourceVersion }
  if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED')
    throw new Expired(`GET ${path}: a watch event of type ${type.slice(0, 40)}: list again`)
  const result = recordOf(served, object)
  if ('malformed' in result) return { type: 'malformed', description: result.malformed, resourceVersion, at: result.at }
  return { type: 'change', change: { type: isKept(served, object) ? type : 'DELETED', object: result.object }, resourceVersion }
}

const parsed = (line: Buffer): unknown => {
  if (!isUtf8(line)) return undefined // a name with one byte changed is another
  try {
    return JSON.parse(line.toString())
  } catch {
    return undefined // the caller says so
  }
}
