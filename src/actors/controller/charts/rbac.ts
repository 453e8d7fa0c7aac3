import { hasForm } from '../../../events/pattern.ts'
import type { PolicyRule, RbacObject } from '../../../events/rbac.ts'

/** Rules with more combinations than this are not compared, but taken for wider. */
const MOST_COMBINATIONS = 100_000

/** How policies and people name it: `Role/NAMESPACE/NAME`, `ClusterRole/NAME`. */
export const nameOf = ({ kind, namespace, name }: Pick<RbacObject, 'kind' | 'namespace' | 'name'>): string =>
  [kind, ...(namespace === undefined ? [] : [namespace]), name].join('/')

export const isAllowed = (allowed: readonly string[], object: RbacObject): boolean =>
  allowed.some((pattern) => hasForm(pattern, nameOf(object)))

/**
 * Whether an object would give somebody more than what is there: what it would do, in words; undefined if it would not.
 * @param live the object as it is; undefined: there is none
 */
export const widening = (wanted: RbacObject, live: RbacObject | undefined): string | undefined => {
  if (!live) return 'would be created'
  if (wanted.roleRef !== live.roleRef) return `would be bound to ${wanted.roleRef} instead of ${live.roleRef}`
  const subject = wanted.subjects.find((each) => !live.subjects.includes(each))
  if (subject !== undefined) return `would also be bound to ${subject}`
  const label = wanted.aggregation.find((each) => !live.aggregation.includes(each))
  if (label !== undefined) return `would take part in the aggregation ${label}`
  const rule = wanted.rules.find((each) => !isCovered(each, live.rules))
  return rule && `would also allow ${inWords(rule)}`
}

const inWords = ({ verbs, resources, nonResourceURLs, apiGroups }: PolicyRule): string =>
  `${verbs.join(',')} on ${[...resources, ...nonResourceURLs].join(',')}${apiGroups.some((group) => group !== '') ? ` in ${apiGroups.join(',')}` : ''}`.slice(
    0,
    200,
  )

/**
 * Whether everything that a rule allows is allowed by the others together, as the API server's own check of escalation
 * has it (k8s.io/component-helpers/auth/rbac/validation): each combination of verb, group, resource and name by one of them.
 */
export const isCovered = (rule: PolicyRule, by: readonly PolicyRule[]): boolean => {
  const { verbs, apiGroups, resources, resourceNames, nonResourceURLs } = rule
  const names = resourceNames.length > 0 ? resourceNames : [undefined]
  const combinations = verbs.length * (apiGroups.length * resources.length * names.length + nonResourceURLs.length)
  if (combinations * by.length > MOST_COMBINATIONS) return false
  return verbs.every(
    (verb) =>
      apiGroups.every((group) =>
        resources.every((resource) => names.every((name) => by.some((each) => allows(each, verb, group, resource, name)))),
      ) &&
      nonResourceURLs.every((url) => by.some((each) => includes(each.verbs, verb) && each.nonResourceURLs.some(leadsTo(url)))),
  )
}

const includes = (known: readonly string[], wanted: string): boolean => known.includes('*') || known.includes(wanted)

const allows = (rule: PolicyRule, verb: string, group: string, resource: string, name: string | undefined): boolean =>
  includes(rule.verbs, verb) &&
  includes(rule.apiGroups, group) &&
  isOf(rule.resources, resource) &&
  (rule.resourceNames.length === 0 || (name !== undefined && rule.resourceNames.includes(name)))

/** `*`, the same, or `*` and the same subresource. */
const isOf = (known: readonly string[], resource: string): boolean => {
  const [, subresource] = resource.split('/')
  return includes(known, resource) || (subresource !== undefined && known.includes(`*/${subresource}`))
}

const leadsTo =
  (url: string) =>
  (known: string): boolean =>
    known === url || (known.endsWith('*') && url.startsWith(known.slice(0, -1)))
