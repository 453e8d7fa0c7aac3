import { z } from 'zod'
import { type Change, type Served, Unavailable } from '../../ports.ts'
import { type KubernetesClient, reasonOf } from './client.ts'
import { failureInStream } from './failure.ts'
import { lines } from './lines.ts'
import { collectionPath } from './paths.ts'
import { isKept, recordOf } from './records.ts'

export type Heard =
  | { readonly type: 'open' }
  | { readonly type: 'change'; readonly change: Change; readonly resourceVersion: string }
  | { readonly type: 'bookmark'; readonly resourceVersion: string }
  /** `resourceVersion` is empty when not even that could be read. */
  | { readonly type: 'malformed'; readonly description: string; readonly resourceVersion: string }
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
const Versioned = z.object({ metadata: z.object({ resourceVersion: z.string().min(1) }) })

/** One watch from a resourceVersion on, until the server ends it. @throws Expired (410 in both forms), Unavailable, Idle */
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

type Batch = readonly string[] | 'done'

const nextOf = (batches: AsyncGenerator<readonly string[]>, path: string): Promise<Batch> => {
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

const heardIn = (served: Served, path: string, line: string): Heard => {
  const event = Event.safeParse(parsed(line))
  if (!event.success)
    return {
      type: 'malformed',
      description: `${served.kind.name}: a watch event of ${line.length} characters is not one`,
      resourceVersion: '',
    }
  const { type, object } = event.data
  if (type === 'ERROR') throw failureInStream({ method: 'GET', path }, object)
  const resourceVersion = Versioned.safeParse(object).data?.metadata.resourceVersion ?? ''
  // A bookmark's object is nearly empty, and never an object of the cluster.
  if (type === 'BOOKMARK' && resourceVersion !== '') return { type: 'bookmark', resourceVersion }
  if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED')
    return { type: 'malformed', description: `${served.kind.name}: a watch event of type ${type.slice(0, 40)}`, resourceVersion }
  const result = recordOf(served, object)
  if ('malformed' in result) return { type: 'malformed', description: result.malformed, resourceVersion }
  return { type: 'change', change: { type: isKept(served, object) ? type : 'DELETED', object: result.object }, resourceVersion }
}

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined // reported as malformed by the caller
  }
}
