import { expect, test } from 'vitest'
import { rbacIn } from '../../../src/adapters/helm/manifest.ts'
import { Refused } from '../../../src/ports.ts'

const role = (kind: string, more = '') => `apiVersion: rbac.authorization.k8s.io/v1\nkind: ${kind}\nmetadata: {name: a}\n${more}`
const names = (manifest: string) => rbacIn(manifest, 'web').map(({ kind, namespace, name }) => [kind, namespace, name].join(' '))

test('manifest: finds what gives rights, wherever it stands', () => {
  const config = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {text: "kind: ClusterRole"}'
  expect(names(`---\n# Source: a\n${config}\n---\n${role('Role')}---\n${role('ClusterRoleBinding')}`)).toEqual([
    'Role web a',
    'ClusterRoleBinding  a',
  ])
  const nested = {
    apiVersion: 'v1',
    kind: 'List',
    items: [{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleList', items: [] }],
  }
  const item = { apiVersion: 'rbac.authorization.k8s.io/v1beta1', kind: 'ClusterRole', metadata: { name: 'b' } }
  nested.items[0]?.items.push(item as never)
  expect(names(JSON.stringify(nested))).toEqual(['ClusterRole  b'])
  expect(names('apiVersion: &v rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}')).toEqual(['Role web a'])
  expect(names('base: &b {kind: Role, apiVersion: rbac.authorization.k8s.io/v1}\n<<: *b\nmetadata: {name: a}')).toEqual([
    'Role web a',
  ])
  expect(names('apiVersion: example.com/v1\nkind: Role\nmetadata: {name: a}')).toEqual([])
  expect(names('# nothing\n---\n---\n')).toEqual([])
})

test.each([
  ['a key twice', 'apiVersion: v1\nkind: ConfigMap\nkind: ClusterRole'],
  ['no YAML', 'kind: [}'],
  ['a tag of its own', 'apiVersion: v1\nkind: !x ClusterRole\nmetadata: {name: a}'],
  ['no object', '- a\n- b'],
  ['a text', 'hello'],
  ['a list without items', 'apiVersion: v1\nkind: List'],
  ['rules that are none', role('Role', 'rules: [{verbs: all}]')],
  ['a role without a name', 'apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {generateName: a}'],
  ['a kind that is no text', 'apiVersion: v1\nkind: {a: b}'],
])('manifest: refused: %s', (_, manifest) => {
  expect(() => rbacIn(manifest, 'web')).toThrow(Refused)
})

test('manifest: aliases that multiply are refused, not followed', () => {
  const lines = Array.from(
    { length: 12 },
    (_, index) =>
      `a${index}: &a${index} [${Array(10)
        .fill(index === 0 ? 'x' : `*a${index - 1}`)
        .join(',')}]`,
  )
  expect(() => rbacIn(`apiVersion: v1\nkind: ConfigMap\n${lines.join('\n')}`, 'web')).toThrow()
})

test('manifest: labels that let others take up rules are part of it', () => {
  const [found] = rbacIn(
    role('ClusterRole').replace('{name: a}', '{name: a, labels: {rbac.authorization.k8s.io/aggregate-to-admin: "true"}}'),
    'web',
  )
  expect(found?.aggregation).toEqual(['rbac.authorization.k8s.io/aggregate-to-admin'])
})
