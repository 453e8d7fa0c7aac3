import { ApiFailure, badRequest, expired } from '../failure.ts'
import type { ApiObject, ResourceName } from '../objects.ts'
import { keyOfObject } from '../objects.ts'
import type { Filter } from '../selector-text.ts'
import { fieldFilter, labelFilter } from '../selector-text.ts'
import type { World } from '../world.ts'
import type { Target } from './path.ts'
import { listTextOf, type Representation } from './representation.ts'

/** The filter that a request's namespace and selectors make, and whether it has selectors. @throws ApiFailure 400 */
export const filterOf = (
  { kind, namespace, name }: Target,
  query: URLSearchParams,
): { readonly keeps: Filter; readonly selects: boolean } => {
  const labels = query.get('labelSelector') ?? ''
  const fields = query.get('fieldSelector') ?? ''
  const checks: Filter[] = []
  if (namespace !== undefined) checks.push(({ metadata }) => metadata.namespace === namespace)
  if (name !== undefined) checks.push(({ metadata }) => metadata.name === name)
  if (labels !== '') checks.push(labelFilter(labels))
  if (fields !== '') checks.push(fieldFilter(kind.resource, fields))
  return { keeps: (object) => checks.every((check) => check(object)), selects: labels !== '' || fields !== '' }
}

export const versionIn = (query: URLSearchParams): number | undefined => {
  const text = query.get('resourceVersion') ?? ''
  if (text === '') return undefined
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(`resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`)
  return Number(text)
}

// A page that goes on with the list of an old version; -1 goes on with whatever is there now.
type Token = { readonly version: number; readonly after: string }
const write = (token: Token): string => Buffer.from(JSON.stringify(token)).toString('base64url')
const read = (text: string): Token => {
  try {
    const token: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (typeof token === 'object' && token !== null && 'version' in token && 'after' in token)
      return { version: Number(token.version), after: String(token.after) }
  } catch (error) {
    throw badRequest(`continue key is not valid: ${String(error)}`)
  }
  throw badRequest('continue key is not valid')
}

type Page = { readonly version: number; readonly objects: readonly ApiObject[]; readonly after: string | undefined }
export type Lists = { list(target: Target, query: URLSearchParams, form: Representation): string }
const KEPT_LISTS = 32
const TOO_OLD =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.'

/** Answers lists, page by page; the pages of one list all tell of the same moment. */
export const lists = (world: World): Lists => {
  const { store } = world
  const kept = new Map<string, readonly ApiObject[]>()
  const now = (resource: ResourceName): Page => ({
    version: store.resourceVersion(),
    objects: store.sorted(resource),
    after: undefined,
  })
  const keep = (resource: ResourceName, { version, objects }: Page): void => {
    kept.set(`${resource}/${version}`, objects)
    const [eldest] = kept.keys()
    if (kept.size > KEPT_LISTS && eldest !== undefined) kept.delete(eldest)
  }
  const resume = (resource: ResourceName, text: string): Page => {
    const { version, after } = read(text)
    if (version < 0) return { ...now(resource), after }
    const objects = kept.get(`${resource}/${version}`)
    if (!objects || version < store.oldest()) throw expired(TOO_OLD, write({ version: -1, after }))
    return { version, objects, after }
  }
  return {
    list(target, query, form) {
      const { kind } = target
      const { keeps, selects } = filterOf(target, query)
      const asked = versionIn(query)
      const token = query.get('continue') ?? ''
      if (token !== '' && asked !== undefined && asked > 0)
        throw badRequest('specifying resource version is not allowed when using continue')
      demandVersion(world, asked, query.get('resourceVersionMatch'))
      const page = token === '' ? now(kind.resource) : resume(kind.resource, token)
      const limit = asked === 0 ? 0 : limitIn(query)
      const all = quickly(world, target, query, page) ?? page.objects
      const found = all.filter((object) => (page.after === undefined || keyOfObject(object) > page.after) && keeps(object))
      const items = limit > 0 ? found.slice(0, limit) : found
      const last = items.at(-1)
      const resourceVersion = String(page.version)
      if (items.length === found.length || !last) return listTextOf(form, kind, { resourceVersion }, items)
      keep(kind.resource, page)
      const rest = { resourceVersion, continue: write({ version: page.version, after: keyOfObject(last) }) }
      const counted = { ...rest, remainingItemCount: found.length - items.length }
      return listTextOf(form, kind, selects ? rest : counted, items)
    },
  }
}

/** The pods of one node are asked for in every drain: the index answers without a look at every pod. */
const quickly = (
  { pods }: World,
  { kind }: Target,
  query: URLSearchParams,
  { after }: Page,
): readonly ApiObject[] | undefined => {
  const [, node] = /^spec\.nodeName==?([^,]+)$/.exec(query.get('fieldSelector') ?? '') ?? []
  if (kind.resource !== 'pods' || node === undefined || after !== undefined) return undefined
  return [...pods.on(node)].sort((one, other) => (keyOfObject(one) < keyOfObject(other) ? -1 : 1))
}

const limitIn = (query: URLSearchParams): number => {
  const text = query.get('limit') ?? '0'
  if (!/^\d{1,9}$/.test(text)) throw badRequest(`limit: Invalid value: "${text}": it is a number of items`)
  return Number(text)
}

const demandVersion = ({ store }: World, asked: number | undefined, match: string | null): void => {
  if (asked === undefined) return
  const current = store.resourceVersion()
  if (asked > current)
    throw new ApiFailure(504, 'Timeout', `Too large resource version: ${asked}, current: ${current}`, {
      retryAfterSeconds: 1,
      details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }], retryAfterSeconds: 1 },
    })
  // The store keeps no old states: the exact list of a version that has passed is as one that was compacted.
  if (match === 'Exact' && asked !== current) throw expired(`The resourceVersion for the provided list is too old.`)
}
