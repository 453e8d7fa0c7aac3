import { standingKey } from '../fit.ts'
import type { Shape } from '../model/shape.ts'
import type { Model } from '../model.ts'
import { type Coming, residents } from './coming.ts'
import { largestFirst } from './size.ts'

/** One more of the pod that asks for most of a resource, of those that suit the same nodes: each by itself. */
export const largestPod = (model: Model): readonly Coming[] => {
  const largest = new Map<string, { readonly shape: Shape; readonly amount: number }>()
  const shapes = new Set(residents(model).map(({ shape }) => shape))
  for (const shape of [...shapes].sort(largestFirst(model)))
    for (const [resource, amount] of shape.demand) {
      const key = `${standingKey(shape)}|${resource}`
      if (amount > (largest.get(key)?.amount ?? 0)) largest.set(key, { shape, amount })
    }
  const found = new Set([...largest.values()].map(({ shape }) => shape))
  return [...found].map((shape) => ({
    why: `one more of the largest pods, such as those of ${shape.owner?.name ?? 'no owner'} in ${shape.namespace}`,
    groups: [{ shape, count: 1 }],
  }))
}
