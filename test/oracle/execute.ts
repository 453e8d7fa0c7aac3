import type { Plan } from '../../src/events/plan.ts'
import type { Oracle, PlaceAnswer, PlaceQuestion, Step } from './oracle.ts'

/** All that is drained is cordoned before the first pod goes; then pod after pod goes, in the plan's order. */
const stepsOf = ({ drains }: Pick<Plan, 'drains'>): readonly Step[] => [
  { cordon: drains.map(({ node }) => node) },
  ...drains.flatMap(({ moves }) => moves.map(({ namespace, name }) => ({ move: { namespace, name } }))),
]

export type Execution = {
  readonly seed: number
  readonly pending: PlaceAnswer['pending']
  /** Pods that kube-scheduler would delete to make room for those that are pending. */
  readonly preempted: number
  /** Replacements that landed where the plan said. */
  readonly asPlanned: number
}

/**
 * Has kube-scheduler's own algorithm place what the plan evicts, once for every seed: its Filters, its Scores, and how many
 * nodes it looks at. Budgets are not its business.
 */
export const execute = async (
  oracle: Oracle,
  snapshot: string,
  plan: Pick<Plan, 'drains'>,
  questions: readonly Pick<PlaceQuestion, 'seed' | 'randomTies'>[],
): Promise<readonly Execution[]> => {
  const steps = stepsOf(plan)
  const planned = new Map(plan.drains.flatMap(({ moves }) => moves.map((move) => [`${move.namespace}/${move.name}`, move.to])))
  const answers = await oracle.place(
    snapshot,
    questions.map((question) => ({ ...question, steps })),
  )
  return answers.map(({ seed, placed, pending }) => ({
    seed,
    pending,
    preempted: new Set(pending.flatMap(({ preempts }) => preempts)).size,
    asPlanned: placed.filter(({ namespace, name, node }) => planned.get(`${namespace}/${name}`) === node).length,
  }))
}
