import { SchedulerProfile } from '../../../events/plan.ts'
import type { Shape } from '../model/shape.ts'
import type { Model, NodeEntry } from '../model.ts'
import { interPodAffinity } from './inter-pod-affinity.ts'
import { nodeAffinity } from './node-affinity.ts'
import { nodeResourcesBalancedAllocation } from './node-resources-balanced-allocation.ts'
import { nodeResourcesFit } from './node-resources-fit.ts'
import { podTopologySpread } from './pod-topology-spread.ts'
import type { Ground, Scorer } from './scorer.ts'
import { isAnyDisliked, taintToleration } from './taint-toleration.ts'
import { createUnsaid } from './unsaid.ts'

/** The Score plugins of kube-scheduler but ImageLocality: which images are on which node is not known. */
export const scorers: readonly Scorer[] = [
  taintToleration,
  nodeAffinity,
  nodeResourcesFit,
  podTopologySpread,
  interPodAffinity,
  nodeResourcesBalancedAllocation,
]
const STANDARD = SchedulerProfile.parse({})

/** @param profile by default the one that kube-scheduler comes with */
export const groundOf = (model: Model, profile: SchedulerProfile = STANDARD): Ground => ({
  model,
  profile,
  unsaid: createUnsaid(model),
  isAnyNodeDisliked: isAnyDisliked(model),
})

/**
 * The weighted sums by which kube-scheduler chooses among the nodes that passed its Filters for a pod of the shape, up to
 * what is the same for all of them. The pod must be off its node.
 */
export const scoresOf = (ground: Ground, shape: Shape, nodes: readonly NodeEntry[]): Float64Array => {
  const total = new Float64Array(nodes.length)
  const one = new Float64Array(nodes.length)
  for (const { name, scores } of scorers) {
    const weight = ground.profile.weights[name]
    const score = weight > 0 ? scores(ground, shape) : undefined
    if (!score) continue
    score(nodes, one)
    for (let at = 0; at < total.length; at += 1) total[at] = (total[at] ?? 0) + weight * (one[at] ?? 0)
  }
  return total
}

/** The nodes of the best score, in the order given. */
export const bestOf = (ground: Ground, shape: Shape, nodes: readonly NodeEntry[]): readonly NodeEntry[] => {
  if (nodes.length < 2) return nodes
  const scores = scoresOf(ground, shape, nodes)
  let most = Number.NEGATIVE_INFINITY
  for (let at = 0; at < scores.length; at += 1) most = Math.max(most, scores[at] ?? 0)
  return nodes.filter((_, at) => scores[at] === most)
}
