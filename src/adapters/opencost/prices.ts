import { request } from 'undici'
import { z } from 'zod'
import { Prices } from '../../events/plan.ts'
import { Failed, type PriceSource, Unavailable } from '../../ports.ts'

/** What nodes cost on average over so long: a price that changed today is still half of it. */
const WINDOW = '24h'
const TIMEOUT_MS = 30_000

// `GET /assets` of OpenCost (core/pkg/opencost/asset_json.go); Kubecost answers the same under `/model/assets`, in a list.
const Answer = z.object({
  code: z.number().optional(),
  message: z.string().optional(),
  data: z.union([z.record(z.string(), z.unknown()), z.array(z.record(z.string(), z.unknown()).nullable())]),
})
const Typed = z.object({ type: z.string() })
/** `totalCost` is for the minutes in which the node was there, with adjustments and discounts; without its disks. */
const NodeAsset = z.object({
  properties: z.object({ name: z.string().min(1), cluster: z.string().optional() }),
  end: z.string(),
  minutes: z.number().min(0),
  totalCost: z.number().min(0),
})
type NodeAsset = z.infer<typeof NodeAsset>

/**
 * What OpenCost (or Kubecost) says that each node costs.
 * @param base its API, such as `http://localhost:9003`, or `…/model` of Kubecost; `?cluster=NAME` names one of several clusters
 */
export const openCost = (base: string): PriceSource => {
  const { cluster, url } = addressOf(base)
  return {
    async prices(signal) {
      const nodes = assetsIn(await answerOf(url, signal), url).filter(
        ({ properties }) => cluster === null || properties.cluster === cluster,
      )
      const clusters = [...new Set(nodes.map(({ properties }) => properties.cluster))]
      if (clusters.length > 1)
        throw new Failed(`${url}: it tells of several clusters (${clusters.join(', ')}): name one, opencost=${base}?cluster=NAME`)
      if (nodes.length === 0)
        throw new Failed(`${url}: it tells of no node${cluster === null ? '' : ` of the cluster "${cluster}"`}`)
      return Prices.parse({ nodes: hourlyOf(nodes) })
    },
  }
}

const addressOf = (base: string): { readonly cluster: string | null; readonly url: string } => {
  if (!/^https?:\/\//.test(base) || !URL.canParse(base))
    throw new Failed(`"${base}" is no address of OpenCost: opencost=http://HOST:9003`)
  const url = new URL(base)
  // They would not be sent, and the address stands in messages.
  if (url.username !== '' || url.password !== '')
    throw new Failed(`the address of OpenCost at ${url.host} has a user or a password in it: it is asked without; take them out`)
  const cluster = url.searchParams.get('cluster')
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/assets`
  url.search = new URLSearchParams({ window: WINDOW, accumulate: 'true', filter: 'assetType:"node"' }).toString()
  return { cluster, url: url.href }
}

const answerOf = async (url: string, signal: AbortSignal | undefined): Promise<unknown> => {
  const limit = AbortSignal.timeout(TIMEOUT_MS)
  const silent = (error: unknown): never => {
    if (signal?.aborted) throw signal.reason
    throw new Unavailable(`${url} does not answer: ${(error as Error).message}`, { cause: error })
  }
  const { statusCode, body } = await request(url, {
    headers: { accept: 'application/json' },
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
  }).catch(silent)
  const text = await body.text().catch(silent)
  if (statusCode !== 200) throw new Unavailable(`${url} answers ${statusCode}: ${text.slice(0, 200)}`)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Failed(`${url}: it answers no JSON: is it OpenCost's API (port 9003), not its page?`, { cause: error })
  }
}

const placeOf = ({ issues: [issue] }: z.ZodError, before: string): string =>
  `${[before, ...(issue?.path ?? []).map(String)].filter(Boolean).join('.')}: ${issue?.message}`

/** @throws Failed naming the field that makes no sense */
const assetsIn = (answer: unknown, url: string): readonly NodeAsset[] => {
  const parsed = Answer.safeParse(answer)
  if (!parsed.success) throw new Failed(`${url}: ${placeOf(parsed.error, '')}`)
  const { code = 200, message = 'no reason', data } = parsed.data
  if (code !== 200) throw new Failed(`${url}: it refuses (${code}): ${message}`)
  const sets = Array.isArray(data) ? data.map((set, index) => [`data.${index}`, set ?? {}] as const) : [['data', data] as const]
  return sets.flatMap(([before, set]) =>
    Object.entries(set).flatMap(([key, asset]) => {
      if (Typed.safeParse(asset).data?.type !== 'Node') return []
      const node = NodeAsset.safeParse(asset)
      if (!node.success) throw new Failed(`${url}: ${placeOf(node.error, `${before}["${key}"]`)}`)
      return [node.data]
    }),
  )
}

/** Of nodes that had the same name one after the other the last counts. One that was there for no minute has no price. */
const hourlyOf = (nodes: readonly NodeAsset[]): Readonly<Record<string, number>> =>
  Object.fromEntries(
    nodes
      .filter(({ minutes }) => minutes > 0)
      .toSorted((a, b) => Date.parse(a.end) - Date.parse(b.end))
      .map(({ properties, minutes, totalCost }) => [properties.name, (60 * totalCost) / minutes]),
  )
