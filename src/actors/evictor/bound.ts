import type { Disruption } from './disruption.ts'
import type { Model, NodeEntry } from './model.ts'

type Offer = { readonly amount: number; readonly hourly: number }

/** The cheapest fractional cover of a demand: the cheapest unit first. Exact for one resource; ties by size, so that the sum never depends on the order of arrival. */
const cover = (demand: number, offers: readonly Offer[]): number => {
  let left = demand
  let cost = 0
  for (const { amount, hourly } of offers.toSorted((a, b) => a.hourly / a.amount - b.hourly / b.amount || b.amount - a.amount)) {
    if (left <= 0) break
    cost += hourly * Math.min(1, left / amount)
    left -= amount
  }
  return cost
}

/**
 * A lower bound, in $/h, of any choice among these nodes that has room for the bound pods: for each resource alone, what
 * the cheapest part of the nodes costs that offers as much as the pods ask; the largest of these. Pods that come with
 * every node (DaemonSet, static) count against their node instead.
 */
export const volumeBound = (model: Model, { staysBehind }: Disruption, hourly: ReadonlyMap<NodeEntry, number>): number => {
  const { columns } = model
  const demand = columns.names.map(() => 0)
  const taken = columns.names.map(() => new Map<NodeEntry, number>())
  for (const pod of model.pods.values()) {
    if (!pod.node?.object || pod.leaving) continue
    for (const [resource, amount] of pod.shape.demand) {
      if (!staysBehind(pod)) demand[resource] = (demand[resource] ?? 0) + amount
      else taken[resource]?.set(pod.node, (taken[resource]?.get(pod.node) ?? 0) + amount)
    }
  }
  const costs = columns.names.map((_, resource) => {
    const offers = [...hourly].map(([node, price]) => ({
      amount: (columns.allocatable[resource]?.[node.index] ?? 0) - (taken[resource]?.get(node) ?? 0),
      hourly: price,
    }))
    return cover(
      demand[resource] ?? 0,
      offers.filter(({ amount }) => amount > 0),
    )
  })
  return Math.max(0, ...costs)
}
