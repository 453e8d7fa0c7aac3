import type { LabelSelector, PodAffinityTerm } from '../../../events/kubernetes.ts'
import type { LabelSet, Selection, Term } from '../model/labels.ts'
import { requiredTerms, type Shape } from '../model/shape.ts'
import type { Counting, Tally } from '../model/tally.ts'
import type { Model } from '../model.ts'
import { type Check, type Refusal, type Rule, refusal, undecided } from './rule.ts'

const NAME = 'InterPodAffinity'
const NOT_NEAR = refusal(NAME, "node(s) didn't match pod affinity rules", 'PodAffinity')
const TOO_NEAR = refusal(NAME, "node(s) didn't match pod anti-affinity rules", 'PodAntiAffinity')
const UNWELCOME = refusal(NAME, "node(s) didn't satisfy existing pods anti-affinity rules", 'ExistingPodAntiAffinity')

/** A selector narrowed to pods that have (or do not have) the pod's values of some labels, as the API server merges them. */
export const narrowed = (
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

const asksNothing = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean =>
  Object.keys(matchLabels).length + matchExpressions.length === 0

/** Which pods a term of the shape means. A namespaceSelector that asks for nothing means every namespace. */
export const termOf = (term: PodAffinityTerm, { namespace, labels }: Shape): Term => {
  const { namespaces = [], namespaceSelector: by, labelSelector, matchLabelKeys, mismatchLabelKeys } = term
  const selector = narrowed(labelSelector, labels, matchLabelKeys, mismatchLabelKeys)
  if (by && asksNothing(by)) return { namespaces: undefined, selector }
  return { namespaces: namespaces.length === 0 && !by ? [namespace] : namespaces, namespaceSelector: by ?? undefined, selector }
}
const isByLabels = ({ namespaces, namespaceSelector }: Term): boolean => namespaces !== undefined && !!namespaceSelector
const namespacesOf = (terms: readonly Term[]): readonly string[] | undefined =>
  terms.some((term) => term.namespaces === undefined || isByLabels(term))
    ? undefined
    : [...new Set(terms.flatMap(({ namespaces = [] }) => namespaces))]

/** What is asked about a shape's own terms; made once. */
type Own = {
  /** All affinity terms together, and where pods that they all mean are, by the topology key of each. */
  readonly affinity: Selection | undefined
  readonly near: readonly Counting[]
  readonly against: readonly Counting[]
}
const own = new WeakMap<Shape, { readonly at: number; readonly own: Own }>()
const ownOf = (model: Model, shape: Shape): Own => {
  const known = own.get(shape)
  if (known?.at === model.labels.generation()) return known.own
  const near = requiredTerms(shape.spec, 'podAffinity')
  const terms = near.map((term) => termOf(term, shape))
  const made = {
    affinity: near.length > 0 ? model.labels.compile(terms) : undefined,
    near: near.map(({ topologyKey }) => meant(model, terms, topologyKey)),
    against: requiredTerms(shape.spec, 'podAntiAffinity').map((term) => meant(model, [termOf(term, shape)], term.topologyKey)),
  }
  own.set(shape, { at: model.labels.generation(), own: made })
  return made
}

/** Where pods are that all the terms mean. */
export const meant = ({ labels }: Model, terms: readonly Term[], topologyKey: string): Counting => {
  const selection = labels.compile(terms)
  return {
    key: `near ${topologyKey} ${selection.key}`,
    topologyKey,
    namespaces: namespacesOf(terms),
    leaving: true,
    means: ({ labelSet }) => selection.has(labelSet),
  }
}

/** In which domains there are such pods; undefined: in none. */
const occupied = (tally: Tally): ((index: number) => boolean) | undefined => {
  const { of } = tally.topology()
  const counts = tally.counts()
  return tally.total() === 0 ? undefined : (index) => (counts[of[index] ?? -1] ?? 0) > 0
}

const affinity = (model: Model, shape: Shape): readonly Check[] => {
  const { affinity: terms, near } = ownOf(model, shape)
  if (!terms) return []
  const tallies = near.map((counting) => model.tallies.of(counting))
  // The first of a group that wants to be together has nobody to be near.
  const isFirst = tallies.every((tally) => tally.total() === 0) && terms.has(shape.labelSet)
  return tallies.map((tally) => {
    const { of } = tally.topology()
    const isOccupied = occupied(tally)
    return ({ index }) => ((of[index] ?? -1) >= 0 && (isFirst || isOccupied?.(index)) ? undefined : NOT_NEAR)
  })
}

const avoiding = (tally: Tally, refused: Refusal): readonly Check[] => {
  const isOccupied = occupied(tally)
  return isOccupied ? [({ index }) => (isOccupied(index) ? refused : undefined)] : []
}

const antiAffinity = (model: Model, shape: Shape): readonly Check[] =>
  ownOf(model, shape).against.flatMap((counting) => avoiding(model.tallies.of(counting), TOO_NEAR))

/** A term by which some pods keep others away, and where those pods are. */
type Repulsion = { readonly term: Term; readonly selection: Selection; readonly owners: Counting }
type Repulsions = {
  readonly at: string
  readonly all: readonly Repulsion[]
  /** Those that mean pods of one namespace only are asked by it; under undefined the others. */
  readonly byNamespace: ReadonlyMap<string | undefined, readonly Repulsion[]>
  readonly byLabels: WeakMap<LabelSet, readonly Repulsion[]>
}
const ofModels = new WeakMap<Model, Repulsions>()
const ownKeys = new WeakMap<Shape, ReadonlySet<string>>()

const repulsionKey = (each: PodAffinityTerm, shape: Shape): string =>
  JSON.stringify([shape.namespace, each.topologyKey, termOf(each, shape)])
const keysOf = (shape: Shape): ReadonlySet<string> => {
  const keys =
    ownKeys.get(shape) ?? new Set(requiredTerms(shape.spec, 'podAntiAffinity').map((each) => repulsionKey(each, shape)))
  ownKeys.set(shape, keys)
  return keys
}
const repulsionsOf = (model: Model): Repulsions => {
  const at = `${model.repellingVersion()} ${model.labels.generation()}`
  const known = ofModels.get(model)
  if (known?.at === at) return known
  const found = new Map<string, Repulsion>()
  for (const shape of model.repelling)
    for (const each of requiredTerms(shape.spec, 'podAntiAffinity')) {
      const key = repulsionKey(each, shape)
      if (!found.has(key)) found.set(key, repulsionOf(model, key, each, shape))
    }
  const all = [...found.values()]
  const only = ({ term: { namespaces, namespaceSelector } }: Repulsion): string | undefined =>
    namespaces?.length === 1 && !namespaceSelector ? namespaces[0] : undefined
  const made: Repulsions = { at, all, byNamespace: Map.groupBy(all, only), byLabels: new WeakMap() }
  ofModels.set(model, made)
  return made
}
const repulsionOf = ({ labels }: Model, key: string, each: PodAffinityTerm, shape: Shape): Repulsion => {
  const term = termOf(each, shape)
  const owners: Counting = {
    key: `of ${key}`,
    topologyKey: each.topologyKey,
    namespaces: [shape.namespace],
    leaving: true,
    means: (other) => other.repels && keysOf(other).has(key),
  }
  return { term, selection: labels.compile([term]), owners }
}
const repelledBy = ({ byNamespace, byLabels }: Repulsions, { labelSet }: Shape): readonly Repulsion[] => {
  const known = byLabels.get(labelSet)
  if (known) return known
  const possible = [...(byNamespace.get(labelSet.namespace) ?? []), ...(byNamespace.get(undefined) ?? [])]
  const found = possible.filter(({ selection }) => selection.has(labelSet))
  byLabels.set(labelSet, found)
  return found
}

const symmetry = (model: Model, shape: Shape): readonly Check[] =>
  repelledBy(repulsionsOf(model), shape).flatMap(({ owners }) => avoiding(model.tallies.of(owners), UNWELCOME))

/** Namespaces are chosen by labels that the model may not know: of the pod's own terms any, of others' its own. */
const unknownNamespace = (model: Model, shape: Shape): string | undefined => {
  const terms = [...requiredTerms(shape.spec, 'podAffinity'), ...requiredTerms(shape.spec, 'podAntiAffinity')]
  if (terms.some((term) => isByLabels(termOf(term, shape)))) {
    const [unknown] = [...model.byNamespace.keys()].filter((namespace) => !model.namespaces.has(namespace)).sort()
    if (unknown !== undefined) return unknown
  }
  if (model.namespaces.has(shape.namespace)) return undefined
  return repulsionsOf(model).all.some(({ term }) => isByLabels(term)) ? shape.namespace : undefined
}

/**
 * Required pod affinity and anti-affinity, the pod's own and those of the pods that are there against it.
 * Source: `plugins/interpodaffinity/filtering.go`; matchLabelKeys: `pkg/registry/core/pod/strategy.go`.
 */
export const interPodAffinity: Rule = {
  name: NAME,
  everywhere: (model, shape) => {
    if (!shape.social && model.repelling.size === 0) return undefined
    const unknown = unknownNamespace(model, shape)
    return unknown === undefined
      ? undefined
      : undecided(NAME, `depends on the labels of the namespace ${unknown}, which is not known`)
  },
  onNode: (model, shape) => {
    if (!shape.social && model.repelling.size === 0) return undefined
    const checks = [...affinity(model, shape), ...antiAffinity(model, shape), ...symmetry(model, shape)]
    if (checks.length === 0) return undefined
    return (node) => {
      for (const check of checks) {
        const refused = check(node)
        if (refused) return refused
      }
      return undefined
    }
  },
}
