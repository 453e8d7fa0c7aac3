/** A rule of RBAC. */
export type GrantRule = {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  readonly resourceNames?: readonly string[]
}
export type Account = { readonly namespace: string; readonly name: string }
type Grant = {
  /** Of the role and of its binding. */
  readonly name: string
  /** Where they count; absent: everywhere. */
  readonly within?: string
  readonly rules: readonly GrantRule[]
  readonly to: Account
}

const RBAC = 'rbac.authorization.k8s.io'

/** Pure: a role with these rules, and its binding to an account. Nothing is made of no rules. */
export const granted = ({ name, within, rules, to }: Grant): readonly object[] => {
  if (rules.length === 0) return []
  const kind = within === undefined ? 'ClusterRole' : 'Role'
  const metadata = { name, ...(within !== undefined && { namespace: within }) }
  const subjects = [{ kind: 'ServiceAccount', name: to.name, namespace: to.namespace }]
  return [
    { apiVersion: `${RBAC}/v1`, kind, metadata, rules },
    { apiVersion: `${RBAC}/v1`, kind: `${kind}Binding`, metadata, roleRef: { apiGroup: RBAC, kind, name }, subjects },
  ]
}

/** Pure: the account itself. */
export const serviceAccount = ({ name, namespace }: Account): object => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name, namespace },
})
