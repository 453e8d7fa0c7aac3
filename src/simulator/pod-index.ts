import type { PodObject } from './objects.ts'
import { controllerUid, keyOfObject } from './objects.ts'
import type { Store } from './store.ts'

type Group = ReadonlyMap<string, PodObject>
/** The pods by what they are most often asked for by. */
export type PodIndex = {
  on(node: string): Iterable<PodObject>
  of(controllerUid: string): Iterable<PodObject>
  within(namespace: string): Iterable<PodObject>
}

/** Follows the store from now on. Subscribe nothing that reads the index before it is made. */
export const podIndex = (store: Store): PodIndex => {
  const byNode = new Map<string, Map<string, PodObject>>()
  const byOwner = new Map<string, Map<string, PodObject>>()
  const byNamespace = new Map<string, Map<string, PodObject>>()
  const places = (pod: PodObject): readonly (readonly [Map<string, Map<string, PodObject>>, string | undefined])[] => [
    [byNode, pod.spec.nodeName],
    [byOwner, controllerUid(pod)],
    [byNamespace, pod.metadata.namespace],
  ]
  const drop = (pod: PodObject): void => {
    for (const [groups, name] of places(pod)) if (name !== undefined) removeFrom(groups, name, keyOfObject(pod))
  }
  const put = (pod: PodObject): void => {
    for (const [groups, name] of places(pod)) if (name !== undefined) groupOf(groups, name).set(keyOfObject(pod), pod)
  }
  for (const pod of store.all('pods')) put(pod)
  store.subscribe((change) => {
    if (change.resource !== 'pods') return
    const { previous, object, type } = change
    if (previous && (type === 'DELETED' || moved(previous, object))) drop(previous)
    if (type !== 'DELETED') put(object)
  })
  return {
    on: (node) => membersOf(byNode, node),
    of: (uid) => membersOf(byOwner, uid),
    within: (namespace) => membersOf(byNamespace, namespace),
  }
}

const moved = (before: PodObject, after: PodObject): boolean =>
  before.spec.nodeName !== after.spec.nodeName || controllerUid(before) !== controllerUid(after)
const membersOf = (groups: ReadonlyMap<string, Group>, name: string): Iterable<PodObject> => groups.get(name)?.values() ?? []
const groupOf = (groups: Map<string, Map<string, PodObject>>, name: string): Map<string, PodObject> => {
  const group = groups.get(name) ?? new Map<string, PodObject>()
  groups.set(name, group)
  return group
}
const removeFrom = (groups: Map<string, Map<string, PodObject>>, name: string, key: string): void => {
  const group = groups.get(name)
  group?.delete(key)
  if (group?.size === 0) groups.delete(name)
}
