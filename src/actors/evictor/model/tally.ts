import type { NodeEntry, PodEntry } from '../model.ts'
import type { Shape } from './shape.ts'
import type { Topology } from './topology.ts'

/**
 * How many pods of some kind are in each domain of a topology. Invariant: while its version is the nodes', the counts are
 * those of the model as it is, moves on trial included; else they are counted anew when asked for.
 */
export type Tally = {
  readonly counts: () => Int32Array
  readonly topology: () => Topology
  /** Pods counted in all. */
  readonly total: () => number
}

/** What is counted, and where. */
export type Counting = {
  readonly key: string
  readonly topologyKey: string
  /** The namespaces of all pods that count; undefined: any. */
  readonly namespaces: readonly string[] | undefined
  /** Whether pods of the shape count. */
  readonly means: (shape: Shape) => boolean
  /** Whether pods that are being deleted count. */
  readonly leaving: boolean
  /** On which nodes; by default on all that have the topology key. */
  readonly on?: (node: NodeEntry) => boolean
}

type Kept = Tally & { readonly means: Counting['means']; readonly add: (pod: PodEntry, node: NodeEntry, sign: 1 | -1) => void }

/** The tallies somebody has asked for, kept up to date pod by pod. */
export type Tallies = {
  readonly of: (counting: Counting) => Tally
  /** A pod has come to a node (+1) or left it (-1). */
  readonly count: (pod: PodEntry, node: NodeEntry, sign: 1 | -1) => void
  /** Nobody counts any more: asked again, all is counted anew. */
  readonly forget: () => void
}

/** Old tallies are dropped beyond this many: rollouts leave them behind. */
const MOST = 20_000

export type Grounds = {
  /** The shapes of a namespace; of all, without one. */
  readonly shapes: (namespace?: string) => Iterable<Shape>
  readonly topology: (key: string) => Topology
  readonly version: () => number
}

export const createTallies = ({ shapes, topology, version }: Grounds): Tallies => {
  const tallies = new Map<string, Kept>()
  const byNamespace = new Map<string | undefined, Set<Kept>>()
  /** Which tallies count a shape; found again when another tally has come. */
  let concerned = new WeakMap<Shape, readonly Kept[]>()
  const concernedBy = (shape: Shape): readonly Kept[] => {
    const known = concerned.get(shape)
    if (known) return known
    const possible = [...(byNamespace.get(shape.namespace) ?? []), ...(byNamespace.get(undefined) ?? [])]
    const found = possible.filter(({ means }) => means(shape))
    concerned.set(shape, found)
    return found
  }
  const clear = (): void => {
    tallies.clear()
    byNamespace.clear()
    concerned = new WeakMap()
  }
  return {
    of(counting) {
      const known = tallies.get(counting.key)
      if (known) return known
      if (tallies.size >= MOST) clear()
      const tally = tallyOf(counting, { shapes, topology, version })
      tallies.set(counting.key, tally)
      for (const namespace of counting.namespaces ?? [undefined])
        byNamespace.set(namespace, (byNamespace.get(namespace) ?? new Set()).add(tally))
      concerned = new WeakMap()
      return tally
    },
    count(pod, node, sign) {
      if (tallies.size === 0) return
      for (const tally of concernedBy(pod.shape)) tally.add(pod, node, sign)
    },
    forget: clear,
  }
}

const tallyOf = ({ topologyKey, namespaces, means, leaving, on }: Counting, { shapes, topology, version }: Grounds): Kept => {
  let counts = new Int32Array()
  let of: Topology | undefined
  let at = -1
  let total = 0
  const add = (pod: PodEntry, node: NodeEntry, sign: 1 | -1): void => {
    const domain = of?.of[node.index] ?? -1
    if (at !== version() || domain < 0 || (pod.leaving && !leaving) || (on && !on(node))) return
    counts[domain] = (counts[domain] ?? 0) + sign
    total += sign
  }
  const addAll = ({ pods }: Shape): void => {
    for (const pod of pods) if (pod.node) add(pod, pod.node, 1)
  }
  const current = (): Topology => {
    if (of && at === version()) return of
    of = topology(topologyKey)
    at = version()
    counts = new Int32Array(of.domains)
    total = 0
    for (const namespace of namespaces ?? [undefined]) for (const shape of shapes(namespace)) if (means(shape)) addAll(shape)
    return of
  }
  return {
    means,
    add,
    topology: current,
    counts: () => {
      current()
      return counts
    },
    total: () => {
      current()
      return total
    },
  }
}
