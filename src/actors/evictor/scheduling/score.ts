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

/** They follow from the node and its pods' requests alone, whatever the other nodes have. */
export const resourceScorers: readonly Scorer[] = [nodeResourcesFit, nodeResourcesBalancedAllocation]
/** They compare the nodes. */
export const comparingScorers: readonly Scorer[] = [taintToleration, nodeAffinity, podTopologySpread, interPodAffinity]
/** The Score plugins of kube-scheduler but ImageLocality: which images are on which node is not known. */
export const scorers: readonly Scorer[] = [...resourceScorers, ...comparingScorers]
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
 * @param among the plugins that are asked @param total what the nodes have already: is added to
 */
export const scoresOf = (
  ground: Ground,
  shape: Shape,
  nodes: readonly NodeEntry[],
  among: readonly Scorer[] = scorers,
  total = new Float64Array(nodes.length),
): Float64Array => {
  const one = new Float64Array(nodes.length)
  for (const { name, scores } of among) {
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
