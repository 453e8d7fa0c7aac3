import type { LabelSelector, PodSpec } from '../../../events/kubernetes.ts'
import type { Selection } from '../model/labels.ts'
import type { Shape } from '../model/shape.ts'
import type { Counting } from '../model/tally.ts'
import type { Model, NodeEntry } from '../model.ts'
import { defaultSelectors, isOwnerUnknown } from './default-selector.ts'
import { narrowed } from './inter-pod-affinity.ts'
import { matchesNode } from './node-affinity.ts'
import { type Check, type Rule, refusal, undecided } from './rule.ts'
import { untolerated } from './taint-toleration.ts'

const NAME = 'PodTopologySpread'
const MISMATCH = "node(s) didn't match pod topology spread constraints"
const NO_LABEL = refusal(NAME, `${MISMATCH} (missing required label)`)
const SKEWED = refusal(NAME, MISMATCH)

export type Constraint = NonNullable<PodSpec['topologySpreadConstraints']>[number]

const isEmpty = (selector: LabelSelector | null | undefined): boolean =>
  !!selector && Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions?.length ?? 0) === 0

/** A constraint as it is asked about; made once for a shape. */
export type Spread = {
  readonly constraint: Constraint
  readonly selection: Selection
  /** Nodes and pods are counted on those nodes alone that the shape could go to, as far as the policies say. */
  readonly counts: (node: NodeEntry) => boolean
  /** The same text for the same nodes. */
  readonly nodes: string
  readonly pods: Counting
}
const made = new WeakMap<Shape, { readonly at: string; readonly spreads: readonly Spread[] }>()

const eligible = ({ nodeAffinityPolicy, nodeTaintsPolicy }: Constraint, { spec }: Shape, { object }: NodeEntry): boolean =>
  object !== undefined &&
  (nodeAffinityPolicy === 'Ignore' || matchesNode(spec, object)) &&
  (nodeTaintsPolicy !== 'Honor' || untolerated(spec, object) === undefined)

/** What decides which nodes count: the same text for the same nodes. */
const policyKey = ({ nodeAffinityPolicy, nodeTaintsPolicy }: Constraint, { spec }: Shape): string =>
  JSON.stringify([
    nodeAffinityPolicy === 'Ignore' ? null : [spec.nodeSelector, spec.affinity?.nodeAffinity],
    nodeTaintsPolicy === 'Honor' ? (spec.tolerations ?? []) : null,
  ])

const hard = (constraints: readonly Constraint[]): readonly Constraint[] =>
  constraints.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule')

/** Constraints with the selectors that pods have to meet, all of them. */
export type Asked = { readonly constraint: Constraint; readonly selectors: readonly (LabelSelector | null | undefined)[] }
const askedOf = (model: Model, shape: Shape): readonly Asked[] => {
  if (!shape.spec.topologySpreadConstraints?.length) {
    const selectors = defaultSelectors(model, shape)
    return selectors.length === 0 ? [] : hard(model.defaultConstraints).map((constraint) => ({ constraint, selectors }))
  }
  return hard(shape.spec.topologySpreadConstraints).map((constraint) => ({
    constraint,
    selectors: [narrowed(constraint.labelSelector, shape.labels, constraint.matchLabelKeys)],
  }))
}

/** By node index, 1: its pods count, -1: they don't. Shared by all that count on the same nodes. */
type Verdicts = { at: number; of: Int8Array }
const verdictsOfModels = new WeakMap<Model, Map<string, Verdicts>>()
const MOST_VERDICTS = 1_024
const verdictsOf = (model: Model, nodes: string): Verdicts => {
  const all = verdictsOfModels.get(model) ?? new Map<string, Verdicts>()
  verdictsOfModels.set(model, all)
  if (all.size >= MOST_VERDICTS) all.clear()
  const verdicts = all.get(nodes) ?? { at: -1, of: new Int8Array() }
  all.set(nodes, verdicts)
  return verdicts
}

export const spreadOf = (model: Model, shape: Shape, { constraint, selectors }: Asked, keys: readonly string[]): Spread => {
  const { topologyKey } = constraint
  const selection = model.labels.compile(selectors.map((selector) => ({ namespaces: [shape.namespace], selector })))
  const nodes = `spread ${topologyKey} ${JSON.stringify(keys)} ${policyKey(constraint, shape)}`
  const verdicts = verdictsOf(model, nodes)
  const counts = (node: NodeEntry): boolean => {
    if (verdicts.at !== model.nodesVersion())
      Object.assign(verdicts, { at: model.nodesVersion(), of: new Int8Array(model.topology(topologyKey).of.length) })
    const known = verdicts.of[node.index]
    if (known) return known === 1
    const isWhole = keys.every((key) => (model.topology(key).of[node.index] ?? -1) >= 0)
    const verdict = isWhole && eligible(constraint, shape, node)
    verdicts.of[node.index] = verdict ? 1 : -1
    return verdict
  }
  const pods: Counting = {
    key: `${nodes} ${selection.key}`,
    topologyKey,
    namespaces: [shape.namespace],
    leaving: false,
    // A selector that selects everything counts nothing (`countPodsMatchSelector`).
    means: ({ labelSet }) => !selectors.every(isEmpty) && selection.has(labelSet),
    on: counts,
  }
  return { constraint, selection, counts, nodes, pods }
}
const spreadsOf = (model: Model, shape: Shape): readonly Spread[] => {
  // The defaults go by services and owners.
  const at = `${model.labels.generation()} ${model.defaultConstraints.length > 0 ? model.booksVersion() : ''}`
  const known = made.get(shape)
  if (known?.at === at) return known.spreads
  const asked = askedOf(model, shape)
  const keys = asked.map(({ constraint }) => constraint.topologyKey)
  const spreads = asked.map((each) => spreadOf(model, shape, each, keys))
  made.set(shape, { at, spreads })
  return spreads
}

/** The fewest pods in a domain, when some nodes are going: what counts in each, and which domains there are. */
const fewest = (counts: Int32Array, isThere: Uint8Array, staying: number, minDomains: number): number => {
  if (staying < minDomains) return 0
  let least = Number.POSITIVE_INFINITY
  for (let domain = 0; domain < counts.length; domain += 1)
    if (isThere[domain] === 1) least = Math.min(least, counts[domain] ?? 0)
  return least
}

const checkOf = (model: Model, shape: Shape, { constraint, selection, counts: isCounted, nodes, pods }: Spread): Check => {
  const { maxSkew, minDomains = 1, nodeTaintsPolicy } = constraint
  const tally = model.tallies.of(pods)
  const { of, domains } = tally.topology()
  const counts = tally.counts()
  const self = selection.has(shape.labelSet) ? 1 : 0
  const there = domainsOf(model, nodes, of, domains, isCounted)
  const views = [{ counts, least: fewest(counts, there.any, there.staying, minDomains) }]
  // A cordon is a taint: with Honor its node does not count, once it is cordoned.
  if (nodeTaintsPolicy === 'Honor' && model.draining.size > 0) {
    const without = withoutDraining(model, pods, of, counts)
    views.push({ counts: without, least: fewest(without, there.kept, there.staying, minDomains) })
  }
  return ({ index }) => {
    const domain = of[index] ?? -1
    if (domain < 0) return NO_LABEL
    for (const view of views) if ((view.counts[domain] ?? 0) + self - view.least > maxSkew) return SKEWED
    return undefined
  }
}

/** Which domains have a node that counts, at all and apart from the draining ones; `staying` is the number of the latter. */
type Domains = { readonly any: Uint8Array; readonly kept: Uint8Array; readonly staying: number }
const domainsOf = (
  model: Model,
  key: string,
  of: Int32Array,
  domains: number,
  isCounted: (node: NodeEntry) => boolean,
): Domains => {
  const at = `${model.nodesVersion()} ${model.drainingVersion()}`
  const known = found.get(model)
  const all = known?.at === at ? known.all : new Map<string, Domains>()
  if (known?.at !== at) found.set(model, { at, all })
  const same = all.get(key)
  if (same) return same
  const any = new Uint8Array(domains)
  const kept = new Uint8Array(domains)
  for (const node of model.nodes.values()) {
    const domain = of[node.index] ?? -1
    if (domain < 0 || !isCounted(node)) continue
    any[domain] = 1
    if (!node.draining) kept[domain] = 1
  }
  const made = { any, kept, staying: kept.reduce((sum, each) => sum + each, 0) }
  all.set(key, made)
  return made
}
/** While the nodes and those of them that are being emptied stay the same; by which nodes count. */
const found = new WeakMap<Model, { readonly at: string; readonly all: Map<string, Domains> }>()

export const withoutDraining = (model: Model, { means, on }: Counting, of: Int32Array, counts: Int32Array): Int32Array => {
  const less = counts.slice()
  for (const node of model.draining) {
    const domain = of[node.index] ?? -1
    if (domain < 0 || !on?.(node)) continue
    for (const { shape, leaving } of node.pods) if (!leaving && means(shape)) less[domain] = (less[domain] ?? 0) - 1
  }
  return less
}

/**
 * Hard topology spread. Nodes that are being emptied count as both still there (they are, cordoned, until they are
 * deleted) and gone: a domain that only they make up is one without pods, and does not count towards minDomains.
 * Source: `plugins/podtopologyspread/filtering.go`, `common.go`.
 */
export const podTopologySpread: Rule = {
  name: NAME,
  everywhere: (model, shape) => {
    const isByDefault = hard(model.defaultConstraints).length > 0 && !shape.spec.topologySpreadConstraints?.length
    return isByDefault && isOwnerUnknown(model, shape)
      ? undecided(NAME, `is spread by the cluster's defaults, and its ${shape.owner?.kind} is not known`)
      : undefined
  },
  onNode: (model, shape) => {
    const spreads = spreadsOf(model, shape)
    if (spreads.length === 0) return undefined
    const checks = spreads.map((spread) => checkOf(model, shape, spread))
    return (node) => {
      for (const check of checks) {
        const refused = check(node)
        if (refused) return refused
      }
      return undefined
    }
  },
}
