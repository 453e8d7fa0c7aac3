import type { EffectContext, EffectDef } from '../../src/runtime/types.ts'
import type { Faults } from './faults.ts'
import type { Run, WorldLedger } from './ledger.ts'
import type { SimulatedProcess } from './process.ts'
import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'

/** How an effect goes in the world: what it answers, how it fails, or what it reports while it lasts. */
export type Turn =
  | { readonly output: unknown }
  | { readonly error: string; readonly with?: object }
  | { readonly reports: readonly { readonly type: string; readonly [field: string]: unknown }[] }
export type Script = (effect: string, input: any, random: Random) => Turn

export type EffectWorld = {
  readonly world: Schedule
  readonly random: Random
  readonly faults: Faults
  readonly ledger: WorldLedger
  readonly script: Script
  readonly violated: (error: unknown) => void
}

class Failed extends Error {
  constructor(name: string) {
    super(`the world says ${name}`)
    this.name = name
  }
}

/** The effect as defined, carried out in the simulated world. */
export const simulated = (
  name: string,
  definition: EffectDef<any, any>,
  around: EffectWorld,
  process: SimulatedProcess,
): EffectDef<any, any> => {
  const run = (input: unknown, context: EffectContext): Promise<unknown> =>
    play(name, input, context, around, process, definition.timeoutMs)
  const { probe: _, ...rest } = definition as EffectDef<any, any> & { probe?: unknown }
  if (definition.idempotency !== 'probe') return { ...rest, run } as EffectDef<any, any>
  // What was done under the key before is found; everything else is not.
  const probe = async (__: unknown, { key }: EffectContext): Promise<unknown> =>
    around.ledger.runs.get(key)?.some(({ end }) => end === 'done') ? 'found' : undefined
  return { ...rest, run, probe } as EffectDef<any, any>
}

const play = async (
  name: string,
  input: unknown,
  context: EffectContext,
  { world, random, faults, ledger, script, violated }: EffectWorld,
  process: SimulatedProcess,
  timeoutMs: EffectDef<any, any>['timeoutMs'],
): Promise<unknown> => {
  const { key, attempt, signal, report } = context
  const run: Run = { key, process: process.name, attempt, startedAt: world.time() }
  try {
    ledger.started(run, name, input)
  } catch (error) {
    violated(error)
  }
  // What lasts as long as a state has nobody who would begin it again.
  const turn =
    timeoutMs !== 'activity' && faults.strikes('effect failed', 0.03)
      ? { error: random.pick(['Unavailable', 'Refused', 'Gone']) }
      : script(name, input, random)
  if ('reports' in turn) return await activity(turn.reports, process, random, signal, report)
  const isHung = timeoutMs !== 'activity' && faults.strikes('effect hung', 0.004)
  const lasts = isHung ? 60_000 : faults.strikes('effect slow', 0.03) ? random.between(2_000, 9_000) : random.between(1, 60)
  const heeds = random.happens(0.7)
  return await new Promise((resolve, reject) => {
    const end = process.later(lasts, () => {
      run.end = 'error' in turn ? 'failed' : 'done'
      if ('error' in turn) reject(Object.assign(new Failed(turn.error), 'with' in turn ? turn.with : {}))
      else resolve(turn.output)
    })
    // The world goes on with what it was asked, unless somebody stops it in time.
    const stop = (): void => {
      if (!heeds && !isHung) return
      end()
      process.later(random.between(0, 5), () => reject(signal.reason as Error))
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

const activity = async (
  reports: readonly { readonly type: string }[],
  process: SimulatedProcess,
  random: Random,
  signal: AbortSignal,
  report: EffectContext['report'],
): Promise<void> => {
  const until = (ms: number): Promise<void> => new Promise((resolve) => process.later(ms, resolve))
  for (const event of reports) {
    await until(random.between(1, 400))
    if (signal.aborted) break
    await report(event)
  }
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  throw signal.reason
}
