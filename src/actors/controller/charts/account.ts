import type { ChartPolicy } from '../../../events/charts.ts'
import { hasForm } from '../../../events/pattern.ts'
import { type Account, type GrantRule, granted, serviceAccount } from '../grants.ts'
import { reviewPowers } from './effects.ts'

type Place = {
  /** The account that Helm acts as. */
  readonly account: Account
  /** The account that Quartermaster runs as. */
  readonly own: Account
  /** Namespaces of releases. */
  readonly spaces: readonly string[] | 'all'
}

const CHANGING = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch']
/** Of no one object: Helm lists and watches a kind to wait for what it made, and what is made has no name yet. */
const UNNAMED = ['create', 'list', 'watch']
const RBAC = 'rbac.authorization.k8s.io'
const resources: Readonly<Record<string, string>> = {
  Role: 'roles',
  RoleBinding: 'rolebindings',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
}

const changing = (group: string, plural: readonly string[]): GrantRule => ({
  apiGroups: [group],
  resources: plural,
  verbs: CHANGING,
})

/**
 * What a pattern of the policy's `rbac` lets be changed: by its name, if it names one. Neither `escalate` nor `bind` is given: what the account may not do itself it can give nobody.
 */
const rbacRules = (pattern: string): readonly GrantRule[] => {
  const [kind = '', ...path] = pattern.split('/')
  const resource = resources[kind]
  const name = path.at(-1) ?? '*'
  if (resource === undefined) return []
  if (name.includes('*')) return [changing(RBAC, [resource])]
  const on = { apiGroups: [RBAC], resources: [resource] }
  return [
    { ...on, resourceNames: [name], verbs: CHANGING.filter((verb) => !UNNAMED.includes(verb)) },
    { ...on, verbs: UNNAMED },
  ]
}
/** The namespace in `Role/NAMESPACE/NAME`; undefined: it has none. */
const spaceOf = (pattern: string): string | undefined => {
  const [, space, name] = pattern.split('/')
  return name === undefined ? undefined : space
}

/**
 * Pure: the account that Helm acts as, with the rights that the policy lists and no others; and for Quartermaster's own
 * account the right to act in its name, and what the review of a chart reads.
 */
export const chartAccount = ({ objects, rbac }: ChartPolicy, { account, own, spaces }: Place): readonly object[] => {
  const { name } = account
  const usual = objects.map(({ group, resources: plural }) => changing(group, plural))
  // Helm keeps its revisions in Secrets, whatever a chart is made of.
  const basis = [...usual, changing('', ['secrets'])]
  const wide = rbac.filter((pattern) => spaceOf(pattern) === undefined).flatMap(rbacRules)
  const local = rbac.filter((pattern) => spaceOf(pattern) !== undefined)
  const named = local.flatMap((pattern) => spaceOf(pattern) ?? []).filter((space) => !space.includes('*'))
  const open = local.filter((pattern) => spaceOf(pattern)?.includes('*'))
  const places = [...new Set([...(spaces === 'all' ? [] : spaces), ...named])].toSorted()
  const isRelease = (space: string): boolean => spaces !== 'all' && spaces.includes(space)
  const inside = (space: string): readonly GrantRule[] =>
    local
      .filter((pattern) => spaceOf(pattern) === space || (isRelease(space) && hasForm(spaceOf(pattern) ?? '', space)))
      .flatMap(rbacRules)
  return [
    serviceAccount(account),
    ...granted({ name, rules: [...wide, ...(spaces === 'all' ? [...basis, ...open.flatMap(rbacRules)] : [])], to: account }),
    ...places.flatMap((within) => {
      const rules = [...(isRelease(within) ? basis : []), ...inside(within)]
      return granted({ name, within, rules, to: account })
    }),
    ...granted({
      name: `${name}-impersonation`,
      within: account.namespace,
      rules: [{ apiGroups: [''], resources: ['serviceaccounts'], resourceNames: [name], verbs: ['impersonate'] }],
      to: own,
    }),
    ...granted({
      name: `${name}-review`,
      rules: reviewPowers.map(({ verb, group, resource }) => ({ apiGroups: [group], resources: [resource], verbs: [verb] })),
      to: own,
    }),
  ]
}
