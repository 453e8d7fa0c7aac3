import type { Reason } from '../../../events/plan.ts'
import type { Shape } from '../model/shape.ts'
import type { Model, NodeEntry } from '../model.ts'

/** Why a pod may not go onto a node; in kube-scheduler's words where it has some. */
export type Refusal = Pick<Reason, 'code' | 'message'> & {
  /** The rule that says so: the name of a plugin of kube-scheduler, or of a rule of our own. */
  readonly rule: string
}
/** A question about one node, for one shape, about the model as it is. Whoever moves a pod asks for another one. */
export type Check = (node: NodeEntry) => Refusal | undefined

/**
 * One Filter plugin of kube-scheduler. `shape` is that of the pod to be placed, which must be off its node. What can't be
 * decided from the objects there are is refused with the code `Undecided`, never guessed.
 */
export type Rule = {
  /** The plugin's own name. */
  readonly name: string
  /** Why no node at all will do (the plugin's PreFilter); asked first. */
  readonly everywhere?: (model: Model, shape: Shape) => Refusal | undefined
  /** What is asked of each node; undefined when the plugin has nothing to say about the shape. */
  readonly onNode?: (model: Model, shape: Shape) => Check | undefined
  /** The answer follows from the nodes' objects, volumes and namespaces alone, not from where pods are: it may be kept. */
  readonly isStanding?: boolean
}

export const refusal = (rule: string, message: string, code = rule): Refusal => ({ rule, code, message })
/** What the objects do not decide. `what` goes on from "it". */
export const undecided = (rule: string, what: string): Refusal => ({ rule, code: 'Undecided', message: `it ${what}` })
