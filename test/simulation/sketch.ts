import { z } from 'zod'
import type { EffectDef } from '../../src/runtime/types.ts'

// Effects of machines made for the simulation. They are carried out by the simulated world; what is here says how.

export const unrun = async (): Promise<any> => undefined
export const keyed: EffectDef<any, any> = { reach: 'internal', idempotency: 'keyed', timeoutMs: 10_000, run: unrun }
export const retry = { attempts: 3, backoffMs: 100, on: ['Unavailable', 'TimedOut'] }
export const nothing = z.strictObject({})
