import type { Guard, ObjectRule } from '../../events/guard.ts'
import { type Account, type GrantRule, granted, serviceAccount } from './grants.ts'

/** Whom Patch, Create and Delete are sent as. */
export const OBJECTS_ACCOUNT = 'quartermaster-objects'

type Place = {
  /** Where Quartermaster runs. */
  readonly namespace: string
  /** As whom. */
  readonly serviceAccount: string
}
/** What each verb asks of Kubernetes: a Create of what exists reads and patches it. Kubernetes can't limit `create` by name. */
const asked: Readonly<Record<ObjectRule['verbs'][number], readonly string[]>> = {
  Patch: ['get', 'patch'],
  Create: ['get', 'patch'],
  Delete: ['get', 'delete'],
}
const rulesOf = ({ verbs, group, resource, names }: ObjectRule): readonly GrantRule[] => {
  const on = { apiGroups: [group], resources: [resource] }
  const named = [...new Set(verbs.flatMap((verb) => asked[verb]))].toSorted()
  return [
    { ...on, verbs: named, ...(names && { resourceNames: names }) },
    ...(verbs.includes('Create') ? [{ ...on, verbs: ['create'] }] : []),
  ]
}

/** Everywhere, or for what has no namespace: both need a ClusterRole. */
const isClusterWide = ({ namespaces }: ObjectRule): boolean => namespaces === undefined || namespaces[0] === '*'

/** Pure: who may ask for its tokens, and nobody else. */
const tokens = ({ namespace, serviceAccount: name }: Place): readonly object[] =>
  granted({
    name: `${OBJECTS_ACCOUNT}-tokens`,
    within: namespace,
    rules: [{ apiGroups: [''], resources: ['serviceaccounts/token'], resourceNames: [OBJECTS_ACCOUNT], verbs: ['create'] }],
    to: { name, namespace },
  })

/**
 * Pure: the service account that a guard's list of objects makes, with exactly the rights in it. None is made of an empty
 * list.
 */
export const guardAccount = ({ objects }: Guard, place: Place): readonly object[] => {
  if (objects.length === 0) return []
  const wide = objects.filter(isClusterWide).flatMap(rulesOf)
  const local = objects.filter((rule) => !isClusterWide(rule))
  const to: Account = { name: OBJECTS_ACCOUNT, namespace: place.namespace }
  const spaces = [...new Set(local.flatMap(({ namespaces = [] }) => [...namespaces]))].toSorted()
  return [
    serviceAccount(to),
    ...tokens(place),
    ...granted({ name: OBJECTS_ACCOUNT, rules: wide, to }),
    ...spaces.flatMap((within) => {
      const rules = local.filter(({ namespaces = [] }) => isIn(namespaces, within)).flatMap(rulesOf)
      return granted({ name: OBJECTS_ACCOUNT, within, rules, to })
    }),
  ]
}
const isIn = (namespaces: readonly string[], space: string): boolean => namespaces.includes(space)
