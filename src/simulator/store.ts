import type { Clock } from './clock.ts'
import { timestamp } from './clock.ts'
import { alreadyExists, modified, notFound } from './failure.ts'
import type { Evicted, Log, Told, Written } from './log.ts'
import { readLog, startLog } from './log.ts'
import type { Kinds, ResourceName } from './objects.ts'
import { apiVersionOf, keyOf, kinds } from './objects.ts'
import { uidOf } from './random.ts'
import type { Change } from './tables.ts'
import { apply, emptyTables, frozen, unfold } from './tables.ts'
import { textOf } from './text.ts'

/** An object that is to be made: its uid, version and time are the store's to say. */
export type Draft<Resource extends ResourceName> = Omit<Kinds[Resource], 'metadata' | 'apiVersion' | 'kind'> & {
  readonly metadata: Omit<Kinds[Resource]['metadata'], 'uid' | 'resourceVersion'>
}

export type Store = {
  readonly seed: number
  /** The version of the last write, as etcd's revision: one count for all resources. */
  resourceVersion(): number
  get<Resource extends ResourceName>(resource: Resource, namespace: string | undefined, name: string): Kinds[Resource] | undefined
  all<Resource extends ResourceName>(resource: Resource): Iterable<Kinds[Resource]>
  count(resource: ResourceName): number
  /** In the order of etcd's keys: by namespace, then by name. */
  sorted<Resource extends ResourceName>(resource: Resource): readonly Kinds[Resource][]
  /** @throws ApiFailure 409 when the name is taken */
  create<Resource extends ResourceName>(resource: Resource, draft: Draft<Resource>): Kinds[Resource]
  /**
   * Puts the object in the place of the one it was made from; nothing happens when nothing changed.
   * @throws ApiFailure 404 when it is gone, 409 when it is not made from the last version
   */
  update<Resource extends ResourceName>(resource: Resource, object: Kinds[Resource], evicted?: Evicted): Kinds[Resource]
  /** The object as it was, with the version of its deletion. @throws ApiFailure 404 */
  remove<Resource extends ResourceName>(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    evicted?: Evicted,
  ): Kinds[Resource]
  /** What was written after this version, or undefined when that is no longer known. */
  since(resourceVersion: number): readonly Change[] | undefined
  /** The oldest version a watch may start from. */
  oldest(): number
  /** Forgets what was written so far, as a compaction of etcd does. */
  compact(): void
  subscribe(listener: (change: Change) => void): () => void
  /** Every eviction that was granted, in order, since the world began. */
  audit(): readonly Evicted[]
  close(): void
}

/** What is there to make a world's first objects with. */
export type Beginning = Pick<Store, 'create' | 'get' | 'seed' | 'resourceVersion'>

export type StoreOptions = {
  readonly folder?: string | undefined
  /** The world's name; a folder that holds another world is refused. */
  readonly world: string
  readonly seed: number
  readonly clock: Clock
  /** How many writes a watch may lie behind. */
  readonly historyLength?: number | undefined
  /** Makes the objects of a new world. */
  readonly begin: (store: Beginning) => void
}

const refuseOther = (told: Told, { folder, world, seed }: StoreOptions): Told => {
  if (told.head.world === world && told.head.seed === seed) return told
  const held = `${folder} holds the world ${told.head.world} with seed ${told.head.seed}`
  throw new Error(`${held}, not ${world} with seed ${seed}: name another folder, or remove it`)
}

/** Opens the world in the folder, or begins it; without a folder it lives in memory alone. */
export const openStore = (options: StoreOptions): Store => {
  const { folder, world, seed, clock, historyLength = 20_000 } = options
  const found = folder === undefined ? undefined : readLog(folder)
  const old = found && unfold(refuseOther(found, options), historyLength)
  const tables = old?.tables ?? emptyTables()
  const evictions = old?.audit ?? []
  const listeners = new Set<(change: Change) => void>()
  const order = new Map<ResourceName, readonly string[]>()
  let history = old?.history ?? []
  let oldest = old?.told.head.resourceVersion ?? 0
  let version = history.at(-1)?.resourceVersion ?? oldest
  let log: Log | undefined

  const write = (written: Written): void => {
    log?.append(written) // before anyone is told: what a client has seen must be there after a crash
    const change = apply(tables, written)
    version = written.resourceVersion
    if (written.type !== 'MODIFIED') order.delete(written.resource)
    if (written.evicted) evictions.push(written.evicted)
    history.push(change)
    if (history.length > historyLength * 1.5) forgetBefore(history.length - historyLength)
    for (const listener of listeners) listener(change)
  }
  const forgetBefore = (index: number): void => {
    oldest = history[index - 1]?.resourceVersion ?? version
    history = history.slice(index)
  }
  const current = <Resource extends ResourceName>(
    resource: Resource,
    namespace: string | undefined,
    name: string,
  ): Kinds[Resource] => {
    const object = tables[resource].get(keyOf(namespace, name))
    if (!object) throw notFound(kinds[resource], name)
    return object
  }
  const keysOf = (resource: ResourceName): readonly string[] => {
    const keys = order.get(resource) ?? [...tables[resource].keys()].sort()
    order.set(resource, keys)
    return keys
  }

  const store: Store = {
    seed,
    resourceVersion: () => version,
    get: (resource, namespace, name) => tables[resource].get(keyOf(namespace, name)),
    all: (resource) => tables[resource].values(),
    count: (resource) => tables[resource].size,
    sorted: (resource) => keysOf(resource).flatMap((key) => tables[resource].get(key) ?? []),
    create<Resource extends ResourceName>(resource: Resource, draft: Draft<Resource>) {
      const { name, namespace, creationTimestamp } = draft.metadata
      if (tables[resource].has(keyOf(namespace, name))) throw alreadyExists(kinds[resource], name)
      const object = {
        apiVersion: apiVersionOf(kinds[resource]),
        kind: kinds[resource].kind,
        ...draft,
        metadata: {
          ...draft.metadata,
          uid: uidOf(seed, version + 1),
          resourceVersion: String(version + 1),
          creationTimestamp: creationTimestamp ?? timestamp(clock.now()),
        },
      } as unknown as Kinds[Resource]
      write({ type: 'ADDED', resource, object, resourceVersion: version + 1 })
      return object
    },
    update(resource, object, evicted) {
      const { namespace, name, resourceVersion, uid } = object.metadata
      const before = current(resource, namespace, name)
      if (before.metadata.resourceVersion !== resourceVersion || before.metadata.uid !== uid)
        throw modified(kinds[resource], name)
      if (evicted === undefined && textOf(before) === textOf(object)) return before
      const next = { ...object, metadata: { ...object.metadata, resourceVersion: String(version + 1) } }
      write({ type: 'MODIFIED', resource, object: next, resourceVersion: version + 1, evicted })
      return next
    },
    remove(resource, namespace, name, evicted) {
      const before = current(resource, namespace, name)
      const last = { ...before, metadata: { ...before.metadata, resourceVersion: String(version + 1) } }
      write({ type: 'DELETED', resource, object: last, resourceVersion: version + 1, evicted })
      return last
    },
    since: (after) => (after < oldest ? undefined : history.slice(firstAfter(history, after))),
    oldest: () => oldest,
    compact: () => forgetBefore(history.length),
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    audit: () => evictions,
    close: () => log?.close(),
  }

  if (!old) {
    options.begin(store)
    store.compact() // a watch can't ask for the time before the world began
  }
  const told = old?.told ?? frozen(tables, { world, seed, resourceVersion: version }, [])
  if (folder !== undefined) log = startLog(folder, told)
  return store
}

const firstAfter = (history: readonly Change[], resourceVersion: number): number => {
  let low = 0
  let high = history.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((history[middle]?.resourceVersion ?? 0) <= resourceVersion) low = middle + 1
    else high = middle
  }
  return low
}
