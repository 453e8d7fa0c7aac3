import { setTimeout as sleep } from 'node:timers/promises'
import type { Kind } from '../../events/kinds.ts'
import { Gone, type Served, Unavailable } from '../../ports.ts'
import type { KubernetesClient } from './client.ts'
import { Expired } from './failure.ts'
import { MOST_PAGES, type Page, pageOf } from './pages.ts'
import { collectionPath } from './paths.ts'

const PAGE = 500
const TRIES = 3
const PAUSE_MS = 500

/** Objects as the API gave them, and the version it was asked for. */
export type Listed = { readonly version: string; readonly items: readonly unknown[] }

/**
 * Every object of a kind, page by page and none twice, at the first of its versions that is served. Nothing but `list` is
 * asked for. A list that takes longer than the server remembers (410) begins anew, and what was listed is left out.
 * @throws Gone if no version is served; Refused; Unavailable after three tries
 */
export const listed = async function* (client: KubernetesClient, kind: Kind, signal: AbortSignal): AsyncGenerator<Listed> {
  const seen = new Set<string>()
  for (const version of kind.versions)
    try {
      for await (const items of pages(client, { kind, version }, signal))
        yield { version, items: items.filter((item) => isNew(seen, item)) }
      return
    } catch (error) {
      if (!(error instanceof Gone) || version === kind.versions.at(-1)) throw error
    }
}

const isNew = (seen: Set<string>, item: unknown): boolean => {
  const uid = (item as { readonly metadata?: { readonly uid?: unknown } | null } | null)?.metadata?.uid
  if (typeof uid !== 'string') return true
  if (seen.has(uid)) return false
  seen.add(uid)
  return true
}

const pages = async function* (client: KubernetesClient, served: Served, signal: AbortSignal) {
  let [token, expiries]: [string | undefined, number] = [undefined, 0]
  for (let read = 0; read < MOST_PAGES; read++)
    try {
      const page = await patiently(client, served, token, signal)
      yield page.items
      token = page.continue
      if (token === undefined) return
    } catch (error) {
      if (!(error instanceof Expired) || ++expiries === TRIES) throw error
      token = undefined
    }
  throw new Unavailable(`GET ${collectionPath(served)}: a list without an end`)
}

const patiently = async (
  client: KubernetesClient,
  served: Served,
  token: string | undefined,
  signal: AbortSignal,
): Promise<Page> => {
  for (let tried = 1; ; tried++)
    try {
      return await pageOf(client, served, { limit: PAGE, ...(token !== undefined && { continue: token }) }, signal)
    } catch (error) {
      if (!(error instanceof Unavailable) || error instanceof Expired || tried === TRIES) throw error
      await sleep(Math.max(PAUSE_MS * tried, error.retryAfterMs ?? 0), undefined, { signal })
    }
}
