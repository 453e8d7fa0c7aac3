import { seeded, shuffled } from '../chance.ts'
import type { Drained } from '../emptying.ts'
import type { Shape } from '../model/shape.ts'
import type { NodeEntry, PodEntry } from '../model.ts'
import { byName } from '../placing.ts'
import { type Board, createBoard } from './board.ts'
import { enoughNodes, searchOrder } from './sampling.ts'
import { comparingScorers, scoresOf } from './score.ts'
import type { Ground } from './scorer.ts'

export type Rehearsal = {
  readonly landings: ReadonlyMap<PodEntry, NodeEntry>
  /** Pods that found no node when they were evicted, whatever the others left to them later. */
  readonly stranded: readonly PodEntry[]
  /** How many pods there was no time for. */
  readonly untried: number
}

type Scheduler = {
  readonly ground: Ground
  readonly nodes: readonly NodeEntry[]
  /** Of the nodes that are not drained. */
  board: Board
  readonly enough: number
  readonly lots: () => number
  /** Where the next search begins. */
  start: number
}

/** Those of the best score among the nodes that pass the Filters. */
const bestOf = (scheduler: Scheduler, shape: Shape): readonly NodeEntry[] => {
  const { ground, board, enough, start } = scheduler
  const { nodes, scores, last } = board.find(shape, start, enough)
  if (last !== undefined) scheduler.start = (last + 1) % scheduler.nodes.length
  if (nodes.length < 2) return nodes
  scoresOf(ground, shape, nodes, comparingScorers, scores)
  const best: NodeEntry[] = []
  let most = Number.NEGATIVE_INFINITY
  for (let at = 0; at < nodes.length; at += 1) {
    const [node, score] = [nodes[at], scores[at] ?? 0]
    if (!node || score < most) continue
    if (score > most) best.length = 0
    most = score
    best.push(node)
  }
  return best
}

/** One scheduling cycle. @returns where the pod, which is off its node, is put */
const schedule = (scheduler: Scheduler, pod: PodEntry): NodeEntry | undefined => {
  const best = bestOf(scheduler, pod.shape)
  const node = best[Math.floor(scheduler.lots() * best.length)]
  if (node) put(scheduler, pod, node)
  return node
}
const put = ({ ground: { model, unsaid }, board }: Scheduler, pod: PodEntry, to: NodeEntry | undefined): void => {
  unsaid.move(pod, to)
  if (pod.node) board.changed(pod.node)
  model.move(pod, to)
  if (to) board.changed(to)
}

/** Pods without a node of their own: tried first, as the scheduler has them in its queue, or given up by their owners. */
const awaited = (scheduler: Scheduler, isThere: boolean): void => {
  const { ground, lots } = scheduler
  const pods = ground.model.pods.values().filter(({ home, leaving }) => !home && !leaving)
  const waiting = shuffled([...pods].sort(byName), lots)
  for (const pod of waiting) if (pod.node) put(scheduler, pod, undefined)
  if (isThere) for (const pod of waiting) schedule(scheduler, pod)
}

/**
 * What kube-scheduler makes of these drains: all nodes cordoned, then pod after pod evicted in the given order and its
 * replacement placed at once, by Filters, Scores and how many nodes it looks at. What it leaves open is drawn: the order of
 * the nodes, where it begins, which among equals; pods that wait already are there when the seed is even. The model is left as
 * it was.
 * @param isOver ends the rehearsal before its end
 */
export const rehearse = (
  ground: Ground,
  drains: readonly Drained[],
  seed: number,
  isOver: () => boolean = () => false,
): Rehearsal => {
  const { model, profile } = ground
  const mark = model.mark()
  const lots = seeded(seed)
  const known = [...model.nodes.values()].filter(({ object }) => object)
  // Whatever the order in which the model learned of them, the same seed draws the same.
  const nodes = searchOrder(
    known.sort((a, b) => (a.name < b.name ? -1 : 1)),
    lots,
  )
  const enough = enoughNodes(nodes.length, profile.percentageOfNodesToScore)
  const scheduler: Scheduler = {
    ground,
    nodes,
    board: createBoard(ground, nodes),
    enough,
    lots,
    start: Math.floor(lots() * nodes.length),
  }
  awaited(scheduler, seed % 2 === 0)
  for (const { node } of drains) model.drain(node)
  scheduler.board = createBoard(ground, nodes)
  const pods = drains.flatMap(({ moves }) => moves.map(({ pod }) => pod))
  const stranded: PodEntry[] = []
  let tried = 0
  for (const pod of pods) {
    if (tried % PODS_AT_A_TIME === 0 && isOver()) break
    put(scheduler, pod, undefined)
    if (!schedule(scheduler, pod)) stranded.push(pod)
    tried += 1
  }
  const landings = new Map(pods.slice(0, tried).flatMap((pod) => (pod.node ? [[pod, pod.node] as const] : [])))
  model.rollback(mark)
  ground.unsaid.forget()
  return { landings, stranded, untried: pods.length - tried }
}
/** The clock is looked at no oftener. */
const PODS_AT_A_TIME = 64
