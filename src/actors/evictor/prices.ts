import { capacityTypeOf } from '../../events/capacity-type.ts'
import type { Node } from '../../events/kubernetes.ts'
import type { Prices, Pricing } from '../../events/plan.ts'
import { quantity } from '../../events/quantity.ts'

const ANNOTATION = 'quartermaster.dev/hourly-price'
const INSTANCE_TYPE = 'node.kubernetes.io/instance-type'
const GPUS = ['nvidia.com/gpu', 'amd.com/gpu']

type Price = {
  readonly hourly: number
  /** Where it is from: a public list, what somebody says of this cluster, or a formula. */
  readonly basis: 'list' | 'custom' | 'guessed'
}

/** Rough weights for a node that nobody has priced: they order nodes sensibly, and its basis says what they are. */
const formula = ({ status: { allocatable } }: Node, { core, gib, gpu }: Prices['fallback']): number => {
  const amount = (name: string): number => quantity(allocatable[name] ?? 0)
  const gpus = GPUS.reduce((sum, name) => sum + amount(name), 0)
  return core * amount('cpu') + (gib * amount('memory')) / 2 ** 30 + gpu * gpus
}
const annotated = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined

/**
 * What a node costs, in $/h: its annotation `quartermaster.dev/hourly-price`, else the price of its name, else that of its
 * instance type, else a formula over its cores, memory and GPUs; the last two less the discounts, for spot too.
 */
export const priceOf = (node: Node, prices: Prices): Price => {
  const { labels = {}, annotations = {}, name } = node.metadata
  const own = annotated(annotations[ANNOTATION]) ?? prices.nodes[name]
  if (own !== undefined) return { hourly: own, basis: 'custom' }
  const part = (1 - prices.discount) * (capacityTypeOf(labels) === 'spot' ? 1 - prices.spotDiscount : 1)
  const typed = prices.instanceTypes[labels[INSTANCE_TYPE] ?? '']
  if (typed !== undefined) return { hourly: typed * part, basis: prices.basis }
  return { hourly: formula(node, prices.fallback) * part, basis: 'guessed' }
}

/** How many nodes are priced how. */
export const pricingOf = (nodes: Iterable<Node>, prices: Prices): Pricing => {
  const counts = { list: 0, custom: 0, guessed: 0 }
  for (const node of nodes) counts[priceOf(node, prices).basis] += 1
  return { currency: prices.currency, ...counts }
}
