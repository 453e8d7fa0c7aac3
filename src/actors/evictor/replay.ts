import type { Reason } from '../../events/plan.ts'
import type { Drained } from './emptying.ts'
import type { Model } from './model.ts'
import { refusedBy } from './placing.ts'

/** Which of these moves break a rule, made one after the other with all the nodes cordoned. The model is left as it was. */
export const replay = (model: Model, drains: readonly Drained[]): readonly Reason[] => {
  const mark = model.mark()
  for (const { node } of drains) model.drain(node)
  const broken: Reason[] = []
  for (const { moves } of drains)
    for (const { pod, to } of moves) {
      model.move(pod, undefined)
      const refused = refusedBy(model, pod, to)
      const name = `${pod.namespace}/${pod.name}`
      if (refused)
        broken.push({ code: refused.code, message: `pod ${name} can't go to ${to.name}: ${refused.message}`, pod: name })
      model.move(pod, to)
    }
  model.rollback(mark)
  return broken
}
