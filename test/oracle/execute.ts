import type { Move, Plan } from '../../src/events/plan.ts'
import type { Oracle, PlaceAnswer, PlaceQuestion, Step } from './oracle.ts'

type Drains = Pick<Plan, 'drains'>

/** All that is drained is cordoned before the first pod goes; then pod after pod goes, in the plan's order. */
const stepsOf = ({ drains }: Drains, step: (move: Move) => Step): readonly Step[] => [
  { cordon: drains.map(({ node }) => node) },
  ...drains.flatMap(({ moves }) => moves.map(step)),
]
const placedFreely = ({ namespace, name }: Move): Step => ({ move: { namespace, name } })
const placedAsPlanned = ({ namespace, name, to }: Move): Step => ({ move: { namespace, name }, to })

/** The moves that kube-scheduler's Filters forbid, each made where and when the plan says. */
export const forbidden = async (oracle: Oracle, snapshot: string, plan: Drains): Promise<PlaceAnswer['refused']> => {
  const [answer] = await oracle.place(snapshot, [{ seed: 1, randomTies: false, steps: stepsOf(plan, placedAsPlanned) }])
  return answer?.refused ?? []
}

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
  plan: Drains,
  questions: readonly Pick<PlaceQuestion, 'seed' | 'randomTies'>[],
): Promise<readonly Execution[]> => {
  const steps = stepsOf(plan, placedFreely)
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
