import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isAllowed, isCovered, nameOf, widening } from '../../../../src/actors/controller/charts/rbac.ts'
import type { PolicyRule, RbacObject } from '../../../../src/events/rbac.ts'

const some = (...texts: readonly string[]) => fc.subarray([...texts], { minLength: 1 })
const ruleOf = (fields: Partial<PolicyRule>): PolicyRule => ({
  verbs: ['get'],
  apiGroups: [''],
  resources: [],
  resourceNames: [],
  nonResourceURLs: [],
  ...fields,
})
const resourceRule = fc
  .record({
    verbs: some('get', 'delete', '*'),
    apiGroups: some('', 'apps', '*'),
    resources: some('pods', 'pods/log', 'nodes', '*/log', '*'),
    resourceNames: fc.subarray(['a', 'b']),
  })
  .map(ruleOf)
const urlRule = fc
  .record({ verbs: some('get', '*'), nonResourceURLs: some('/healthz', '/logs/*', '*') })
  .map((fields) => ruleOf({ ...fields, apiGroups: [] }))
const rules = fc.array(fc.oneof(resourceRule, urlRule), { maxLength: 4 })

/** Whether a rule allows a request, by RBAC's own words (kubernetes/plugin/pkg/auth/authorizer/rbac RuleAllows). */
type Request = { readonly verb: string } & (
  | { readonly group: string; readonly resource: string; readonly name: string }
  | { readonly url: string }
)
const permits = (rule: PolicyRule, request: Request): boolean => {
  const has = (list: readonly string[], wanted: string): boolean => list.includes('*') || list.includes(wanted)
  if (!has(rule.verbs, request.verb)) return false
  if ('url' in request)
    return rule.nonResourceURLs.some(
      (url) => url === request.url || (url.endsWith('*') && request.url.startsWith(url.slice(0, -1))),
    )
  const [, sub] = request.resource.split('/')
  return (
    has(rule.apiGroups, request.group) &&
    (has(rule.resources, request.resource) || (sub !== undefined && rule.resources.includes(`*/${sub}`))) &&
    (rule.resourceNames.length === 0 || rule.resourceNames.includes(request.name))
  )
}
const requests: readonly Request[] = ['get', 'delete', 'patch'].flatMap((verb): readonly Request[] => [
  ...['', 'apps', 'batch'].flatMap((group) =>
    ['pods', 'pods/log', 'nodes', 'nodes/log', 'secrets'].flatMap((resource) =>
      ['', 'a', 'b', 'c'].map((name) => ({ verb, group, resource, name })),
    ),
  ),
  ...['/healthz', '/logs/', '/logs/x', '/metrics'].map((url) => ({ verb, url })),
])

test('rbac: what counts as no widening allows no request that was not allowed', () => {
  fc.assert(
    fc.property(rules, rules, (wanted, live) => {
      if (!wanted.every((rule) => isCovered(rule, live))) return
      for (const request of requests)
        if (wanted.some((rule) => permits(rule, request))) expect(live.some((rule) => permits(rule, request))).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

test('rbac: the same rules, and fewer of them, widen nothing', () => {
  fc.assert(
    fc.property(rules, fc.nat(3), (live, drop) => {
      expect(live.filter((_, index) => index !== drop).every((rule) => isCovered(rule, live))).toBe(true)
    }),
  )
})

const role = (fields: Partial<RbacObject> = {}): RbacObject => ({
  kind: 'Role',
  namespace: 'web',
  name: 'web',
  rules: [ruleOf({ resources: ['pods'] })],
  aggregation: [],
  subjects: [],
  ...fields,
})
const binding = (fields: Partial<RbacObject> = {}) =>
  role({ kind: 'ClusterRoleBinding', rules: [], roleRef: 'ClusterRole/view', subjects: ['ServiceAccount/web/web'], ...fields })

test.each<[string, RbacObject, RbacObject | undefined, RegExp | undefined]>([
  ['a new object', role(), undefined, /would be created/],
  ['the same', role(), role(), undefined],
  ['less', role({ rules: [] }), role(), undefined],
  [
    'another verb',
    role({ rules: [ruleOf({ verbs: ['get', 'delete'], resources: ['pods'] })] }),
    role(),
    /also allow get,delete on pods/,
  ],
  ['all names instead of one', role(), role({ rules: [ruleOf({ resources: ['pods'], resourceNames: ['a'] })] }), /also allow/],
  ['another subject', binding({ subjects: ['User/eve'] }), binding(), /also be bound to User\/eve/],
  ['another role', binding({ roleRef: 'ClusterRole/cluster-admin' }), binding(), /bound to ClusterRole\/cluster-admin/],
  [
    'taken up by others',
    role({ aggregation: ['rbac.authorization.k8s.io/aggregate-to-admin'] }),
    role(),
    /aggregation .*aggregate-to-admin/,
  ],
  [
    'more rules than can be compared',
    role({ rules: [ruleOf({ resources: Array(100_001).fill('pods') })] }),
    role(),
    /also allow/,
  ],
])('rbac: %s', (_, wanted, live, expected) => {
  const found = widening(wanted, live)
  expect(found === undefined ? undefined : expected?.test(found)).toBe(expected === undefined ? undefined : true)
})

test('rbac: the policy names what may be created or widened', () => {
  expect(nameOf(role())).toBe('Role/web/web')
  expect(isAllowed(['Role/web/*'], role())).toBe(true)
  expect(isAllowed(['ClusterRole/*'], role())).toBe(false)
})
