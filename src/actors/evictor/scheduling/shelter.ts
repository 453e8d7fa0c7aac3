import type { Drained, Task } from '../emptying.ts'
import { search } from '../fit.ts'
import type { NodeEntry, PodEntry } from '../model.ts'

/** A drain that is not to be, and for which pod's sake. */
type Sheltered = ReadonlyMap<NodeEntry, PodEntry>

/**
 * Which of these nodes are better kept after all so that the stranded pods have a place: for one pod after the other the
 * cheapest node where it fits beside those that live there, its own if no other. The model is left as it was.
 */
export const shelter = ({ model, hourly }: Task, drained: readonly Drained[], stranded: readonly PodEntry[]): Sheltered => {
  const mark = model.mark()
  const byPrice = drained
    .map(({ node }) => ({ node, price: hourly.get(node) ?? 0 }))
    .sort((a, b) => a.price - b.price)
    .map(({ node }) => node)
  const kept = new Map<NodeEntry, PodEntry>()
  for (const pod of stranded) {
    const own = pod.node
    model.move(pod, undefined)
    const asked = search(model, pod.shape)
    const fits = (node: NodeEntry): boolean => asked?.quick(node) === true && !asked.rest?.(node)
    const to = [...kept.keys()].find(fits) ?? byPrice.find((node) => node === own || fits(node))
    if (!to) continue
    model.move(pod, to)
    if (!kept.has(to)) kept.set(to, pod)
  }
  model.rollback(mark)
  return kept
}
