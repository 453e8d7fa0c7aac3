import type { Chance } from './chance.ts'
import { type Clock, pause } from './clock.ts'
import type { Licence } from './licence.ts'
import type { Meter } from './meter.ts'
import type { Slots } from './slots.ts'
import type { Address, EffectContext, EffectDef } from './types.ts'

/** What is journaled of an error: its class and words, and the plain fields the class adds. Never a stack. */
export type Failure = { readonly name: string; readonly message: string; readonly [detail: string]: unknown }

export const failureOf = (error: unknown): Failure => {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const details = Object.entries(error).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
  return { ...Object.fromEntries(details), name: error.name, message: error.message }
}

/** The world took longer than the effect allows. */
class TimedOut extends Error {
  override name = 'TimedOut'
}

const JITTER = 0.2

/** What an effect needs besides its input: permission, time, chance, and a place among those of its name. */
export type Means = {
  readonly licence: Licence
  readonly clock: Clock
  readonly chance: Chance
  readonly slots: Slots
  readonly meter?: Meter | undefined
}

/**
 * Runs one effect to its end: a place and the licence before each attempt, time limit, retries with back-off (doubling,
 * with jitter) on the errors it names. If an earlier run is possible, the world is asked first (`probe`).
 * @throws what the last attempt threw; Held when the licence does not allow it
 */
export const perform = async (
  name: string,
  definition: EffectDef<any, any>,
  input: unknown,
  context: EffectContext,
  means: Means,
): Promise<unknown> => {
  const { clock, chance } = means
  const { attempts = 1, backoffMs = 0, on = [] } = definition.retry ?? {}
  const last = context.attempt + attempts - 1
  for (let attempt = context.attempt; ; attempt++) {
    try {
      return await attempted(name, definition, input, { ...context, attempt }, means)
    } catch (error) {
      if (context.signal.aborted || attempt >= last || !on.includes(failureOf(error).name)) throw error
      const delay = backoffMs * 2 ** (attempt - context.attempt)
      await pause(clock, delay * (1 + JITTER * (chance.fraction() * 2 - 1)), context.signal)
      context.signal.throwIfAborted()
    }
  }
}

const attempted = async (
  name: string,
  definition: EffectDef<any, any>,
  input: unknown,
  context: EffectContext,
  { licence, clock, slots, meter }: Means,
): Promise<unknown> => {
  const { reach, concurrency, oneByOne } = definition
  const all = `${context.actor.type}.${name}`
  const places: (() => void)[] = []
  try {
    if (oneByOne) places.push(await slots.take(`${all}/${oneByOne(input)}`, 1, context.signal))
    if (concurrency !== undefined) places.push(await slots.take(all, concurrency, context.signal))
    return await licence.during(reach, () => counted(meter, context.actor, name, () => once(definition, input, context, clock)))
  } finally {
    for (const giveBack of places) giveBack()
  }
}

const counted = async <T>(meter: Meter | undefined, actor: Address, name: string, request: () => Promise<T>): Promise<T> => {
  const end = meter?.attempted(actor, name)
  try {
    const output = await request()
    end?.()
    return output
  } catch (error) {
    end?.(error)
    throw error
  }
}

const once = async (definition: EffectDef<any, any>, input: unknown, context: EffectContext, clock: Clock): Promise<unknown> => {
  if (definition.timeoutMs === 'activity') return definition.run(input, context)
  const limit = new AbortController()
  const cancel = clock.after(definition.timeoutMs, () => limit.abort(new TimedOut(`no answer within ${definition.timeoutMs} ms`)))
  const limited = { ...context, signal: AbortSignal.any([context.signal, limit.signal]) }
  try {
    const known = definition.idempotency === 'probe' && context.attempt > 1 ? await definition.probe(input, limited) : undefined
    return known ?? (await definition.run(input, limited))
  } catch (error) {
    throw limit.signal.aborted && !context.signal.aborted ? limit.signal.reason : error
  } finally {
    cancel()
  }
}
