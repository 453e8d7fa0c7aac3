import { openCost } from '../adapters/opencost/prices.ts'
import { Prices } from '../events/plan.ts'
import { UserError } from './session.ts'
import { settings } from './settings.ts'

export type PriceOptions = {
  /** A price file, or `opencost=URL`. */
  readonly prices?: string
  /** Percent off what lists and formulas say. */
  readonly discount?: string
}
export const PRICES_HELP =
  '$/h: a file {"nodes":{…},"instanceTypes":{…},"spotDiscount":0.6,"commitments":{…}} (docs/policy.md), a list {"region",…,"onDemand":{…}}, or opencost=http://HOST:9003'
export const DISCOUNT_HELP = 'percent off on-demand and guessed prices, as negotiated; nodes with a price of their own keep it'

const OPENCOST = 'opencost='

/** What the options say, without asking anybody. @throws UserError naming the file, the place in it and the remedy */
export const readPrices = ({ prices: from, discount }: PriceOptions, command: string): Prices => {
  const prices = from?.startsWith(OPENCOST)
    ? Prices.parse({ openCost: from.slice(OPENCOST.length) })
    : settings(Prices, from, `see "quartermaster ${command} --help" for --prices`)
  if (discount === undefined) return prices
  if (!/^\d{1,2}(\.\d+)?$/.test(discount)) throw new UserError(`--discount is a percentage from 0 to 99, not "${discount}"`)
  return { ...prices, discount: Number(discount) / 100 }
}

/** The same with what OpenCost says of nodes that have no price of their own. @throws UserError when it does not say it */
export const askedPrices = async (prices: Prices): Promise<Prices> => {
  if (prices.openCost === undefined) return prices
  try {
    const { nodes } = await openCost(prices.openCost).prices()
    return { ...prices, nodes: { ...nodes, ...prices.nodes } }
  } catch (error) {
    throw new UserError(`no prices from OpenCost: ${(error as Error).message}`, { cause: error })
  }
}
