import { type ObjectRecord, type ReflectorListener, type Served, Unavailable } from '../../ports.ts'
import { TooLarge } from './answers.ts'
import type { KubernetesClient } from './client.ts'
import type { Item } from './list-text.ts'
import { type LazyPage, lazyPageOf, MOST_PAGES } from './pages.ts'
import { collectionPath } from './paths.ts'
import { isBefore, leaveOut, type Place, turn } from './place.ts'
import type { Malformed } from './projection.ts'
import { isKept, recordOf, written } from './records.ts'

/** Objects of one page of a list. */
export const PAGE = 500
/** Of the largest objects that etcd keeps (1.5 MB) so many are always taken. */
const PAGE_OF_LARGEST = 40
/** Objects projected in one go: a few milliseconds. */
const SLICE = 100

type Means = {
  readonly client: KubernetesClient
  readonly served: Served
  readonly listener: ReflectorListener
  readonly signal: AbortSignal
  readonly pageSize: () => number
}
/** What the pages so far said. */
type Told = { readonly names: Set<string>; readonly leftOut: string[]; version: string | undefined; pages: number }

/**
 * Tells every object of a kind, from `listing` to the version at which that is all.
 * @throws Unavailable also when the pages are not those of one list
 */
export const listAll = async (means: Means, place: Place): Promise<string> => {
  await means.listener.listing()
  try {
    return await allPages(means, place)
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error
    await means.listener.listing()
    return await allPages({ ...means, pageSize: () => Math.min(PAGE_OF_LARGEST, means.pageSize()) }, place)
  }
}

const allPages = async (means: Means, place: Place): Promise<string> => {
  const { client, served, pageSize, signal } = means
  const told: Told = { names: new Set(), leftOut: [], version: undefined, pages: 0 }
  let next: Promise<LazyPage> | undefined = lazyPageOf(client, served, { limit: pageSize() }, signal)
  while (next !== undefined) {
    const page: LazyPage = await next
    const limit = pageSize()
    const after = (): typeof next =>
      page.continue === undefined ? undefined : lazyPageOf(client, served, { limit, continue: page.continue }, signal)
    check(served, told, page)
    if (told.pages === 1 && isBefore(page.resourceVersion, place.reached)) await means.listener.listing(true)
    // The server makes the next page while the listener takes this one, unless there is no memory for two.
    next = limit < PAGE ? undefined : after()
    next?.catch(() => {}) // it is awaited above, unless the listener throws first
    await turn(place)
    await tell(means, page.items, told, place)
    next ??= after()
  }
  const version = told.version ?? ''
  await means.listener.listed(version)
  leaveOut(place, told.leftOut, 'whole')
  return version
}

// Pages are followed from the first version on. One from before it may hold what is no more, and no watch would tell.
const check = (served: Served, told: Told, { resourceVersion }: LazyPage): void => {
  const path = collectionPath(served)
  told.version ??= resourceVersion
  told.pages += 1
  if (resourceVersion === '') throw new Unavailable(`GET ${path}: a list without a resourceVersion`)
  if (isBefore(resourceVersion, told.version))
    throw new Unavailable(`GET ${path}: a page of version ${resourceVersion} in a list of version ${told.version}`)
  if (told.pages > MOST_PAGES) throw new Unavailable(`GET ${path}: a list without an end`)
}

const tell = async ({ served, listener }: Means, items: Iterable<Item>, told: Told, place: Place): Promise<void> => {
  let records: ObjectRecord[] = []
  for (const item of items) {
    const read = readFrom(served, item)
    if (read === undefined) continue
    if ('malformed' in read) {
      told.leftOut.push(read.malformed)
      await listener.malformed(read.malformed, read.at)
    } else if (records.push(once(served, told, read)) === SLICE) {
      await listener.page(records)
      records = []
      await turn(place)
    }
  }
  if (records.length > 0) await listener.page(records)
  await turn(place)
}

/** @returns undefined for what has no place in the picture of its kind */
const readFrom = (served: Served, item: Item): ObjectRecord | Malformed | undefined => {
  if ('record' in item) return item.record
  if (!isKept(served, item.raw)) return undefined
  const read = recordOf(served, item.raw)
  return 'malformed' in read ? read : written(read.object)
}

// Of two versions of one object nobody could say which is the newer.
const once = (served: Served, { names }: Told, record: ObjectRecord): ObjectRecord => {
  const { namespace = '', name } = record.metadata
  const key = `${namespace}/${name}`
  if (names.has(key)) throw new Unavailable(`GET ${collectionPath(served)}: ${key} is twice in one list: its pages overlap`)
  names.add(key)
  return record
}
