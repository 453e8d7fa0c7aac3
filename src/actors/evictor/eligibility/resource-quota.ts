import type { PodSpec } from '../../../events/kubernetes.ts'
import type { ResourceQuota } from '../../../events/namespaces.ts'
import { thousandths } from '../model/amount.ts'
import { type Amounts, aggregated, limitsOf, requestsOf } from '../model/demand.ts'
import type { Shape } from '../model/shape.ts'
import { inOrder, type PodRule } from './rule.ts'

type Container = PodSpec['containers'][number]
type Scope = { readonly scopeName: string; readonly operator: string; readonly values?: readonly string[] | undefined }

const containersOf = ({ containers, initContainers = [] }: PodSpec): readonly Container[] => [...containers, ...initContainers]
const asksNothing = ({ resources }: Container): boolean =>
  [resources?.requests, resources?.limits].every((list = {}) => ['cpu', 'memory'].every((name) => !(name in list)))
const crossesNamespaces = ({ affinity }: PodSpec): boolean =>
  [affinity?.podAffinity, affinity?.podAntiAffinity]
    .flatMap((rules) => rules?.requiredDuringSchedulingIgnoredDuringExecution ?? [])
    .some(({ namespaces = [], namespaceSelector }) => namespaces.length > 0 || !!namespaceSelector)

const ofClass = ({ operator, values = [] }: Scope, { priorityClassName = '' }: PodSpec): boolean => {
  if (operator === 'Exists') return priorityClassName !== ''
  if (operator === 'DoesNotExist') return priorityClassName === ''
  return values.includes(priorityClassName) === (operator === 'In')
}
/** Source: `pkg/quota/v1/evaluator/core/pods.go` podMatchesScopeFunc. A scope that we do not know takes the pod in. */
const isIn = (scope: Scope, spec: PodSpec): boolean => {
  const isBestEffort = containersOf(spec).every(asksNothing)
  switch (scope.scopeName) {
    case 'Terminating':
      return spec.activeDeadlineSeconds !== undefined
    case 'NotTerminating':
      return spec.activeDeadlineSeconds === undefined
    case 'BestEffort':
      return isBestEffort
    case 'NotBestEffort':
      return !isBestEffort
    case 'CrossNamespacePodAffinity':
      return crossesNamespaces(spec)
    case 'PriorityClass':
      return ofClass(scope, spec)
    default:
      return true
  }
}
const counts = ({ spec: { scopes = [], scopeSelector } }: ResourceQuota, spec: PodSpec): boolean =>
  scopes.every((scopeName) => isIn({ scopeName, operator: 'Exists' }, spec)) &&
  (scopeSelector?.matchExpressions ?? []).every((scope) => isIn(scope, spec))

/** What a quota calls the resources that a pod takes: of a quota's resource, how much the pod takes. */
const takes = (resource: string, requests: Amounts, limits: Amounts): bigint => {
  if (resource === 'pods' || resource === 'count/pods') return 1000n
  if (resource.startsWith('limits.')) return limits.get(resource.slice('limits.'.length)) ?? 0n
  return requests.get(resource.startsWith('requests.') ? resource.slice('requests.'.length) : resource) ?? 0n
}
/** A quota on these asks of every container to name them. */
const NAMED = ['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory']
const names = (container: Container, resource: string): boolean => {
  const bare = resource.replace(/^(requests|limits)\./, '')
  return (resource.startsWith('limits.') ? limitsOf(container) : requestsOf(container)).has(bare)
}

const objection = ({ metadata, spec: { hard: wanted }, status }: ResourceQuota, { spec }: Shape): string | undefined => {
  const requests = aggregated(spec, requestsOf)
  const limits = aggregated(spec, limitsOf)
  const isWhole = Object.keys({ ...spec.resources?.requests, ...spec.resources?.limits }).length > 0
  for (const [resource, hard] of Object.entries(status.hard ?? wanted ?? {})) {
    if (!isWhole && NAMED.includes(resource) && !containersOf(spec).every((each) => names(each, resource)))
      return `the quota ${metadata.name} counts ${resource}, and not all of its containers say how much they take`
    const used = status.used?.[resource]
    // The pod that goes makes as much room as its replacement takes: it is too much only if it is too much now.
    if (used !== undefined && takes(resource, requests, limits) > 0n && thousandths(used) > thousandths(hard))
      return `the quota ${metadata.name} is exceeded (${resource}: ${used} of ${hard}): its replacement would not be let in`
  }
  return undefined
}

/** Whether its namespace would let the replacement in. Source: `pkg/quota/v1/evaluator/core/pods.go`. */
export const resourceQuota: PodRule = {
  name: 'ResourceQuota',
  why: ({ model, shape }) => {
    for (const quota of inOrder(model.quotas)) {
      if (quota.metadata.namespace !== shape.namespace || !counts(quota, shape.spec)) continue
      const found = objection(quota, shape)
      if (found !== undefined) return found
    }
    return undefined
  },
}
