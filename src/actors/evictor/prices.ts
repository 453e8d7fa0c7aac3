import { capacityTypeOf } from '../../events/capacity-type.ts'
import type { Node } from '../../events/kubernetes.ts'
import type { Prices } from '../../events/plan.ts'
import { quantity } from '../../events/quantity.ts'

const ANNOTATION = 'quartermaster.dev/hourly-price'
const INSTANCE_TYPE = 'node.kubernetes.io/instance-type'
// Rough weights for a node that nobody has priced: they order nodes sensibly and say so by their source.
const CORE_PRICE = 0.035
const GIB_PRICE = 0.0045
const GPU_PRICE = 1
const GPUS = ['nvidia.com/gpu', 'amd.com/gpu']

export type Price = { readonly hourly: number; readonly source: 'annotation' | 'node' | 'instanceType' | 'formula' }

const formula = ({ status: { allocatable } }: Node): number => {
  const amount = (name: string): number => quantity(allocatable[name] ?? 0)
  const gpus = GPUS.reduce((sum, name) => sum + amount(name), 0)
  return CORE_PRICE * amount('cpu') + (GIB_PRICE * amount('memory')) / 2 ** 30 + GPU_PRICE * gpus
}
const annotated = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined

/**
 * What a node costs, in $/h: its annotation `quartermaster.dev/hourly-price`, else the price file by node, else by instance
 * type (less the discount for spot), else a formula over its cores, memory and GPUs.
 */
export const priceOf = (node: Node, prices: Prices): Price => {
  const { labels = {}, annotations = {}, name } = node.metadata
  const discount = capacityTypeOf(labels) === 'spot' ? 1 - prices.spotDiscount : 1
  const own = annotated(annotations[ANNOTATION])
  if (own !== undefined) return { hourly: own, source: 'annotation' }
  const named = prices.nodes[name]
  if (named !== undefined) return { hourly: named, source: 'node' }
  const typed = prices.instanceTypes[labels[INSTANCE_TYPE] ?? '']
  if (typed !== undefined) return { hourly: typed * discount, source: 'instanceType' }
  return { hourly: formula(node) * discount, source: 'formula' }
}
