import { selects } from '../../../events/selector.ts'
import type { Bill } from '../commitments.ts'
import type { Task } from '../emptying.ts'
import { standing, standingKey } from '../fit.ts'
import { requiredTerms, type Shape } from '../model/shape.ts'
import type { NodeEntry, PodEntry } from '../model.ts'
import { toMove } from '../placing.ts'

/** Pods that ask for the same and suit the same nodes: which of them goes where is all one. */
export type Kind = {
  /** By resource, in the model's whole units. */
  readonly ask: Float64Array
  /** So many of them on one node at most. */
  readonly most: number
  /** Of all that a plan may move. */
  readonly count: number
  /** Kinds of one trait suit the same nodes. */
  readonly trait: number
}
/** A node that is kept or emptied. */
export type Host = {
  readonly node: NodeEntry
  readonly price: number
  /** It can't be emptied. */
  readonly isFixed: boolean
  /** Its own pods that a plan may move: kind and how many. */
  readonly own: readonly (readonly [kind: number, count: number])[]
  readonly pods: number
  /**
   * How much it unsettles to empty it, in pods of mean size: each counts a little, and those beside a larger one for what they
   * are: they go with it, before the larger ones of other hosts, and take up room that is scarce.
   */
  readonly unrest: number
  /** What it has left beside all its pods, by resource. */
  readonly room: Float64Array
  /** Which traits it suits: the same text, the same answers. */
  readonly suits: string
}
/**
 * The cluster in numbers: all that counts is how many pods of a kind are on which node. What pods mind of each other is
 * seen only as far as it keeps two of one shape off one node.
 */
export type Outline = {
  readonly kinds: readonly Kind[]
  readonly hosts: readonly Host[]
  /** How many resources somebody asks for. */
  readonly resources: number
  /** Places that are kept for pods to come, by kind; they count among its pods. */
  readonly toCome: readonly (readonly [kind: number, count: number])[]
  readonly kindOf: ReadonlyMap<Shape, number>
  /** What is committed: then hosts have a price of their own only as far as nothing covers them. */
  readonly bill?: Bill
}

const HOSTNAME = 'kubernetes.io/hostname'
/** Whether its own anti-affinity or host ports keep pods of the shape on different nodes. */
const isExclusive = ({ ports, spec, namespace, labels }: Shape): boolean =>
  ports.length > 0 ||
  requiredTerms(spec, 'podAntiAffinity').some(
    ({ topologyKey, namespaces = [], namespaceSelector, labelSelector, mismatchLabelKeys = [] }) =>
      topologyKey === HOSTNAME &&
      (namespaces.length === 0 ? !namespaceSelector : namespaces.includes(namespace)) &&
      mismatchLabelKeys.length === 0 &&
      selects(labelSelector, labels),
  )
const haveHostnames = (nodes: readonly NodeEntry[]): boolean => nodes.every(({ object }) => object?.metadata.labels?.[HOSTNAME])

type Draft = { readonly shape: Shape; readonly trait: number; most: number; count: number }
const createKinds = (canExclude: boolean) => {
  const drafts: Draft[] = []
  const kindOf = new Map<Shape, number>()
  const byKey = new Map<string, number>()
  const traits = new Map<string, number>()
  const make = (shape: Shape): number => {
    const standingAs = standingKey(shape)
    const isAlone = canExclude && isExclusive(shape)
    const key = `${shape.demand.join(';')}|${isAlone ? shape.key : standingAs}`
    const kind = byKey.get(key) ?? drafts.length
    byKey.set(key, kind)
    const trait = traits.get(standingAs) ?? traits.size
    traits.set(standingAs, trait)
    if (kind === drafts.length) drafts.push({ shape, trait, most: isAlone ? 1 : Number.POSITIVE_INFINITY, count: 0 })
    kindOf.set(shape, kind)
    return kind
  }
  const tally = (pods: readonly PodEntry[]): Host['own'] => {
    const own = new Map<number, number>()
    for (const { shape } of pods) {
      const kind = kindOf.get(shape) ?? make(shape)
      own.set(kind, (own.get(kind) ?? 0) + 1)
    }
    for (const [kind, count] of own) {
      const draft = drafts[kind]
      if (!draft) continue
      draft.count += count
      draft.most = Math.max(draft.most, count) // where there are two already they stay as long as the node does
    }
    return [...own].sort(([a], [b]) => a - b)
  }
  return { drafts, kindOf, tally }
}

/** So much counts each pod, and so much more each that is smaller than another of its host, beside its size. */
const STEADY = 0.1
const RESTLESS = 0.3
/** Of nearly the same size as the largest. */
const AS_LARGE = 0.95
const unrest = (kinds: readonly Kind[], largest: readonly number[]): ((own: Host['own']) => number) => {
  const sizes = kinds.map(({ ask }) => ask.reduce((size, amount, r) => Math.max(size, amount / (largest[r] || 1)), 0))
  const pods = kinds.reduce((sum, { count }) => sum + count, 0)
  const mean = kinds.reduce((sum, { count }, kind) => sum + count * (sizes[kind] ?? 0), 0) / Math.max(1, pods) || 1
  return (own) => {
    const top = own.reduce((size, [kind]) => Math.max(size, sizes[kind] ?? 0), 0)
    return own.reduce((sum, [kind, count]) => {
      const size = sizes[kind] ?? 0
      return sum + count * (STEADY + (size < AS_LARGE * top ? RESTLESS + size / mean : 0))
    }, 0)
  }
}

/** The task's model as it is now. Pods of nodes that are fixed stay where they are and are of no kind. */
export const outlineOf = ({ model, nodes, hourly, fixed, disruption, headroom, bill }: Task): Outline => {
  const { allocatable, requested } = model.columns
  const { drafts, kindOf, tally } = createKinds(haveHostnames(nodes))
  const owners = nodes.map((node) => tally(fixed.has(node) ? [] : toMove(model, node, disruption)))
  const toCome = tally([...headroom.room])
  const asked = [...new Set(drafts.flatMap(({ shape }) => shape.demand.map(([resource]) => resource)))].sort((a, b) => a - b)
  const traits = [...new Map(drafts.map(({ trait, shape }) => [trait, shape])).values()].map((shape) => standing(model, shape))
  const largest = asked.map((resource) => allocatable[resource]?.reduce((most, amount) => Math.max(most, amount), 0) ?? 0)
  const kinds = drafts.map(({ shape, ...kind }) => {
    const ask = new Map(shape.demand)
    return { ...kind, ask: Float64Array.from(asked, (resource) => ask.get(resource) ?? 0) }
  })
  const unrestOf = unrest(kinds, largest)
  return {
    kinds,
    hosts: nodes.map((node, index): Host => {
      const own = owners[index] ?? []
      return {
        node,
        price: hourly.get(node) ?? 0,
        isFixed: fixed.has(node),
        own,
        pods: own.reduce((sum, [, count]) => sum + count, 0),
        unrest: unrestOf(own),
        room: Float64Array.from(asked, (r) => (allocatable[r]?.[node.index] ?? 0) - (requested[r]?.[node.index] ?? 0)),
        suits: traits.map((takes) => (takes(node) ? '1' : '0')).join(''),
      }
    }),
    resources: asked.length,
    toCome,
    kindOf,
    ...(bill.pools.length > 0 && { bill }),
  }
}

/** What the host has for pods that may be moved, by resource: its own and others'. */
export const capacityOf = ({ kinds, resources }: Outline, { room, own }: Host): Float64Array => {
  const capacity = Float64Array.from(room, (amount) => Math.max(0, amount))
  for (const [kind, count] of own)
    for (let r = 0; r < resources; r += 1) capacity[r] = (capacity[r] ?? 0) + count * (kinds[kind]?.ask[r] ?? 0)
  return capacity
}
