import type { PodAffinityTerm } from '../../../events/kubernetes.ts'
import { meant, termOf } from '../fit/inter-pod-affinity.ts'
import type { LabelSet, Selection } from '../model/labels.ts'
import { requiredTerms, type Shape } from '../model/shape.ts'
import type { Counting } from '../model/tally.ts'
import type { Model, NodeEntry } from '../model.ts'
import { type Ground, MAX_SCORE, type Scorer } from './scorer.ts'

/** Pods that are counted in the node's domain, and what each of them is worth. */
type Pull = { readonly worth: number; readonly counting: Counting }

type Weighted = { readonly weight: number; readonly term: PodAffinityTerm }
const preferred = ({ spec: { affinity } }: Shape, which: 'podAffinity' | 'podAntiAffinity'): readonly Weighted[] =>
  (affinity?.[which]?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ weight, podAffinityTerm }) => ({
    weight: which === 'podAffinity' ? weight : -weight,
    term: podAffinityTerm,
  }))
const preferences = (shape: Shape): readonly Weighted[] => [
  ...preferred(shape, 'podAffinity'),
  ...preferred(shape, 'podAntiAffinity'),
]

const ownPulls = (model: Model, shape: Shape): readonly Pull[] =>
  preferences(shape).map(({ weight, term }) => ({
    worth: weight,
    counting: meant(model, [termOf(term, shape)], term.topologyKey),
  }))

/** A term of pods that are there, by which they want others near or away. */
type Wish = { readonly key: string; readonly weight: number; readonly term: PodAffinityTerm }
const wishes = new WeakMap<Shape, readonly Wish[]>()
/** @returns the wishes of a shape, its required affinity at weight 0: the profile has that. The same twice is two wishes. */
const wishesOf = (shape: Shape): readonly Wish[] => {
  const known = wishes.get(shape)
  if (known) return known
  const terms = [...preferences(shape), ...requiredTerms(shape.spec, 'podAffinity').map((term) => ({ weight: 0, term }))]
  const seen = new Map<string, number>()
  const made = terms.map((each) => {
    const text = JSON.stringify([shape.namespace, each.weight, each.term.topologyKey, termOf(each.term, shape)])
    const times = seen.get(text) ?? 0
    seen.set(text, times + 1)
    return { ...each, key: `${times} ${text}` }
  })
  wishes.set(shape, made)
  return made
}

type Known = Wish & { readonly selection: Selection; readonly owners: Counting }
const ofGrounds = new WeakMap<
  Ground,
  { readonly all: readonly Known[]; readonly byLabels: WeakMap<LabelSet, readonly Known[]> }
>()
const knownOf = (ground: Ground) => {
  const known = ofGrounds.get(ground)
  if (known) return known
  const all = new Map<string, Known>()
  for (const shape of ground.model.shapes.values())
    for (const wish of wishesOf(shape)) if (!all.has(wish.key)) all.set(wish.key, knownWish(ground.model, wish, shape))
  const made = { all: [...all.values()], byLabels: new WeakMap<LabelSet, readonly Known[]>() }
  ofGrounds.set(ground, made)
  return made
}
const knownWish = ({ labels }: Model, wish: Wish, shape: Shape): Known => ({
  ...wish,
  selection: labels.compile([termOf(wish.term, shape)]),
  owners: {
    key: `wish ${wish.key}`,
    topologyKey: wish.term.topologyKey,
    namespaces: [shape.namespace],
    leaving: true,
    means: (other) => wishesOf(other).some(({ key }) => key === wish.key),
  },
})

/** What those that are there wish of a pod like this. */
const othersPulls = (ground: Ground, { labelSet }: Shape): readonly Pull[] => {
  const { all, byLabels } = knownOf(ground)
  const found = byLabels.get(labelSet) ?? all.filter(({ selection }) => selection.has(labelSet))
  byLabels.set(labelSet, found)
  return found.map(({ weight, owners }) => ({ worth: weight || ground.profile.hardPodAffinityWeight, counting: owners }))
}

const pulled = ({ tallies }: Model, pulls: readonly Pull[]): ((node: NodeEntry) => number) => {
  const each = pulls.map(({ worth, counting }) => {
    const tally = tallies.of(counting)
    return { worth, of: tally.topology().of, counts: tally.counts() }
  })
  return ({ index }) => {
    let sum = 0
    for (const { worth, of, counts } of each) sum += worth * (counts[of[index] ?? -1] ?? 0)
    return sum
  }
}

/**
 * Preferred pod affinity and anti-affinity, the pod's own and those of the pods that are there, and their required affinity.
 * Source: `plugins/interpodaffinity/scoring.go`.
 */
export const interPodAffinity: Scorer = {
  name: 'InterPodAffinity',
  scores: (ground, shape) => {
    const own = ownPulls(ground.model, shape)
    if (own.length === 0 && ground.profile.ignorePreferredTermsOfExistingPods) return undefined
    const pulls = [...own, ...othersPulls(ground, shape)]
    if (pulls.length === 0) return undefined
    const pull = pulled(ground.model, pulls)
    return (nodes, into) => {
      let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
      for (const [at, node] of nodes.entries()) {
        const score = pull(node)
        into[at] = score
        least = Math.min(least, score)
        most = Math.max(most, score)
      }
      for (let at = 0; at < nodes.length; at += 1)
        into[at] = most > least ? Math.trunc(MAX_SCORE * (((into[at] ?? 0) - least) / (most - least))) : 0
    }
  },
}
