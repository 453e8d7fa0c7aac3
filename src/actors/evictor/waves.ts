import type { Policy } from '../../events/plan.ts'
import type { Disruption } from './disruption.ts'
import type { Drained } from './emptying.ts'

export type Staged = Drained & { readonly wave: number }

/** How many pods of each budget a drain takes. */
const debits = ({ moves }: Drained, { budgetsOf }: Disruption): ReadonlyMap<string, readonly [number, number]> => {
  const result = new Map<string, readonly [number, number]>()
  for (const { pod } of moves)
    for (const { metadata, status } of budgetsOf(pod.shape)) {
      const key = `${metadata.namespace ?? ''}/${metadata.name}`
      result.set(key, [(result.get(key)?.[0] ?? 0) + 1, status.disruptionsAllowed])
    }
  return result
}

type Wave = { count: number; readonly used: Map<string, number> }

/**
 * Which drains go together: so many at most, and no budget is asked for more than it allows by the nodes of one wave. A
 * drain that asks for more all by itself has the wave's share of that budget to itself and goes pod by pod. `strict`
 * keeps the order of the drains, for when the places of pods depend on it; else a drain goes into the first wave it can.
 */
export const staged = (
  drained: readonly Drained[],
  disruption: Disruption,
  policy: Policy,
  strict: boolean,
): readonly Staged[] => {
  const waves: Wave[] = []
  let open = 0 // waves before this one are full
  const result = drained.map((drain) => {
    const wanted = debits(drain, disruption)
    const takes = ({ count, used }: Wave): boolean =>
      count < policy.maxNodesPerWave &&
      [...wanted].every(([key, [pods, allowed]]) => (used.get(key) ?? 0) === 0 || (used.get(key) ?? 0) + pods <= allowed)
    let at = open
    for (let wave = waves[at]; wave && !takes(wave); wave = waves[at]) at += 1
    const wave = waves[at] ?? { count: 0, used: new Map() }
    waves[at] = wave
    wave.count += 1
    for (const [key, [pods]] of wanted) wave.used.set(key, (wave.used.get(key) ?? 0) + pods)
    while (strict ? open < at : (waves[open]?.count ?? 0) >= policy.maxNodesPerWave) open += 1
    return { ...drain, wave: at + 1 }
  })
  return result.sort((a, b) => a.wave - b.wave)
}
