import type { Reason } from '../../../events/plan.ts'
import type { Drained, Task } from '../emptying.ts'
import { type Kept, keptForHeadroom } from '../headroom/keeping.ts'
import type { NodeEntry, PodEntry } from '../model.ts'
import { replay } from '../replay.ts'
import { type Staged, staged } from '../waves.ts'
import { dearestFirst, type Order, scarcestFirst } from './order.ts'
import { type Rehearsal, rehearse } from './rehearsal.ts'
import { relief } from './relief.ts'
import type { Ground } from './scorer.ts'

export type Steady = {
  /** In the order of execution; each move goes to where a rehearsal had the pod land. */
  readonly drains: readonly Staged[]
  /** Nodes that are not emptied because a pod would be left without one. */
  readonly spared: ReadonlyMap<NodeEntry, readonly Reason[]>
  /** Pods that the last rehearsal of these drains left pending or had no time for: none, unless the time was over before. */
  readonly stranded: number
}

/**
 * So many rehearsals, each with other lots, have to leave no pod pending; with the time up one is enough. More where few pods
 * move: drains are taken up again one by one, and of many tries some pass a few rehearsals by luck.
 */
const rehearsalsOf = (drains: readonly Drained[]): number => {
  const moves = drains.reduce((sum, drain) => sum + drain.moves.length, 0)
  return Math.max(FEWEST, Math.min(MOST, Math.floor(PODS_IN_ALL / Math.max(1, moves))))
}
const FEWEST = 20
const MOST = 200
const PODS_IN_ALL = 30_000

/** A rehearsal, and what its landings leave of the headroom. Not asked while pods are left pending: there is to be more room. */
type Judged = Rehearsal & { readonly seed: number; readonly lacking: Kept }
const judged = (task: Task, ground: Ground, drains: readonly Drained[], seed: number, isOver?: () => boolean): Judged => {
  const rehearsal = rehearse(ground, drains, seed, isOver)
  const isNext = rehearsal.stranded.length === 0 || task.isOver()
  return { ...rehearsal, seed, lacking: isNext ? keptForHeadroom(task, drains, rehearsal.landings) : NOTHING }
}
const NOTHING: Kept = { nodes: new Map(), pods: [] }

/** What one rehearsal makes of drains: who is left pending, and $/h of the nodes that would have to be kept for them. */
export type Trial = { readonly stranded: readonly PodEntry[]; readonly loss: number }
export const tried = (task: Task, ground: Ground, order: Order, drained: readonly Drained[], seed: number): Trial => {
  const { stranded, lacking } = judged(task, ground, inOrder(task, order, drained), seed, task.isOver)
  const kept = new Set([...relief(task, drained, stranded, 1).keys(), ...lacking.nodes.keys()])
  const loss = [...kept].reduce((sum, node) => sum + (task.hourly.get(node) ?? 0), 0)
  return { stranded: [...stranded, ...lacking.pods], loss }
}

/** As the budgets have it, else in the order given. */
const inOrder = (task: Task, order: Order, drained: readonly Drained[]): readonly Staged[] =>
  staged(order(task, drained), task.disruption, task.policy, false)

const orders: readonly Order[] = [scarcestFirst, dearestFirst]
/** The order that leaves the fewest pods pending; the first if it leaves none, or takes too long. */
export const calmest = (task: Task, ground: Ground, drained: readonly Drained[]): Order => {
  let [best, fewest] = [scarcestFirst, Number.POSITIVE_INFINITY]
  for (const order of orders) {
    const { stranded, untried } = rehearse(ground, inOrder(task, order, drained), 1, task.isLate)
    if (untried > 0) break
    if (stranded.length < fewest) [best, fewest] = [order, stranded.length]
    if (fewest === 0) break
  }
  return best
}

const without = (drained: readonly Drained[], spared: ReadonlyMap<NodeEntry, unknown>): readonly Drained[] =>
  drained.filter(({ node }) => !spared.has(node))

type Cut = { readonly drains: readonly Staged[]; readonly spared: ReadonlyMap<NodeEntry, Reason>; readonly first: Judged }

/**
 * The first rehearsal that leaves a pod pending or too little headroom, of so many; the first of all when none does. Ends early
 * when it is late, but not before the first.
 * @param from the seed to begin with: what has just failed is likeliest to fail again
 */
const worst = (task: Task, ground: Ground, drains: readonly Staged[], from: number): Judged => {
  const first = judged(task, ground, drains, from, task.isOver)
  const enough = rehearsalsOf(drains)
  let each = first
  for (let seed = 1; seed <= enough && each.untried === 0 && isClean(each) && !task.isLate(); seed += 1)
    if (seed !== from) each = judged(task, ground, drains, seed)
  return isClean(each) ? first : each
}
const isClean = ({ stranded, lacking }: Judged): boolean => stranded.length + lacking.nodes.size === 0

/** For so large a part of the pods that are left pending nodes are kept before it is rehearsed again; for all when it is late. */
const RELIEVED = 0.5
/** Gives up drains until no rehearsal leaves a pod pending or too little headroom. That is left in any case. */
const cut = (task: Task, ground: Ground, order: Order, drained: readonly Drained[]): Cut => {
  const spared = new Map<NodeEntry, Reason>()
  for (let from = 1; ; ) {
    const drains = inOrder(task, order, without(drained, spared))
    const first = worst(task, ground, drains, from)
    if (first.lacking.nodes.size === 0 && (first.stranded.length === 0 || task.isOver())) return { drains, spared, first }
    for (const [node, pod] of relief(task, drains, first.stranded, task.isLate() ? 1 : RELIEVED)) spared.set(node, because(pod))
    for (const [node, reason] of first.lacking.nodes) spared.set(node, reason)
    from = first.seed
  }
}

/** Takes up again what was given up and need not have been, the dearest first, while there is time for all rehearsals. */
const regain = (task: Task, ground: Ground, order: Order, drained: readonly Drained[], found: Cut): Cut => {
  const spared = new Map(found.spared)
  let { drains, first } = found
  let from = first.seed
  const price = (node: NodeEntry): number => task.hourly.get(node) ?? 0
  for (const [node, reason] of [...spared].sort(([a], [b]) => price(b) - price(a))) {
    if (task.isLate()) break
    spared.delete(node)
    const more = inOrder(task, order, without(drained, spared))
    const rehearsal = worst(task, ground, more, from)
    from = rehearsal.seed
    if (!isClean(rehearsal) || rehearsal.untried > 0 || task.isLate()) spared.set(node, reason)
    else [drains, first] = [more, rehearsal]
  }
  return { drains, spared, first }
}

/**
 * Each move goes where the first rehearsal has the pod land: places that the Filters allow, one after the other. Without time
 * for all of it they go where they were to, in an order that the Filters allow.
 */
const landed = (task: Task, drained: readonly Drained[], { drains, spared, first }: Cut): readonly Staged[] => {
  const { landings, untried } = first
  if (untried === 0)
    return drains.map((drain) => ({ ...drain, moves: drain.moves.map(({ pod, to }) => ({ pod, to: landings.get(pod) ?? to })) }))
  const rest =
    replay(task.model, drains).length === 0 ? drains : staged(without(drained, spared), task.disruption, task.policy, true)
  // Nothing is planned that was not seen to leave the headroom.
  return keptForHeadroom(task, rest).nodes.size === 0 ? rest : []
}

const because = (pod: PodEntry): Reason => {
  const name = `${pod.namespace}/${pod.name}`
  const message = `emptied too, it would leave pod ${name} pending: kube-scheduler puts others where it has to go`
  return { code: 'WouldStrand', message, pod: name }
}

/**
 * Makes a plan safe from the scheduler's own choices. The drains are put in this order and rehearsed with its Filters, its
 * Scores and ever other lots; where pods are left pending all the same, nodes with their like are kept. The model is left as
 * it was.
 */
export const steady = (task: Task, ground: Ground, order: Order, drained: readonly Drained[]): Steady => {
  const found = regain(task, ground, order, drained, cut(task, ground, order, drained))
  return {
    drains: landed(task, drained, found),
    spared: new Map([...found.spared].map(([node, reason]) => [node, [reason]])),
    stranded: found.first.stranded.length + found.first.untried,
  }
}
