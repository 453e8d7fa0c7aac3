import { z } from 'zod'
import { type Served, Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'
import { listText } from './list-text.ts'
import { collectionPath } from './paths.ts'

/** One page of a list; `items` as the API gave them. */
export const ListPage = z.object({
  metadata: z
    .object({ resourceVersion: z.string().default(''), continue: z.string().optional() })
    .default({ resourceVersion: '' }),
  // The API says null for a list without items.
  items: z.array(z.unknown()).nullish(),
})
export type ListPage = z.infer<typeof ListPage>

/** One page of a kind's list. @throws Unavailable, also if the answer is no list; Refused, Gone, Expired */
export const pageOf = async (
  client: KubernetesClient,
  served: Served,
  query: { readonly limit?: number; readonly continue?: string },
  signal: AbortSignal,
): Promise<ListPage> => {
  const path = collectionPath(served)
  const { fieldSelector } = served.kind
  return listIn(path, await client.request('GET', path, { query: { ...query, fieldSelector }, signal }))
}

const listIn = (path: string, answer: unknown): ListPage => {
  const page = ListPage.safeParse(answer)
  if (!page.success) throw new Unavailable(`GET ${path}: the answer is no list: ${page.error.message}`)
  return page.data
}

/** A page whose items are parsed one by one, as they are taken; what can't be parsed throws Unavailable only then. */
export type LazyPage = { readonly metadata: ListPage['metadata']; readonly items: Iterable<unknown> }

/** The same page, for many large objects of which little is kept. @throws as pageOf */
export const lazyPageOf = async (
  client: KubernetesClient,
  served: Served,
  query: { readonly limit: number; readonly continue?: string },
  signal: AbortSignal,
): Promise<LazyPage> => {
  const path = collectionPath(served)
  const { fieldSelector } = served.kind
  const bytes = await client.bytes(path, { query: { ...query, fieldSelector }, signal })
  const text = listText(bytes)
  if (text)
    return { metadata: listIn(path, { metadata: text.metadata }).metadata, items: freeing(bytes, parsing(path, text.items)) }
  const { metadata, items } = listIn(path, jsonIn(path, bytes))
  return { metadata, items: items ?? [] }
}

const LARGE_BYTES = 2 ** 20
/** What was read gives its memory back at once: left to the garbage collector, some twenty pages of 3 MB wait for it. */
const freeing = function* (bytes: Buffer, items: Iterable<unknown>): Generator<unknown> {
  try {
    yield* items
  } finally {
    const { buffer } = bytes
    if (buffer instanceof ArrayBuffer && buffer.byteLength >= LARGE_BYTES) buffer.transfer(0)
  }
}

const jsonIn = (path: string, bytes: Buffer): unknown => {
  const [answer] = parsing(
    path,
    [bytes].values().map((all): unknown => JSON.parse(all.toString())),
  )
  return answer
}

const parsing = function* (path: string, items: Iterable<unknown>): Generator<unknown> {
  try {
    yield* items
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new Unavailable(`GET ${path}: the answer is not JSON: ${error.message}`, { cause: error })
  }
}
