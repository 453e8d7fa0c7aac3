import type { ServerResponse } from 'node:http'
import { expired, invalid, statusOf } from '../failure.ts'
import type { ApiObject, Kind } from '../objects.ts'
import { apiVersionOf } from '../objects.ts'
import type { Filter } from '../selector-text.ts'
import type { Change } from '../tables.ts'
import type { World } from '../world.ts'
import type { ArmedFaults } from './faults.ts'
import { filterOf, versionIn } from './list.ts'
import type { Target } from './path.ts'
import { objectTextOf, type Representation } from './representation.ts'

const LONGEST_SECONDS = 1800
const MOST_UNREAD_BYTES = 64 * 1024 * 1024

/** What a watcher sees of the world: which objects, and how they are told. */
type View = { readonly keeps: Filter; readonly form: Representation }

const eventText = ({ form }: View, type: string, object: ApiObject): string =>
  `{"type":"${type}","object":${objectTextOf(form, object)}}\n`

/** What a change is to someone who sees only the objects that the filter keeps. */
const seen = ({ type, object, previous }: Change, view: View): string | undefined => {
  const { keeps } = view
  const [was, is] = [previous !== undefined && keeps(previous), type !== 'DELETED' && keeps(object)]
  if (is) return eventText(view, was ? 'MODIFIED' : 'ADDED', object)
  return was ? eventText(view, 'DELETED', object) : undefined
}

/** A bookmark's object is nearly empty: its version, and what the kind can't do without. */
const bookmarkText = (kind: Kind, version: number, isEndOfInitial: boolean): string => {
  const annotations = isEndOfInitial ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}
  const metadata = { resourceVersion: String(version), creationTimestamp: null, ...annotations }
  const rest = kind.resource === 'pods' ? { spec: { containers: null }, status: {} } : {}
  return `{"type":"BOOKMARK","object":${JSON.stringify({ kind: kind.kind, apiVersion: apiVersionOf(kind), metadata, ...rest })}}\n`
}

type Plan = { readonly first: readonly string[]; readonly ends: boolean; readonly from: number }

/** What a new watch is told at once: all there is, or what it missed. */
const opening = ({ store }: World, { kind }: Target, query: URLSearchParams, view: View): Plan => {
  const asked = versionIn(query)
  const now = store.resourceVersion()
  const wantsInitial = query.get('sendInitialEvents') === 'true'
  if (wantsInitial || asked === undefined || asked === 0) {
    const first = store
      .sorted(kind.resource)
      .filter(view.keeps)
      .map((object) => eventText(view, 'ADDED', object))
    const done = wantsInitial && query.get('allowWatchBookmarks') === 'true' ? [bookmarkText(kind, now, true)] : []
    return { first: query.get('sendInitialEvents') === 'false' ? [] : [...first, ...done], ends: false, from: now }
  }
  const missed = store.since(asked)
  if (!missed) {
    const gone = expired(`too old resource version: ${asked} (${store.oldest()})`)
    return { first: [`{"type":"ERROR","object":${JSON.stringify(statusOf(gone))}}\n`], ends: true, from: now }
  }
  const first = missed.flatMap((change) => (change.resource === kind.resource ? (seen(change, view) ?? []) : []))
  return { first, ends: false, from: Math.max(now, asked) }
}

const demandMatch = (query: URLSearchParams): void => {
  if (!query.has('sendInitialEvents') || query.get('resourceVersionMatch') === 'NotOlderThan') return
  const message = 'Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'
  throw invalid('ListOptions', 'meta.k8s.io', '', [{ reason: 'FieldValueForbidden', message, field: 'resourceVersionMatch' }])
}

/** Answers a watch until its time is over, the client leaves, or a fault breaks it. @throws ApiFailure before it begins */
export const watch = (
  world: World,
  faults: ArmedFaults,
  target: Target,
  query: URLSearchParams,
  form: Representation,
  response: ServerResponse,
): void => {
  demandMatch(query)
  const { kind } = target
  const view = { keeps: filterOf(target, query).keeps, form }
  const plan = opening(world, target, query, view)
  response.writeHead(200, { 'content-type': 'application/json' })
  response.flushHeaders()
  for (const text of plan.first) response.write(text)
  if (plan.ends) return void response.end()
  follow(world, faults, kind, query, response, (change) =>
    change.resource === kind.resource && change.resourceVersion > plan.from ? seen(change, view) : undefined,
  )
}

const follow = (
  { store, clock, timings }: World,
  faults: ArmedFaults,
  kind: Kind,
  query: URLSearchParams,
  response: ServerResponse,
  tell: (change: Change) => string | undefined,
): void => {
  const stops: (() => void)[] = []
  const send = (text: string): void => {
    response.write(text)
    if (response.writableLength > MOST_UNREAD_BYTES) response.destroy() // as the real one, which drops who reads too slowly
  }
  const bookmark = (): void => {
    send(bookmarkText(kind, store.resourceVersion(), false))
    cancel = clock.after(timings.bookmarkMs, bookmark)
  }
  let cancel = query.get('allowWatchBookmarks') === 'true' ? clock.after(timings.bookmarkMs, bookmark) : () => undefined
  stops.push(() => cancel())
  stops.push(
    store.subscribe((change) => {
      const text = tell(change)
      if (text !== undefined) send(text)
    }),
  )
  stops.push(faults.onDrop(() => response.destroy()))
  const seconds = Number(query.get('timeoutSeconds') ?? LONGEST_SECONDS) || LONGEST_SECONDS
  stops.push(clock.after(seconds * 1000, () => response.end()))
  const leave = (): void => {
    for (const stop of stops) stop()
  }
  response.on('close', leave)
  if (response.destroyed) leave() // the client left while its request waited: there is no more event of that
}
