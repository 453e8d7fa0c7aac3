import type { Shape } from '../model/shape.ts'
import type { Model } from '../model.ts'
import { type Coming, residents } from './coming.ts'
import { largestFirst } from './size.ts'

const COMMON = ['cpu', 'memory', 'ephemeral-storage', 'pods']

/**
 * So many percent more of the pods, from the largest down: one more of a pod when what has been taken so far is less than the
 * share of what has been seen, of any resource. So of every resource it is at least the share, in pods as they are. Pods that
 * ask for devices or huge pages are left out: a tenth of a GPU node is none.
 */
export const percent = (model: Model, share: number): readonly Coming[] => {
  if (share === 0) return []
  const { names } = model.columns
  const isCommon = ({ demand }: Shape): boolean => demand.every(([resource]) => COMMON.includes(names[resource] ?? ''))
  const byShape = Map.groupBy(residents(model), ({ shape }) => shape)
  const debt = names.map(() => 0)
  const owes = ({ demand }: Shape): boolean => demand.some(([resource, amount]) => (debt[resource] ?? 0) > amount * TINY)
  const groups = [...byShape.keys()]
    .filter(isCommon)
    .sort(largestFirst(model))
    .map((shape) => {
      let count = 0
      for (let left = byShape.get(shape)?.length ?? 0; left > 0; left -= 1) {
        for (const [resource, amount] of shape.demand) debt[resource] = (debt[resource] ?? 0) + share * amount
        for (; owes(shape); count += 1)
          for (const [resource, amount] of shape.demand) debt[resource] = (debt[resource] ?? 0) - amount
      }
      return { shape, count }
    })
    .filter(({ count }) => count > 0)
  return [{ why: `${Math.round(share * 1e4) / 1e2} % more of the pods that ask for cpu and memory alone`, groups }]
}
/** Of one pod: sums of fractions are not exact. */
const TINY = 1e-6
