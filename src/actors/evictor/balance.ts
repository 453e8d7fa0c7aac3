import type { Policy, Reason } from '../../events/plan.ts'
import type { Disruption } from './disruption.ts'
import type { Shape } from './model/shape.ts'
import type { NodeEntry } from './model.ts'

const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost'
const MOST = 10

/**
 * What it costs to evict a pod, in pods that say nothing of it: more by its deletion cost and its priority, at most ten, at
 * least nothing. Source: Karpenter `pkg/utils/disruption`, as its balanced policy counts it.
 */
export const evictionCost = ({ annotations, spec: { priority = 0 } }: Pick<Shape, 'annotations' | 'spec'>): number => {
  const cost = Number(annotations[DELETION_COST] ?? 0)
  return Math.min(MOST, Math.max(0, 1 + (Number.isFinite(cost) ? cost / 2 ** 27 : 0) + priority / 2 ** 25))
}

/** A part of all savings against a part of all disruption. */
export type Share = { readonly part: number; readonly all: number }
/** How much more of the money than of the disruption: 1 is as much of both. */
export const balanceOf = (saving: Share, disruption: Share): number =>
  disruption.part === 0 ? Number.POSITIVE_INFINITY : saving.part / saving.all / (disruption.part / disruption.all)

/**
 * Why a node is left alone whose pods are too much to disturb for what it costs, under `balance` k: it has less than 1/k as
 * large a part of the money as of the disruption (Karpenter's balanced policy). Where each node passes, all together do.
 */
export const unbalanced = (
  nodes: readonly NodeEntry[],
  hourly: ReadonlyMap<NodeEntry, number>,
  { staysBehind }: Disruption,
  { balance }: Policy,
): ((node: NodeEntry) => Reason | undefined) => {
  if (balance === undefined) return () => undefined
  const disruptionOf = ({ pods }: NodeEntry): number =>
    pods.reduce((sum, pod) => sum + (staysBehind(pod) ? 0 : evictionCost(pod.shape)), 0)
  const all = nodes.reduce((sum, node) => sum + 1 + disruptionOf(node), 0)
  const cost = nodes.reduce((sum, node) => sum + (hourly.get(node) ?? 0), 0)
  return (node) => {
    const score = balanceOf({ part: hourly.get(node) ?? 0, all: cost || 1 }, { part: disruptionOf(node), all })
    if (score >= 1 / balance - TINY) return undefined
    const rounded = Math.round(score * 100) / 100
    return { code: 'Unbalanced', message: `its pods are too much to disturb for what it costs: ${rounded} < 1/${balance}` }
  }
}
const TINY = 1e-9
