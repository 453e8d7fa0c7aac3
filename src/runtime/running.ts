import { pause } from './clock.ts'
import { type Failure, failureOf, perform } from './effects.ts'
import type { Open } from './fold.ts'
import type { Ground } from './ground.ts'
import { diff } from './patch.ts'
import type { Slots } from './slots.ts'
import type { Address, Definition, JournaledEvent } from './types.ts'

/** How an effect ended. */
export type Ending = { readonly output: unknown } | { readonly error: Failure }

type Listener = {
  /** Not told of an effect that was cancelled before. */
  readonly onEnd: (intent: Open, ending: Ending) => void
  /** An event that the effect reports while it goes on, the `nth` of it. */
  readonly onReport: (intent: Open, event: JournaledEvent, nth: number, cancelled: AbortSignal) => Promise<void>
}

/** What the effects of one activation share. */
export type Conditions = {
  readonly slots: Slots
  /** Monotonic time before which a request of the owner before may still be under way. */
  readonly quietAt: number
}

export type Running = {
  readonly start: (intent: Open) => void
  readonly cancel: (key: string) => void
  readonly cancelAll: (why: Error) => void
  readonly count: () => number
  /** Resolves when none is under way any more, also none of those that were cancelled. */
  readonly ended: () => Promise<void>
}

/** A cancelled effect may still be at work: later ones of the same actor wait for it, but not for ever. */
const CANCEL_MS = 10_000

/** The effects of one actor that are under way. */
export const createRunning = (
  ground: Ground,
  definition: Definition,
  actor: Address,
  { slots, quietAt }: Conditions,
  listener: Listener,
): Running => {
  const { clock, chance, licence, meter } = ground
  const running = new Map<string, { readonly abort: AbortController; readonly ended: Promise<void> }>()
  const cancelling = new Set<Promise<void>>()

  const run = async (intent: Open, abort: AbortController, before: Promise<unknown> | undefined): Promise<void> => {
    await before
    const effect = definition.effects[intent.name]
    const quietIn = quietAt - clock.monotonic()
    if (quietIn > 0 && effect?.reach !== 'internal') await pause(clock, quietIn, abort.signal)
    if (abort.signal.aborted) return
    await ground.reach?.('before-effect', intent.name)
    let reports = 0
    const report = (event: JournaledEvent): Promise<void> => listener.onReport(intent, event, ++reports, abort.signal)
    const { key, attempt, trace } = intent
    const context = { key, actor, signal: abort.signal, attempt, trace, report }
    try {
      if (!effect) throw new Error(`${actor.type} defines no effect "${intent.name}"`)
      const output = (await perform(intent.name, effect, intent.input, context, { licence, clock, chance, slots, meter })) ?? null
      diff(undefined, output) // what can't be journaled is a failure of the effect, not of the actor
      await ground.reach?.('after-effect', intent.name)
      if (!abort.signal.aborted) listener.onEnd(intent, { output })
    } catch (error) {
      if (!abort.signal.aborted) listener.onEnd(intent, { error: failureOf(error) })
    }
  }

  return {
    start: (intent) => {
      const abort = new AbortController()
      const before = cancelling.size > 0 ? Promise.race([Promise.allSettled(cancelling), pause(clock, CANCEL_MS)]) : undefined
      const ended = run(intent, abort, before).finally(() => running.delete(intent.key))
      running.set(intent.key, { abort, ended })
    },
    cancel: (key) => {
      const effect = running.get(key)
      if (!effect) return
      effect.abort.abort(new Error('the state that asked for it was left'))
      cancelling.add(effect.ended)
      void effect.ended.then(() => cancelling.delete(effect.ended))
    },
    cancelAll: (why) => {
      for (const { abort } of running.values()) abort.abort(why)
    },
    count: () => running.size,
    ended: async () => {
      await Promise.allSettled([...running.values()].map(({ ended }) => ended))
    },
  }
}
