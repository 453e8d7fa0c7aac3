import { capacityTypeOf } from '../../events/capacity-type.ts'
import type { Commitments, Reason } from '../../events/plan.ts'
import type { NodeEntry } from './model.ts'

const INSTANCE_TYPE = 'node.kubernetes.io/instance-type'
const ZONE = 'topology.kubernetes.io/zone'

/** Nodes that one commitment covers up to an amount; what they cost beyond it goes on to the next, or is paid. */
type Pool = {
  /** What it covers, in $/h at the prices of its nodes. */
  readonly covered: number
  /** Index of the pool that takes what is beyond. */
  readonly next: number | undefined
  readonly name: string
}
/** What nodes cost when a part of them is paid for in any case. */
export type Bill = {
  /** $/h of each node by itself. */
  readonly list: ReadonlyMap<NodeEntry, number>
  /** $/h that go whatever nodes there are. */
  readonly fixed: number
  /** In an order in which each goes on to a later one. */
  readonly pools: readonly Pool[]
  /** The first pool of a node that has one. */
  readonly poolOf: ReadonlyMap<NodeEntry, number>
  /** $/h of these nodes together and of all that is committed. */
  readonly total: (nodes: Iterable<NodeEntry>) => number
}

const labelsOf = ({ object }: NodeEntry): Readonly<Record<string, string>> => object?.metadata.labels ?? {}

type Draft = { readonly matches: (node: NodeEntry) => boolean; readonly pool: Pool; readonly fixed: number }

/** A commitment of instances, as dear as the dearest node that it covers. */
const instances = ({ instances: all, spend }: Commitments, list: Bill['list']): readonly Draft[] => {
  const ordered = [...all.filter(({ zone }) => zone !== undefined), ...all.filter(({ zone }) => zone === undefined)]
  const last = spend.length > 0 ? ordered.length : undefined
  return ordered.map(({ instanceType, zone, count, hourly }, index) => {
    const matches = (node: NodeEntry): boolean =>
      labelsOf(node)[INSTANCE_TYPE] === instanceType && (zone === undefined || labelsOf(node)[ZONE] === zone)
    const price = [...list].reduce((most, [node, each]) => (matches(node) ? Math.max(most, each) : most), 0)
    const then = ordered.findIndex(
      (other, at) => at > index && other.instanceType === instanceType && (other.zone === undefined || other.zone === zone),
    )
    const name = `${count} of ${instanceType}${zone === undefined ? '' : ` in ${zone}`}`
    return { matches, fixed: count * (hourly ?? price), pool: { covered: count * price, next: then < 0 ? last : then, name } }
  })
}
/** All commitments to spend, as one: whichever covers first, together they cover as much. */
const spending = ({ spend }: Commitments): readonly Draft[] => {
  const fixed = spend.reduce((sum, { hourly }) => sum + hourly, 0)
  const covered = spend.reduce((sum, { hourly, discount }) => sum + hourly / (1 - discount), 0)
  return spend.length > 0
    ? [{ matches: () => true, fixed, pool: { covered, next: undefined, name: `$${fixed}/h to be spent` } }]
    : []
}

/** @param list $/h of each node by itself */
export const billOf = (list: Bill['list'], commitments: Commitments): Bill => {
  const drafts = [...instances(commitments, list), ...spending(commitments)]
  const pools = drafts.map(({ pool }) => pool)
  const fixed = drafts.reduce((sum, draft) => sum + draft.fixed, 0)
  const poolOf = new Map<NodeEntry, number>()
  for (const node of drafts.length > 0 ? list.keys() : []) {
    if (capacityTypeOf(labelsOf(node)) === 'spot') continue
    const pool = drafts.findIndex(({ matches }) => matches(node))
    if (pool >= 0) poolOf.set(node, pool)
  }
  const total = (nodes: Iterable<NodeEntry>): number => {
    const use = pools.map(() => 0)
    let sum = fixed
    for (const node of nodes) {
      const pool = poolOf.get(node)
      if (pool === undefined) sum += list.get(node) ?? 0
      else use[pool] = (use[pool] ?? 0) + (list.get(node) ?? 0)
    }
    for (const [index, { covered, next }] of pools.entries()) {
      const beyond = Math.max(0, (use[index] ?? 0) - covered)
      if (next === undefined) sum += beyond
      else use[next] = (use[next] ?? 0) + beyond
    }
    return sum
  }
  return { list, fixed, pools, poolOf, total }
}

/** What each node saves when it goes, and why some save nothing. */
export type Shares = {
  /** $/h. */
  readonly hourly: ReadonlyMap<NodeEntry, number>
  readonly covered: ReadonlyMap<NodeEntry, Reason>
}

/**
 * Hands out what is committed to nodes, in this order, as far as it goes: those are as good as paid for. Never does a set of
 * nodes cost more together than the sum of what is left to each, and `fixed`.
 */
export const sharesOf = ({ list, pools, poolOf }: Bill, order: readonly NodeEntry[]): Shares => {
  const hourly = new Map(list)
  const covered = new Map<NodeEntry, Reason>()
  for (const [index, pool] of pools.entries()) {
    let left = pool.covered
    for (const node of order) {
      const price = hourly.get(node) ?? 0
      if (price === 0 || !reaches(pools, poolOf.get(node), index)) continue
      const share = Math.min(left, price)
      left -= share
      hourly.set(node, price - share)
      if (price - share <= TINY) {
        hourly.set(node, 0)
        covered.set(node, { code: 'Committed', message: `it is paid for whether it stays or not: ${pool.name} committed` })
      }
      if (left <= TINY) break
    }
  }
  return { hourly, covered }
}
const TINY = 1e-9
const reaches = (pools: readonly Pool[], from: number | undefined, to: number): boolean => {
  for (let at = from; at !== undefined; at = pools[at]?.next) if (at === to) return true
  return false
}
