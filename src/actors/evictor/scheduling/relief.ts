import type { Drained, Task } from '../emptying.ts'
import type { NodeEntry, PodEntry } from '../model.ts'
import { likeness } from './order.ts'

/**
 * Which of these nodes are better kept so that fewer pods look for a place: those where the most pods like the stranded ones
 * stay for a dollar, until so large a part of the stranded is made up for. Room that is left on more nodes would go to whoever
 * comes first, and strand others. At least one node, if any pod is stranded; with each the pod for whose sake it is.
 */
export const relief = (
  { hourly }: Task,
  drained: readonly Drained[],
  stranded: readonly PodEntry[],
  share: number,
): ReadonlyMap<NodeEntry, PodEntry> => {
  const needed = new Map<string, { readonly pod: PodEntry; count: number }>()
  for (const pod of stranded) {
    const key = likeness(pod.shape)
    const need = needed.get(key) ?? { pod, count: 0 }
    need.count += 1
    needed.set(key, need)
  }
  const helpful = drained
    .map(({ node, moves }) => ({ node, keys: moves.map(({ pod }) => likeness(pod.shape)).filter((key) => needed.has(key)) }))
    .filter(({ keys }) => keys.length > 0)
  const kept = new Map<NodeEntry, PodEntry>()
  const helps = (keys: readonly string[]): number => keys.filter((key) => (needed.get(key)?.count ?? 0) > 0).length
  for (let left = Math.ceil(share * stranded.length); left > 0; ) {
    let best: (typeof helpful)[number] | undefined
    let most = 0
    for (const each of helpful) {
      if (kept.has(each.node)) continue
      const ratio = helps(each.keys) / Math.max(TINY, hourly.get(each.node) ?? 0)
      if (ratio > most) [best, most] = [each, ratio]
    }
    if (!best) break
    for (const key of best.keys) {
      const need = needed.get(key)
      if (!need || need.count === 0) continue
      if (!kept.has(best.node)) kept.set(best.node, need.pod)
      need.count -= 1
      left -= 1
    }
  }
  return kept
}
const TINY = 1e-9
