import { defaultSelectors } from '../fit/default-selector.ts'
import { narrowed } from '../fit/inter-pod-affinity.ts'
import { type Asked, type Constraint, type Spread, spreadOf, withoutDraining } from '../fit/pod-topology-spread.ts'
import type { Shape } from '../model/shape.ts'
import type { Model, NodeEntry } from '../model.ts'
import { type Ground, MAX_SCORE, type Scorer } from './scorer.ts'

const HOSTNAME = 'kubernetes.io/hostname'
/** What kube-scheduler spreads pods by that say nothing themselves, when its configuration says nothing either. */
const SYSTEM_DEFAULTS: readonly Constraint[] = [
  { maxSkew: 3, topologyKey: HOSTNAME, whenUnsatisfiable: 'ScheduleAnyway' },
  { maxSkew: 5, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' },
]

type Soft = {
  readonly spreads: readonly Spread[]
  /** A node without one of the topology keys has no score; not so with the system's defaults. */
  readonly isStrict: boolean
}
const softly = (constraints: readonly Constraint[]): readonly Constraint[] =>
  constraints.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'ScheduleAnyway')

const ownAsked = ({ spec: { topologySpreadConstraints = [] }, labels }: Shape): readonly Asked[] =>
  softly(topologySpreadConstraints).map((constraint) => ({
    constraint,
    selectors: [narrowed(constraint.labelSelector, labels, constraint.matchLabelKeys)],
  }))
const defaultAsked = (model: Model, shape: Shape): readonly Asked[] => {
  const constraints = softly(model.defaultConstraints.length > 0 ? model.defaultConstraints : SYSTEM_DEFAULTS)
  const selectors = constraints.length > 0 ? defaultSelectors(model, shape) : []
  return selectors.length === 0 ? [] : constraints.map((constraint) => ({ constraint, selectors }))
}

const ofGrounds = new WeakMap<Ground, WeakMap<Shape, Soft>>()
const softOf = (ground: Ground, shape: Shape): Soft => {
  const ofShapes = ofGrounds.get(ground) ?? new WeakMap<Shape, Soft>()
  ofGrounds.set(ground, ofShapes)
  const known = ofShapes.get(shape)
  if (known) return known
  const { model } = ground
  const isOwn = (shape.spec.topologySpreadConstraints ?? []).length > 0
  const asked = isOwn ? ownAsked(shape) : defaultAsked(model, shape)
  const isStrict = isOwn || model.defaultConstraints.length > 0
  const keys = isStrict ? asked.map(({ constraint }) => constraint.topologyKey) : []
  const made = { spreads: asked.map((each) => spreadOf(model, shape, each, keys)), isStrict }
  ofShapes.set(shape, made)
  return made
}

/** The pods that count in the domain of each node, by what is to be added up for the constraint. */
type Counted = { readonly maxSkew: number; readonly of: Int32Array; readonly counts: Int32Array; readonly isByHost: boolean }
const countedOf = (model: Model, { constraint, pods }: Spread): Counted => {
  const tally = model.tallies.of(pods)
  const { of } = tally.topology()
  const isCordonFelt = constraint.nodeTaintsPolicy === 'Honor' && model.draining.size > 0
  const counts = isCordonFelt ? withoutDraining(model, pods, of, tally.counts()) : tally.counts()
  return { maxSkew: constraint.maxSkew, of, counts, isByHost: constraint.topologyKey === HOSTNAME }
}

/** How many domains there are among the nodes that can be scored; those without the label are one. */
const sizeOf = ({ of, counts, isByHost }: Counted, nodes: readonly NodeEntry[], unscored: Uint8Array | undefined): number => {
  if (isByHost && !unscored) return nodes.length
  let size = 0
  const isSeen = new Uint8Array(counts.length + 1)
  for (let at = 0; at < nodes.length; at += 1) {
    const domain = (of[nodes[at]?.index ?? -1] ?? -1) + 1
    if (unscored?.[at] === 1 || (!isByHost && isSeen[domain] === 1)) continue
    isSeen[domain] = 1
    size += 1
  }
  return size
}

/** The fewer of the pod's like are in a node's domains the better: least and most stand for 100 and what is left. */
const normalise = (into: Float64Array, count: number, unscored: Uint8Array | undefined): void => {
  let [least, most] = [Number.POSITIVE_INFINITY, 0]
  for (let at = 0; at < count; at += 1) {
    if (unscored?.[at] === 1) continue
    const sum = into[at] ?? 0
    if (sum < least) least = sum
    if (sum > most) most = sum
  }
  for (let at = 0; at < count; at += 1) {
    if (unscored?.[at] === 1) into[at] = 0
    else into[at] = most === 0 ? MAX_SCORE : Math.floor((MAX_SCORE * (most + least - (into[at] ?? 0))) / most)
  }
}

/** The nodes that lack a topology key, where that matters: 1 for each. */
const unscoredOf = (counted: readonly Counted[], nodes: readonly NodeEntry[]): Uint8Array | undefined => {
  let found: Uint8Array | undefined
  for (let at = 0; at < nodes.length; at += 1) {
    if (counted.every(({ of }) => (of[nodes[at]?.index ?? -1] ?? -1) >= 0)) continue
    found ??= new Uint8Array(nodes.length)
    found[at] = 1
  }
  return found
}

/** Soft topology spread, the pod's own or by default. Source: `plugins/podtopologyspread/scoring.go`. */
export const podTopologySpread: Scorer = {
  name: 'PodTopologySpread',
  scores: (ground, shape) => {
    const { spreads, isStrict } = softOf(ground, shape)
    if (spreads.length === 0) return undefined
    const counted = spreads.map((spread) => countedOf(ground.model, spread))
    return (nodes, into) => {
      const unscored = isStrict ? unscoredOf(counted, nodes) : undefined
      // Pods in small topologies are not to be watered down by those in larger ones.
      const terms = counted.map((each) => ({ ...each, factor: Math.log(sizeOf(each, nodes, unscored) + 2) }))
      into.fill(0, 0, nodes.length)
      for (const { of, counts, maxSkew, factor } of terms)
        for (let at = 0; at < nodes.length; at += 1) {
          const domain = of[nodes[at]?.index ?? -1] ?? -1
          if (domain >= 0) into[at] = (into[at] ?? 0) + ((counts[domain] ?? 0) * factor + (maxSkew - 1))
        }
      for (let at = 0; at < nodes.length; at += 1) into[at] = Math.round(into[at] ?? 0)
      normalise(into, nodes.length, unscored)
    }
  },
}
