import type { LabelSelector, PodAffinityTerm, PodSpec } from '../../events/kubernetes.ts'
import { selects } from '../../events/selector.ts'
import { matchesNode, type Refusal, untolerated } from './fit.ts'
import type { Model, NodeEntry } from './model.ts'
import type { Shape } from './shape.ts'

type SpreadConstraint = NonNullable<PodSpec['topologySpreadConstraints']>[number]
type Check = (node: NodeEntry) => Refusal | undefined
type Gone = (node: NodeEntry) => boolean

/** A selector narrowed to pods that have (or do not have) the same values of some labels as this one. */
const narrowed = (
  selector: LabelSelector | null | undefined,
  labels: Shape['labels'],
  same: readonly string[] = [],
  different: readonly string[] = [],
): LabelSelector | null | undefined => {
  if (!selector || same.length + different.length === 0) return selector
  const added = (keys: readonly string[], operator: string) =>
    keys.flatMap((key) => (labels[key] === undefined ? [] : [{ key, operator, values: [labels[key]] }]))
  return {
    ...selector,
    matchExpressions: [...(selector.matchExpressions ?? []), ...added(same, 'In'), ...added(different, 'NotIn')],
  }
}

/** Whether a term of one pod means the other. A namespaceSelector that asks for nothing means every namespace. */
const means = (term: PodAffinityTerm, of: Shape, other: Shape): boolean => {
  const { namespaces = [], namespaceSelector, labelSelector, matchLabelKeys, mismatchLabelKeys } = term
  const own = namespaces.length === 0 && !namespaceSelector
  if (!(namespaceSelector || (own ? other.namespace === of.namespace : namespaces.includes(other.namespace)))) return false
  return selects(narrowed(labelSelector, of.labels, matchLabelKeys, mismatchLabelKeys), other.labels)
}
const required = ({ spec }: Shape, which: 'podAffinity' | 'podAntiAffinity'): readonly PodAffinityTerm[] =>
  spec.affinity?.[which]?.requiredDuringSchedulingIgnoredDuringExecution ?? []

const domainOf = (key: string, { object }: NodeEntry): string | undefined => object?.metadata.labels?.[key]

/** The values of a topology key where pods of shapes like these are. */
const domainsOf = (model: Model, key: string, isMeant: (shape: Shape) => boolean): ReadonlySet<string> => {
  const domains = new Set<string>()
  for (const shape of model.shapes.values()) if (isMeant(shape)) addDomains(domains, key, shape)
  return domains
}
const addDomains = (domains: Set<string>, key: string, { pods }: Shape): void => {
  for (const { node } of pods) {
    const domain = node && domainOf(key, node)
    if (domain !== undefined) domains.add(domain)
  }
}

const affinity = (model: Model, shape: Shape): readonly Check[] => {
  const terms = required(shape, 'podAffinity')
  if (terms.length === 0) return []
  const meant = (other: Shape): boolean => terms.every((term) => means(term, shape, other))
  const near = terms.map((term) => domainsOf(model, term.topologyKey, meant))
  // The first of a group that wants to be together has nobody to be near.
  const isFirst = near.every(({ size }) => size === 0) && meant(shape)
  const refused: Refusal = { code: 'PodAffinity', message: "node(s) didn't match pod affinity rules" }
  return terms.map(({ topologyKey }, index) => (node) => {
    const domain = domainOf(topologyKey, node)
    return domain !== undefined && (isFirst || near[index]?.has(domain)) ? undefined : refused
  })
}

const avoiding = (key: string, domains: ReadonlySet<string>, refused: Refusal): readonly Check[] =>
  domains.size === 0 ? [] : [(node) => (domains.has(domainOf(key, node) ?? '') ? refused : undefined)]

const antiAffinity = (model: Model, shape: Shape): readonly Check[] =>
  required(shape, 'podAntiAffinity').flatMap((term) =>
    avoiding(
      term.topologyKey,
      domainsOf(model, term.topologyKey, (other) => means(term, shape, other)),
      { code: 'PodAntiAffinity', message: "node(s) didn't match pod anti-affinity rules" },
    ),
  )
const symmetry = ({ repelling }: Model, shape: Shape): readonly Check[] =>
  [...repelling].flatMap((other) =>
    required(other, 'podAntiAffinity').flatMap((term) => {
      if (!means(term, other, shape)) return []
      const domains = new Set<string>()
      addDomains(domains, term.topologyKey, other)
      return avoiding(term.topologyKey, domains, {
        code: 'ExistingPodAntiAffinity',
        message: "node(s) didn't satisfy existing pods anti-affinity rules",
      })
    }),
  )

const MISMATCH = "node(s) didn't match pod topology spread constraints"

const eligible = ({ nodeAffinityPolicy, nodeTaintsPolicy }: SpreadConstraint, shape: Shape, { object }: NodeEntry): boolean =>
  object !== undefined &&
  (nodeAffinityPolicy === 'Ignore' || matchesNode(shape, object)) &&
  (nodeTaintsPolicy !== 'Honor' || untolerated(shape, object) === undefined)

/**
 * Spread is judged with the emptied nodes both still there (they are, cordoned, until they are deleted) and gone: a
 * domain that only they make up counts as one without pods, and does not count towards minDomains.
 */
const spreadCheck = (
  model: Model,
  shape: Shape,
  constraint: SpreadConstraint,
  whole: readonly NodeEntry[],
  gone: Gone,
): Check => {
  const { topologyKey, maxSkew, minDomains = 1 } = constraint
  const counts = new Map<string, number>()
  const staying = new Set<string>()
  const counted = new Set<NodeEntry>()
  for (const node of whole) {
    const domain = domainOf(topologyKey, node)
    if (domain === undefined || !eligible(constraint, shape, node)) continue
    counted.add(node)
    if (!counts.has(domain)) counts.set(domain, 0)
    if (!gone(node)) staying.add(domain)
  }
  const selector = narrowed(constraint.labelSelector, shape.labels, constraint.matchLabelKeys)
  for (const other of model.shapes.values()) {
    if (other.namespace !== shape.namespace || !selects(selector, other.labels)) continue
    for (const { node, leaving } of other.pods) {
      const domain = node && counted.has(node) && !leaving ? domainOf(topologyKey, node) : undefined
      if (domain !== undefined) counts.set(domain, (counts.get(domain) ?? 0) + 1)
    }
  }
  let least = staying.size < minDomains ? 0 : Number.POSITIVE_INFINITY
  for (const count of counts.values()) least = Math.min(least, count)
  const self = selects(selector, shape.labels) ? 1 : 0
  return (node) => {
    const domain = domainOf(topologyKey, node)
    if (domain === undefined) return { code: 'PodTopologySpread', message: `${MISMATCH} (missing required label)` }
    return (counts.get(domain) ?? 0) + self - least > maxSkew ? { code: 'PodTopologySpread', message: MISMATCH } : undefined
  }
}
const spread = (model: Model, shape: Shape, gone: Gone): readonly Check[] => {
  const hard = (shape.spec.topologySpreadConstraints ?? []).filter(
    ({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule',
  )
  if (hard.length === 0) return []
  const whole = [...model.nodes.values()].filter((node) =>
    hard.every(({ topologyKey }) => domainOf(topologyKey, node) !== undefined),
  )
  return hard.map((constraint) => spreadCheck(model, shape, constraint, whole, gone))
}

/**
 * What the places of the other pods say about a new pod of the shape (plugins PodTopologySpread and InterPodAffinity).
 * The pod that is to move must be off its node. @returns undefined when nobody has anything to say
 */
export const neighbours = (model: Model, shape: Shape, gone: Gone): Check | undefined => {
  if (!shape.social && model.repelling.size === 0) return undefined
  const checks = [
    ...spread(model, shape, gone),
    ...affinity(model, shape),
    ...antiAffinity(model, shape),
    ...symmetry(model, shape),
  ]
  if (checks.length === 0) return undefined
  return (node) => {
    for (const check of checks) {
      const refused = check(node)
      if (refused) return refused
    }
    return undefined
  }
}
