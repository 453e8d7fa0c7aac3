import type { SchedulerProfile } from '../../../events/plan.ts'
import type { Shape } from '../model/shape.ts'
import type { Model, NodeEntry } from '../model.ts'
import type { Unsaid } from './unsaid.ts'

/** What scores are about: a cluster of which no object changes while it is in use, only where pods are. */
export type Ground = {
  readonly model: Model
  readonly profile: SchedulerProfile
  readonly unsaid: Unsaid
  /** Some node has a taint PreferNoSchedule. */
  readonly isAnyNodeDisliked: boolean
}

/** Writes the scores, whole numbers from 0 to 100, of the nodes in their order; all of them have passed the Filters. */
type Scores = (nodes: readonly NodeEntry[], into: Float64Array) => void

/** One Score plugin of kube-scheduler, with its PreScore and its normalisation. */
export type Scorer = {
  /** The plugin's own name. */
  readonly name: keyof SchedulerProfile['weights']
  /**
   * Prepared for a pod of the shape and the model as it is: ask for another after a move. Undefined when all nodes score
   * alike. The pod must be off its node.
   */
  readonly scores: (ground: Ground, shape: Shape) => Scores | undefined
}

export const MAX_SCORE = 100

/** Scores in proportion to the greatest. Source: `plugins/helper/normalize_score.go`. */
export const inProportion = (into: Float64Array, count: number, isReverse: boolean): void => {
  let most = 0
  for (let at = 0; at < count; at += 1) most = Math.max(most, into[at] ?? 0)
  for (let at = 0; at < count; at += 1) {
    const score = most === 0 ? 0 : Math.floor((MAX_SCORE * (into[at] ?? 0)) / most)
    into[at] = isReverse ? MAX_SCORE - score : score
  }
}
