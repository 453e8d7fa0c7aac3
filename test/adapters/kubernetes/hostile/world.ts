import { recordOf } from '../../../../src/adapters/kubernetes/records.ts'
import { catalogue, type Kind } from '../../../../src/events/kinds.ts'
import type { Served } from '../../../../src/ports.ts'
import type { Random } from '../../../simulation/random.ts'

// A small cluster that changes, and remembers everything that was ever true of it.

export type Raw = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid: string
    readonly resourceVersion: string
    readonly labels: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}
export type RawEvent = { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: Raw }
export type RawPage = {
  readonly kind: string
  readonly apiVersion: string
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string }
  readonly items: readonly Raw[]
}
type Token = { readonly version: number; readonly after: number }
const tokenIn = (text: string): Token | undefined => {
  const [, version, after] = /^(\d+)\/(\d+)$/.exec(text) ?? []
  return after === undefined ? undefined : { version: Number(version), after: Number(after) }
}

const servedNamed = (name: string): Served => {
  const kind = catalogue().find((each) => each.name === name)
  if (!kind) throw new Error(`the catalogue has no ${name}`)
  return { kind, version: kind.versions[0] ?? '' }
}

const keyOf = ({ metadata: { namespace = '', name } }: Pick<Raw, 'metadata'>): string => `${namespace}/${name}`
/** A record in one form, whatever the order of its fields. */
export const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )

export type World = ReturnType<typeof createWorld>

/** @param sizes objects of each kind at the start, by the kind's name */
export const createWorld = (random: Random, sizes: Readonly<Record<string, number>>) => {
  const served = new Map(Object.keys(sizes).map((name) => [name, servedNamed(name)]))
  const objects = new Map([...served.keys()].map((name) => [name, new Map<string, Raw>()]))
  const log = new Map<string, RawEvent[]>([...served.keys()].map((name) => [name, []]))
  const lists = new Map<string, readonly Raw[]>()
  const truths = new Set<string>()
  const removed = new Set<string>()
  const waiting = new Set<() => void>()
  let [revision, oldest, made] = [1_000, 1_000, 0]

  const of = <T>(map: ReadonlyMap<string, T>, name: string): T => {
    const found = map.get(name)
    if (found === undefined) throw new Error(`the world has no ${name}`)
    return found
  }
  const note = (name: string, type: RawEvent['type'], object: Raw): void => {
    of(log, name).push({ type, object })
    if (type === 'DELETED') removed.add(`${name} ${object.metadata.uid}`)
    else truths.add(`${name} ${textOf(record(of(served, name), object))}`)
    for (const wake of waiting) wake()
  }
  const put = (name: string, metadata: Omit<Raw['metadata'], 'resourceVersion'>, type: 'ADDED' | 'MODIFIED'): void => {
    revision += 1
    const object = rawOf(of(served, name), { ...metadata, resourceVersion: String(revision) }, random)
    of(objects, name).set(keyOf(object), object)
    note(name, type, object)
  }
  const add = (name: string, at?: string): void => {
    const { kind } = of(served, name)
    made += 1
    const uid = `uid-${made}`
    put(
      name,
      { name: at ?? `${kind.resource}-${made}`, ...(kind.namespaced && { namespace: 'shop' }), uid, labels: labels(random) },
      'ADDED',
    )
  }
  const remove = (name: string, object: Raw): void => {
    revision += 1
    of(objects, name).delete(keyOf(object))
    note(name, 'DELETED', { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } })
  }
  /** One thing happens to one object of the kind. */
  const change = (name: string): void => {
    const one = random.any([...of(objects, name).values()])
    const what = random.below(10)
    if (one === undefined || what < 3) add(name)
    else if (what < 7) put(name, { ...one.metadata, labels: labels(random) }, 'MODIFIED')
    else {
      remove(name, one)
      if (what === 9) add(name, one.metadata.name) // another one of the same name
    }
  }
  for (const [name, size] of Object.entries(sizes)) for (let count = 0; count < size; count++) add(name)
  oldest = revision

  return {
    served: [...served.values()],
    change,
    add,
    changeAny: (): void => change(random.any([...served.keys()]) ?? ''),
    revision: (): number => revision,
    /** What a watch from before now can not be told any more. */
    compact: (): void => {
      oldest = revision
      lists.clear()
    },
    /** The objects of now at a version that was before, as after a backup was restored. */
    restore: (name: string): void => {
      for (const events of log.values()) events.length = 0
      revision -= 10
      oldest = revision
      for (const object of of(objects, name).values()) put(name, { ...object.metadata, labels: labels(random) }, 'MODIFIED')
    },
    objects: (name: string): readonly Raw[] => [...of(objects, name).values()],
    record: (name: string, raw: unknown) => recordOf(of(served, name), raw),
    wasTrue: (name: string, object: unknown): boolean => truths.has(`${name} ${textOf(object)}`),
    wasRemoved: (name: string, uid: string): boolean => removed.has(`${name} ${uid}`),
    truth: (name: string): Readonly<Record<string, string>> =>
      Object.fromEntries([...of(objects, name)].map(([key, raw]) => [key, textOf(record(of(served, name), raw))])),
    /** A page of a list; undefined: its token is too old. */
    page: (name: string, limit: number, token: string | null): RawPage | undefined => {
      const { kind, version } = of(served, name)
      const from = token === null ? { version: revision, after: 0 } : tokenIn(token)
      const all = token === null ? [...of(objects, name).values()] : lists.get(`${name} ${from?.version}`)
      if (all === undefined || from === undefined) return undefined
      lists.set(`${name} ${from.version}`, all)
      const end = limit > 0 ? from.after + limit : all.length
      const rest = end < all.length ? { continue: `${from.version}/${end}` } : {}
      return {
        kind: `${kind.kind}List`,
        apiVersion: kind.group === '' ? version : `${kind.group}/${version}`,
        metadata: { resourceVersion: String(from.version), ...rest },
        items: all.slice(from.after, end),
      }
    },
    /** What happened to a kind after a version; undefined: that is not known any more. */
    after: (name: string, version: number): readonly RawEvent[] | undefined =>
      version < oldest ? undefined : of(log, name).filter(({ object }) => Number(object.metadata.resourceVersion) > version),
    /** Runs for every event until it is given back. */
    onEvent: (wake: () => void): (() => void) => {
      waiting.add(wake)
      return () => void waiting.delete(wake)
    },
  }
}

const record = (served: Served, raw: Raw): unknown => {
  const result = recordOf(served, raw)
  if ('malformed' in result) throw new Error(`the world is malformed: ${result.malformed}`)
  return result.object
}

const labels = (random: Random): Record<string, string> => ({
  app: ['web', 'db', 'queue'][random.below(3)] ?? 'web',
  turn: String(random.below(1_000_000)),
})

const rawOf = ({ kind, version }: Served, metadata: Raw['metadata'], random: Random): Raw => ({
  apiVersion: kind.group === '' ? version : `${kind.group}/${version}`,
  kind: kind.kind,
  metadata,
  ...insideOf(kind, random),
})

const insideOf = ({ kind }: Kind, random: Random): object => {
  if (kind === 'Pod')
    return {
      spec: {
        nodeName: `n${random.below(3)}`,
        containers: [{ name: 'main', resources: { requests: { cpu: `${random.below(900)}m` } } }],
      },
      status: { phase: 'Running' },
    }
  if (kind === 'Node') return { spec: {}, status: { allocatable: { cpu: String(random.below(64)), memory: '8Gi' } } }
  if (kind === 'Service') return { spec: { type: 'ClusterIP', selector: { app: 'web' } } }
  return { spec: { replicas: random.below(9) } }
}
