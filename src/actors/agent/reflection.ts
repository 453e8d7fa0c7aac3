import type { Kind } from '../../events/kinds.ts'
import { Gone, type KubernetesDiscovery, Refused, Unavailable } from '../../ports.ts'
import type { EffectContext } from '../../runtime/types.ts'
import type { Reflection } from '../agent.ts'
import { gatheredNews } from './news.ts'
import { openPlaces, type Places } from './places.ts'
import type { Ends } from './stream.ts'

/** In ms. */
type Pace = {
  /** Between two looks at what is served. */
  readonly lookMs: number
  /** The least between two looks, when something seems wrong. */
  readonly soonMs: number
  /** So long news is gathered: at a start, and when the API goes away, all kinds have some within moments. */
  readonly gatherMs: number
}

export type Means = Ends & {
  readonly kinds: readonly Kind[]
  readonly discovery: KubernetesDiscovery
  readonly pace?: Pace
}

const PACE: Pace = { lookMs: 120_000, soonMs: 10_000, gatherMs: 500 }

/**
 * Reads every kind that is served until the signal aborts, and looks again and again for what is served: kinds come and
 * go without a word to the others. What keeps objects from being stored (another agent took over, NATS refuses) ends it.
 */
export const reflectAll = async (means: Means, given: Reflection, context: EffectContext): Promise<void> => {
  const life = new AbortController()
  const signal = AbortSignal.any([context.signal, life.signal])
  const { gatherMs } = means.pace ?? PACE
  const news = gatheredNews(gatherMs, (kinds) => context.report({ type: 'agent.KindsChanged', kinds }))
  const places = openPlaces(means, news, signal)
  try {
    begin(means.kinds, given, context.attempt === 1 && given.relist, places)
    await Promise.race([places.failed, news.failed, follow(means, given, context.attempt === 1, places, signal)])
  } finally {
    life.abort(new Error('the reflection ends'))
    news.stop()
    await places.stop()
  }
}

const begin = (kinds: readonly Kind[], { served }: Reflection, relist: boolean, places: Places): void => {
  for (const kind of kinds) {
    const version = served[kind.name]
    if (version !== undefined) places.start(kind, version, relist)
  }
}

const follow = async (means: Means, given: Reflection, isNews: boolean, places: Places, signal: AbortSignal): Promise<never> => {
  const { lookMs, soonMs } = means.pace ?? PACE
  const away = means.kinds.flatMap((kind) => {
    const { why, reason } = given.unavailable[kind.name] ?? {}
    return why === undefined || reason === undefined ? [] : [places.settle({ kind, is: why, reason })]
  })
  await Promise.all(away)
  // What was found for a process before this one may be long past.
  let stall = places.stall()
  let isSure = isNews || (await look(means, places, signal))
  for (;;) {
    await pause(soonMs, signal)
    // A kind that stalls may be gone.
    if (isSure) await pause(lookMs - soonMs, signal, stall)
    stall = places.stall()
    isSure = await look(means, places, signal)
  }
}

/** @returns whether all is as it was found to be; if not, another look tells */
const look = async ({ discovery, kinds }: Means, places: Places, signal: AbortSignal): Promise<boolean> => {
  try {
    const findings = await discovery.discover(kinds, signal)
    const settled = await Promise.all(findings.map(places.settle))
    return settled.every((isSettled) => isSettled)
  } catch (error) {
    // An API that can't be asked says nothing about what it serves; the streams say that it is away.
    if (error instanceof Unavailable || error instanceof Refused || error instanceof Gone) return true
    throw error
  }
}

const pause = (ms: number, signal: AbortSignal, woken?: Promise<void>): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  const abort = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  void woken?.then(resolve)
  return promise.finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  })
}
