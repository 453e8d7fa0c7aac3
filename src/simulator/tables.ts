import type { Evicted, Head, Told, Written } from './log.ts'
import type { ApiObject, Kinds, ResourceName } from './objects.ts'
import { keyOfObject, resourceNames } from './objects.ts'

type ChangeOf<Resource extends ResourceName> = {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly resource: Resource
  readonly object: Kinds[Resource]
  readonly previous: Kinds[Resource] | undefined
  readonly resourceVersion: number
}
export type Change = { readonly [Resource in ResourceName]: ChangeOf<Resource> }[ResourceName]

export type Tables = { readonly [Resource in ResourceName]: Map<string, Kinds[Resource]> }
export const emptyTables = (): Tables => ({
  nodes: new Map(),
  namespaces: new Map(),
  pods: new Map(),
  deployments: new Map(),
  replicasets: new Map(),
  daemonsets: new Map(),
  poddisruptionbudgets: new Map(),
  leases: new Map(),
  configmaps: new Map(),
  events: new Map(),
})

// Here, and in `apply`, a resource's name and the type of its objects are joined without proof.
const tableOf = (tables: Tables, resource: ResourceName): Map<string, ApiObject> => tables[resource] as Map<string, ApiObject>

/** Makes the write true, and says what changed by it. */
export const apply = (tables: Tables, { type, resource, object, resourceVersion }: Written): Change => {
  const table = tableOf(tables, resource)
  const key = keyOfObject(object)
  const previous = table.get(key)
  if (type === 'DELETED') table.delete(key)
  else table.set(key, object)
  return { type, resource, object, previous, resourceVersion } as Change
}

/** The state as a log without writes. */
export const frozen = (tables: Tables, head: Head, audit: readonly Evicted[]): Told => ({
  head,
  objects: resourceNames.flatMap((resource) =>
    [...tables[resource].values()].map((object): readonly [ResourceName, ApiObject] => [resource, object]),
  ),
  audit: [...audit],
  written: [],
})

/**
 * Folds a log. `told` is the same world, its writes shortened to the last `historyLength`: what the compacted log holds
 * and what a watch may still ask for.
 */
export const unfold = (log: Told, historyLength: number): { tables: Tables; told: Told; history: Change[]; audit: Evicted[] } => {
  const tables = emptyTables()
  for (const [resource, object] of log.objects) tableOf(tables, resource).set(keyOfObject(object), object)
  const audit = [...log.audit]
  const split = Math.max(0, log.written.length - historyLength)
  const replay = (writes: readonly Written[]): Change[] => {
    for (const { evicted } of writes) if (evicted) audit.push(evicted)
    return writes.map((written) => apply(tables, written))
  }
  replay(log.written.slice(0, split))
  const resourceVersion = log.written[split - 1]?.resourceVersion ?? log.head.resourceVersion
  const base = frozen(tables, { ...log.head, resourceVersion }, audit)
  const written = log.written.slice(split)
  return { tables, told: { ...base, written }, history: replay(written), audit }
}
