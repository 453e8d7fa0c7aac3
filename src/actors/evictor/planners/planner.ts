import type { Draft, Drained, Task } from '../emptying.ts'
import type { Outline } from '../keep-set/outline.ts'
import type { Trial } from '../scheduling/steady.ts'

/** What all planners are given: the task, and what is known of it in numbers. */
export type Problem = Task & {
  readonly outline: Outline
  /** What a place for a pod is worth at the relaxation's optimum, $/h by kind; waits for it a while. Undefined: nobody knows. */
  readonly worth: () => Float64Array | undefined
  /** What kube-scheduler would make of these drains, once; each seed is another course of things. Undefined: it takes too long. */
  readonly trial?: (drained: readonly Drained[], seed: number) => Trial
  /** The same for a task with other nodes. */
  readonly trialFor?: (task: Task) => NonNullable<Problem['trial']>
  /** There has been time to choose what to launch, where something can be. */
  readonly isPicked: () => boolean
  /** There has been time to choose: what is left is for making the choice safe, or nothing. */
  readonly isChosen: () => boolean
}

/**
 * Finds sets of nodes to empty. Anytime: it yields a draft as soon as it has one, then better ones for as long as it is
 * asked, and is told of each whether it stood the replay. The same task gives the same drafts; where the time ends them it
 * gives fewer. The model is as it was between two drafts.
 */
export type Planner = {
  readonly name: string
  readonly drafts: (problem: Problem) => Generator<Draft, void, boolean>
}
