import type { NodeEntry, PodEntry } from '../model.ts'
import type { Columns } from './columns.ts'
import type { Tallies } from './tally.ts'

/** How many pods on nodes use each claim, by `namespace/name`. */
export type ClaimUse = Map<string, number>

const used = (use: ClaimUse, claim: string, sign: 1 | -1): void => {
  const count = (use.get(claim) ?? 0) + sign
  if (count === 0) use.delete(claim)
  else use.set(claim, count)
}

/**
 * Pods of a node or of a shape, in no order that means anything: the last one takes the place of who leaves. Each pod knows
 * its own, so there is no table to look it up in: 150,000 pods move without one.
 */
export const join = (list: PodEntry[], pod: PodEntry, place: 'seat' | 'rank'): void => {
  pod[place] = list.push(pod) - 1
}
export const leave = (list: PodEntry[], pod: PodEntry, place: 'seat' | 'rank'): void => {
  const last = list.pop()
  if (!last || last === pod) return
  list[pod[place]] = last
  last[place] = pod[place]
}

/**
 * Puts pods onto nodes and takes them off: the sums of what is requested, the claims in use and all tallies follow.
 * A pod takes what it holds where it runs, and what it asks for anywhere else.
 */
export const createRoom = (columns: Columns, tallies: Tallies, claimUse: ClaimUse) => {
  const change = (pod: PodEntry, node: NodeEntry, sign: 1 | -1): void => {
    const { held, demand, claims, namespace } = pod.shape
    for (const [resource, amount] of node === pod.home ? held : demand) {
      const column = columns.requested[resource]
      if (column) column[node.index] = (column[node.index] ?? 0) + sign * amount
    }
    for (const claim of claims) {
      used(claimUse, `${namespace}/${claim}`, sign)
      used(node.claims, `${namespace}/${claim}`, sign)
    }
    tallies.count(pod, node, sign)
  }
  return (pod: PodEntry, to: NodeEntry | undefined): void => {
    if (pod.node) {
      leave(pod.node.pods, pod, 'seat')
      change(pod, pod.node, -1)
    }
    pod.node = to
    if (!to) return
    join(to.pods, pod, 'seat')
    change(pod, to, 1)
  }
}
