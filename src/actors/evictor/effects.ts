import type { Planner } from '../../ports.ts'
import type { EffectsOf } from '../../runtime/types.ts'
import type { evictor } from '../evictor.ts'

export const evictorEffects = (planner: Planner): EffectsOf<typeof evictor> => ({
  plan: {
    reach: 'internal',
    idempotency: 'natural', // another run makes another plan under another id, and nobody acts on one that was not told
    timeoutMs: 60_000,
    run: (request, { signal }) => planner.plan(request, signal),
  },
  verify: {
    reach: 'internal',
    idempotency: 'natural', // it only asks
    timeoutMs: 30_000,
    run: (request, { signal }) => planner.verify(request, signal),
  },
})
