import type { PodDisruptionBudget } from '../../../events/kubernetes.ts'
import type { Policy } from '../../../events/plan.ts'
import type { Shape } from '../model/shape.ts'
import type { Model, PodEntry } from '../model.ts'

/** What is asked about: pods of one shape that serve, or that do not. Pods that differ in nothing else get one answer. */
type Case = {
  readonly model: Model
  readonly policy: Policy
  readonly shape: Shape
  readonly ready: boolean
  /** Epoch milliseconds. */
  readonly now: number
  /** The budgets that select them. */
  readonly budgets: readonly PodDisruptionBudget[]
}

/** Why a pod may not be evicted. Reasons carry the rule's name as their code. */
export type PodRule = {
  readonly name: string
  /** The rest of a sentence that begins with the pod; undefined when the rule has nothing against it. */
  readonly why: (asked: Case) => string | undefined
  /** A mark that the owner has put on the pod (`safe-to-evict=true`) overrules it. */
  readonly isWaivable?: boolean
}
/** A rule that depends on the time, and so on the very pod. `now` is epoch milliseconds. */
export type PodTimeRule = {
  readonly name: string
  readonly why: (pod: PodEntry, now: number) => string | undefined
}

/** Objects by their keys, so that the same reason is found whatever was learned first. */
export const inOrder = <T>(book: ReadonlyMap<string, T>): readonly T[] =>
  [...book].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object)
