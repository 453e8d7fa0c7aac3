import { z } from 'zod'
import { type Served, Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'
import { type Item, listText, type Take } from './list-text.ts'
import { collectionPath } from './paths.ts'
import { draft } from './text/draft.ts'
import { recordAt } from './text/record.ts'

/** One page of a list, as far as all who ask for one demand; `items` as the API gave them. */
export const ListPage = z.object({
  kind: z.string().optional(),
  apiVersion: z.string().optional(),
  metadata: z
    .object({ resourceVersion: z.string().default(''), continue: z.string().optional() })
    .default({ resourceVersion: '' }),
  // The API says null for a list without items.
  items: z.array(z.unknown()).nullish(),
})

/** A list of more pages has no end: 250,000 objects also where pages are at their smallest. */
export const MOST_PAGES = 10_000

/** One page of a kind's list. */
export type Page<Items extends Iterable<unknown> = readonly unknown[]> = {
  readonly resourceVersion: string
  readonly items: Items
  /** What the next page is asked with; undefined: this is the last. */
  readonly continue: string | undefined
}

type Query = { readonly limit?: number; readonly continue?: string | undefined; readonly fieldSelector?: string }

/**
 * One page of a kind's list, and nothing that could be taken for one: of an empty list all objects of a kind would be gone.
 * @throws Unavailable, also if the answer is no list of this kind; Refused, Gone, Expired, TooLarge
 */
export const pageOf = async (client: KubernetesClient, served: Served, query: Query, signal?: AbortSignal): Promise<Page> => {
  const { fieldSelector } = served.kind
  const answer = await client.request('GET', collectionPath(served), { query: { fieldSelector, ...query }, signal })
  return listIn(served, query, answer)
}

/** The same page with its items read one by one, as they are taken; what can't be parsed throws Unavailable only then. */
export type LazyPage = Page<Iterable<Item>>

/** The same page, for many large objects of which little is kept. @throws as pageOf */
export const lazyPageOf = async (
  client: KubernetesClient,
  served: Served,
  query: Query,
  signal: AbortSignal,
): Promise<LazyPage> => {
  const path = collectionPath(served)
  const { fieldSelector } = served.kind
  const bytes = await client.bytes(path, { query: { fieldSelector, ...query }, signal })
  const text = listText(bytes, takerOf(served))
  if (!text) {
    const page = listIn(served, query, jsonIn(path, bytes))
    return { ...page, items: page.items.map((raw) => ({ raw })) }
  }
  return { ...listIn(served, query, { ...text.head, items: [] }), items: freeing(bytes, parsing(path, text.items)) }
}

const takerOf = ({ kind }: Served): Take | undefined => {
  if (kind.record !== 'slim' || kind.keeps !== undefined) return undefined
  const into = draft()
  return (text, from) => recordAt(kind, text, from, into)
}

const listIn = (served: Served, query: Query, answer: unknown): Page => {
  const what = `GET ${collectionPath(served)}`
  const page = ListPage.safeParse(answer)
  if (!page.success) throw new Unavailable(`${what}: the answer is no list: ${page.error.message}`)
  const { kind, apiVersion, metadata, items } = page.data
  if (kind !== `${served.kind.kind}List` || (apiVersion !== undefined && apiVersion !== apiVersionOf(served)))
    throw new Unavailable(
      `${what}: the answer is ${named(apiVersion, kind)}, no ${served.kind.kind}List of ${apiVersionOf(served)}`,
    )
  if (items === undefined) throw new Unavailable(`${what}: the answer is a list without its items`)
  const next = metadata.continue || undefined
  if (next !== undefined && next === query.continue) throw new Unavailable(`${what}: a page of the list leads to itself`)
  return { resourceVersion: metadata.resourceVersion, items: items ?? [], continue: next }
}

export const apiVersionOf = ({ kind: { group }, version }: Served): string => (group === '' ? version : `${group}/${version}`)

const named = (apiVersion = '', kind = 'an object without a kind'): string => `${apiVersion} ${kind}`.trim().slice(0, 100)

const LARGE_BYTES = 2 ** 20
/** What was read gives its memory back at once: left to the garbage collector, some twenty pages of 3 MB wait for it. */
const freeing = function* <T>(bytes: Buffer, items: Iterable<T>): Generator<T> {
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

const parsing = function* <T>(path: string, items: Iterable<T>): Generator<T> {
  try {
    yield* items
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new Unavailable(`GET ${path}: the answer is not JSON: ${error.message}`, { cause: error })
  }
}
