import type { SchedulerProfile } from '../../../events/plan.ts'
import { resourcesOf } from './resources.ts'
import { MAX_SCORE, type Scorer } from './scorer.ts'

type Strategy = SchedulerProfile['scoringStrategy']
/** The score of one resource, of which so much would be taken of so much. */
type Rate = (taken: number, allocatable: number) => number

const least: Rate = (taken, allocatable) =>
  taken > allocatable ? 0 : Math.floor(((allocatable - taken) * MAX_SCORE) / allocatable)
const most: Rate = (taken, allocatable) => Math.floor((Math.min(taken, allocatable) * MAX_SCORE) / allocatable)

/** Scores of a shape go to 10, of a node to 100. Source: `plugins/helper/shape_score.go`. */
const alongShape = ({ requestedToCapacityRatio }: Strategy): Rate => {
  const points = (requestedToCapacityRatio?.shape ?? []).map(({ utilization, score }) => ({ utilization, score: score * 10 }))
  const at = (utilization: number): number => {
    const next = points.findIndex((point) => utilization <= point.utilization)
    const [before, after] = [points[next - 1], points[next]]
    if (!after) return points.at(-1)?.score ?? 0
    if (!before) return after.score
    const part = (after.score - before.score) * (utilization - before.utilization)
    return before.score + Math.trunc(part / (after.utilization - before.utilization))
  }
  return (taken, allocatable) => at(taken > allocatable ? 100 : Math.floor((taken * 100) / allocatable))
}

const rateOf = (strategy: Strategy): Rate => {
  if (strategy.type === 'LeastAllocated') return least
  return strategy.type === 'MostAllocated' ? most : alongShape(strategy)
}

/** Source: `plugins/noderesources`: least_allocated.go, most_allocated.go, requested_to_capacity_ratio.go. */
export const nodeResourcesFit: Scorer = {
  name: 'NodeResourcesFit',
  scores: (ground, shape) => {
    const { scoringStrategy: strategy } = ground.profile
    const resources = resourcesOf(ground, { shape, resources: strategy.resources, withUnsaid: true })
    const rate = rateOf(strategy)
    const isRatio = strategy.type === 'RequestedToCapacityRatio'
    return (nodes, into) => {
      for (let at = 0; at < nodes.length; at += 1) {
        const index = nodes[at]?.index ?? -1
        let sum = 0
        let weights = 0
        for (const { weight, amount, allocatable, used, extra } of resources) {
          const all = allocatable[index] ?? 0
          if (all === 0) continue
          const score = rate((used[index] ?? 0) + (extra[index] ?? 0) + amount, all)
          // By the ratio a resource without a score does not count at all.
          if (isRatio && score <= 0) continue
          sum += score * weight
          weights += weight
        }
        const mean = weights === 0 ? 0 : sum / weights
        into[at] = isRatio ? Math.round(mean) : Math.floor(mean)
      }
    }
  },
}
