import type { Reason } from '../../../events/plan.ts'
import type { Drained, Task } from '../emptying.ts'
import type { NodeEntry, PodEntry } from '../model.ts'
import { shelter } from '../scheduling/shelter.ts'
import { noHeadroom } from './headroom.ts'

/** What drains would leave of the headroom: nothing is missing when no node has to be kept for it. */
export type Kept = {
  /** Nodes that are better kept, and why. */
  readonly nodes: ReadonlyMap<NodeEntry, Reason>
  /** Pods to come that would find no room. */
  readonly pods: readonly PodEntry[]
}
const nothing: Kept = { nodes: new Map(), pods: [] }

/**
 * Which of these nodes have to be kept for the policy's headroom, when each pod has gone where it landed, or else where it was
 * to go. At least one, if any is needed. The model is left as it was.
 */
export const keptForHeadroom = (
  task: Task,
  drains: readonly Drained[],
  landings: ReadonlyMap<PodEntry, NodeEntry> = new Map(),
): Kept => {
  const { model, headroom, hourly } = task
  if (headroom === noHeadroom) return nothing
  const mark = model.mark()
  for (const { node } of drains) model.drain(node)
  for (const { moves } of drains) for (const { pod, to } of moves) model.move(pod, landings.get(pod) ?? to)
  const lack = headroom.lack()
  model.rollback(mark)
  if (!lack) return nothing
  const price = ({ node }: Drained): number => hourly.get(node) ?? 0
  const emptied = drains.toSorted((a, b) => price(a) - price(b)).map(({ node }) => node)
  const sheltering = [...shelter(task, drains, lack.pods).keys()]
  const helping = sheltering.length > 0 ? sheltering : lack.helps(emptied)
  const nodes = helping.length > 0 ? helping : emptied.slice(0, 1)
  return { nodes: new Map(nodes.map((node) => [node, lack.reason])), pods: lack.pods }
}
