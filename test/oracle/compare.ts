import { receiving } from '../../src/actors/evictor/fit/receiving.ts'
import { filter, nowhere, rules, search } from '../../src/actors/evictor/fit.ts'
import type { Model, ModelOptions, NodeEntry, PodEntry } from '../../src/actors/evictor/model.ts'
import { readSnapshot } from '../../src/commands/snapshot.ts'
import type { FilterAnswer, Oracle } from './oracle.ts'

/** A plugin of kube-scheduler and our rule of the same name say different things about a pod and a node. */
export type Difference = {
  readonly plugin: string
  readonly pod: string
  readonly node: string
  /** Why we refuse; undefined when we do not. */
  readonly ours: string | undefined
  /** Why kube-scheduler refuses; empty when it does not. */
  readonly theirs: readonly string[]
}
export type Comparison = {
  readonly questions: number
  /** Those that kube-scheduler says yes to. */
  readonly fitting: number
  /** How often each plugin was the only one to say no. */
  readonly only: ReadonlyMap<string, number>
  /** How often we refuse because we can't decide, by what rule. */
  readonly undecided: ReadonlyMap<string, number>
  /** Rule by rule. */
  readonly differences: readonly Difference[]
  /** Questions that `filter` as a whole, which is what plans go by, answers otherwise than kube-scheduler. */
  readonly wrong: readonly Difference[]
}

const UNDECIDED = 'Undecided'
const WHOLE = 'filter'
const add = (counts: Map<string, number>, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

/** A snapshot's file, and what is asked about it: every one of the pods on every one of the nodes. */
type Subject = {
  readonly snapshot: string
  readonly pods: readonly string[]
  readonly nodes: readonly string[]
  /** What the scheduler's configuration says and no object does. */
  readonly options: ModelOptions
}

/** Asks kube-scheduler and our rules, and compares all plugins one by one. */
export const compare = async (oracle: Oracle, { snapshot, pods, nodes, options }: Subject): Promise<Comparison> => {
  const answers = await oracle.filter(
    snapshot,
    pods.map((pod) => ({ pod, nodes })),
  )
  const { model } = readSnapshot(snapshot, options)
  const tally: Tally = { only: new Map(), undecided: new Map(), differences: [], wrong: [], questions: 0, fitting: 0 }
  for (const answer of answers) compareAnswer(model, answer, tally)
  return tally
}

type Tally = {
  readonly only: Map<string, number>
  readonly undecided: Map<string, number>
  readonly differences: Difference[]
  readonly wrong: Difference[]
  questions: number
  fitting: number
}

/** @throws Error when the model lacks the pod or node: the two have not read the same */
const demand = <Item>(item: Item | undefined, what: string): Item => {
  if (item === undefined) throw new Error(`the model holds no ${what}`)
  return item
}

const compareAnswer = (model: Model, answer: FilterAnswer, tally: Tally): void => {
  const pod = demand(model.pods.get(answer.pod), answer.pod)
  const mark = model.mark()
  if (pod.node) model.move(pod, undefined)
  const ours = rulesOf(model, pod)
  const nobody = nowhere(model, pod.shape)
  const whole = filter(model, pod.shape)
  const found = search(model, pod.shape)
  for (const { node: name, refusals } of answer.nodes) {
    const node = demand(model.nodes.get(name), name)
    const theirs = new Map(refusals.map(({ plugin, reasons }) => [plugin, reasons]))
    tally.questions += 1
    if (theirs.size === 0) tally.fitting += 1
    const [first] = theirs.keys()
    if (theirs.size === 1 && first !== undefined) add(tally.only, first)
    const at = { pod: answer.pod, node: name }
    // A pod that by both accounts fits nowhere is asked no more: the plugins' Filters count on their PreFilters.
    const agreed = nobody && theirs.has(nobody.rule)
    for (const plugin of agreed ? [] : new Set([...ours.keys(), ...theirs.keys()])) {
      const refused = ours.get(plugin)?.(node)
      const reasons = theirs.get(plugin)
      if (refused?.code !== UNDECIDED && (refused === undefined) !== (reasons === undefined))
        tally.differences.push({ ...at, plugin, ours: refused?.message, theirs: reasons ?? [] })
    }
    const refused = whole(node)
    if (refused?.code === UNDECIDED) add(tally.undecided, refused.rule)
    else if ((refused === undefined) !== (theirs.size === 0))
      tally.wrong.push({ ...at, plugin: WHOLE, ours: refused?.message, theirs: refusals.flatMap(({ reasons }) => reasons) })
    // How planners ask: the same answer, and no to nodes that take no pods.
    const takes = found?.quick(node) === true && found.rest?.(node) === undefined
    if (takes !== (refused === undefined && receiving(node) === undefined))
      tally.wrong.push({ ...at, plugin: 'search', ours: takes ? undefined : 'search refuses', theirs: [refused?.message ?? ''] })
  }
  model.rollback(mark)
}

type RuleCheck = (node: NodeEntry) => ReturnType<ReturnType<typeof filter>>
/** Each rule by itself, by its plugin's name. */
const rulesOf = (model: Model, { shape }: PodEntry): ReadonlyMap<string, RuleCheck> =>
  new Map(
    rules.map((rule): readonly [string, RuleCheck] => {
      const everywhere = rule.everywhere?.(model, shape)
      if (everywhere) return [rule.name, () => everywhere]
      const check = rule.onNode?.(model, shape)
      return [rule.name, (node) => check?.(node)]
    }),
  )
