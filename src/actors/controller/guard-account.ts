import type { Guard, ObjectRule } from '../../events/guard.ts'

/** Whom Patch, Create and Delete are sent as. */
export const OBJECTS_ACCOUNT = 'quartermaster-objects'

type Place = {
  /** Where Quartermaster runs. */
  readonly namespace: string
  /** As whom. */
  readonly serviceAccount: string
}
type PolicyRule = {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  readonly resourceNames?: readonly string[]
}
const RBAC = 'rbac.authorization.k8s.io'

/** What each verb asks of Kubernetes: a Create of what exists reads and patches it. Kubernetes can't limit `create` by name. */
const asked: Readonly<Record<ObjectRule['verbs'][number], readonly string[]>> = {
  Patch: ['get', 'patch'],
  Create: ['get', 'patch'],
  Delete: ['get', 'delete'],
}
const rulesOf = ({ verbs, group, resource, names }: ObjectRule): readonly PolicyRule[] => {
  const on = { apiGroups: [group], resources: [resource] }
  const named = [...new Set(verbs.flatMap((verb) => asked[verb]))].toSorted()
  return [
    { ...on, verbs: named, ...(names && { resourceNames: names }) },
    ...(verbs.includes('Create') ? [{ ...on, verbs: ['create'] }] : []),
  ]
}

/** Everywhere, or for what has no namespace: both need a ClusterRole. */
const isClusterWide = ({ namespaces }: ObjectRule): boolean => namespaces === undefined || namespaces[0] === '*'

const bound = (
  kind: 'Role' | 'ClusterRole',
  rules: readonly PolicyRule[],
  { namespace }: Place,
  within?: string,
): readonly object[] => {
  const metadata = { name: OBJECTS_ACCOUNT, ...(within !== undefined && { namespace: within }) }
  const subjects = [{ kind: 'ServiceAccount', name: OBJECTS_ACCOUNT, namespace }]
  return [
    { apiVersion: `${RBAC}/v1`, kind, metadata, rules },
    {
      apiVersion: `${RBAC}/v1`,
      kind: `${kind}Binding`,
      metadata,
      roleRef: { apiGroup: RBAC, kind, name: OBJECTS_ACCOUNT },
      subjects,
    },
  ]
}

/** Pure: who may ask for its tokens, and nobody else. */
const tokens = ({ namespace, serviceAccount }: Place): readonly object[] => {
  const metadata = { name: `${OBJECTS_ACCOUNT}-tokens`, namespace }
  const rules = [{ apiGroups: [''], resources: ['serviceaccounts/token'], resourceNames: [OBJECTS_ACCOUNT], verbs: ['create'] }]
  const subjects = [{ kind: 'ServiceAccount', name: serviceAccount, namespace }]
  return [
    { apiVersion: `${RBAC}/v1`, kind: 'Role', metadata, rules },
    {
      apiVersion: `${RBAC}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: RBAC, kind: 'Role', name: metadata.name },
      subjects,
    },
  ]
}

/**
 * Pure: the service account that a guard's list of objects makes, with exactly the rights in it. None is made of an empty
 * list.
 */
export const guardAccount = ({ objects }: Guard, place: Place): readonly object[] => {
  if (objects.length === 0) return []
  const wide = objects.filter(isClusterWide).flatMap(rulesOf)
  const local = objects.filter((rule) => !isClusterWide(rule))
  const spaces = [...new Set(local.flatMap(({ namespaces = [] }) => [...namespaces]))].toSorted()
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: OBJECTS_ACCOUNT, namespace: place.namespace } },
    ...tokens(place),
    ...(wide.length > 0 ? bound('ClusterRole', wide, place) : []),
    ...spaces.flatMap((space) =>
      bound('Role', local.filter(({ namespaces = [] }) => isIn(namespaces, space)).flatMap(rulesOf), place, space),
    ),
  ]
}
const isIn = (namespaces: readonly string[], space: string): boolean => namespaces.includes(space)
