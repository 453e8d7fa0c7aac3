import { expect, test } from 'vitest'
import { chartAccount } from '../../../../src/actors/controller/charts/account.ts'
import { chartPowers } from '../../../../src/actors/controller/charts/effects.ts'
import { ChartPolicy } from '../../../../src/events/charts.ts'
import { powerInWords } from '../../../../src/ports.ts'

const account = { name: 'charts', namespace: 'quartermaster' }
const own = { name: 'quartermaster', namespace: 'quartermaster' }
type Item = {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly rules?: readonly {
    readonly resources: readonly string[]
    readonly verbs: readonly string[]
    readonly resourceNames?: readonly string[]
  }[]
  readonly subjects?: readonly { readonly name: string }[]
}
const made = (policy: object, spaces: readonly string[] | 'all' = ['shop']): readonly Item[] =>
  chartAccount(ChartPolicy.parse(policy), { account, own, spaces }) as readonly Item[]
const named = ({ kind, metadata: { name, namespace } }: Item): string => [kind, namespace, name].filter(Boolean).join(' ')
/** What a role allows, as `verbs resources [names]`. */
const rights = (items: readonly Item[], role: string): readonly string[] =>
  (items.find((item) => named(item) === role)?.rules ?? []).map(
    ({ verbs, resources, resourceNames }) =>
      `${verbs.join()} ${resources.join()}${resourceNames ? ` ${resourceNames.join()}` : ''}`,
  )
const RBAC = 'rbac.authorization.k8s.io'
const ALL = 'create,delete,get,list,patch,update,watch'

test('charts account: it has the rights of the policy where releases may be, and we may act in its name', () => {
  const items = made({ objects: [{ group: '', resources: ['configmaps'] }] }, ['mall', 'shop'])
  expect(items.map(named)).toEqual([
    'ServiceAccount quartermaster charts',
    'Role mall charts',
    'RoleBinding mall charts',
    'Role shop charts',
    'RoleBinding shop charts',
    'Role quartermaster charts-impersonation',
    'RoleBinding quartermaster charts-impersonation',
    'ClusterRole charts-review',
    'ClusterRoleBinding charts-review',
  ])
  expect(rights(items, 'Role shop charts')).toEqual([`${ALL} configmaps`, `${ALL} secrets`])
  expect(rights(items, 'Role quartermaster charts-impersonation')).toEqual(['impersonate serviceaccounts charts'])
  const bound = (name: string) => items.find((item) => named(item) === name)?.subjects?.map((subject) => subject.name)
  expect(bound('RoleBinding shop charts')).toEqual(['charts'])
  expect(bound('RoleBinding quartermaster charts-impersonation')).toEqual(['quartermaster'])
})

test('charts account: of RBAC it may change what the policy names, by name, and give nobody what it has not', () => {
  const rbac = ['Role/shop/web', 'RoleBinding/*/web-*', 'Role/other/web', 'ClusterRole/web', 'Nonsense/x']
  const items = made({ objects: [{ group: '', resources: ['configmaps'] }], rbac })
  const byName = 'delete,get,patch,update'
  expect(rights(items, 'Role shop charts').slice(2)).toEqual([
    `${byName} roles web`,
    'create,list,watch roles',
    `${ALL} rolebindings`,
  ])
  // No release may be there: of the namespace it gets that one Role, and no Secrets.
  expect(rights(items, 'Role other charts')).toEqual([`${byName} roles web`, 'create,list,watch roles'])
  expect(rights(items, 'ClusterRole charts')).toEqual([`${byName} clusterroles web`, 'create,list,watch clusterroles'])
  expect(JSON.stringify(items)).not.toMatch(/escalate|"bind"|"\*"/)
})

test('charts account: where releases may be everywhere its rights are too', () => {
  const items = made({ namespaces: ['*'], rbac: ['Role/shop/web'] }, 'all')
  expect(items.map(named).filter((name) => name.startsWith('Role '))).toEqual([
    'Role shop charts',
    'Role quartermaster charts-impersonation',
  ])
  expect(rights(items, 'ClusterRole charts')).toContain(`${ALL} daemonsets,deployments,replicasets,statefulsets`)
})

test('charts: to act in the name of an account is a power that is asked for where the policy names one', () => {
  const asked = (policy: object) => chartPowers(ChartPolicy.parse(policy)).map(powerInWords)
  const review = ['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings'].map((kind) => `get ${kind}.${RBAC}`)
  expect(asked({})).toEqual(review)
  const serviceAccount = 'system:serviceaccount:quartermaster:charts'
  expect(asked({ serviceAccount })).toEqual([...review, 'impersonate serviceaccounts "charts" in quartermaster'])
})
