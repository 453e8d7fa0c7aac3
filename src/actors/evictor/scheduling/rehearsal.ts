import type { Drained } from '../emptying.ts'
import { type Search, search } from '../fit.ts'
import type { NodeEntry, PodEntry } from '../model.ts'
import { lotsOf, shuffled } from './lots.ts'
import { enoughNodes, searchOrder } from './sampling.ts'
import { bestOf } from './score.ts'
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
  readonly enough: number
  readonly lots: () => number
  /** Where the next search begins. */
  start: number
}

/** The nodes that pass the Filters, until there are enough of them. */
const feasible = (scheduler: Scheduler, { quick, rest }: Search): readonly NodeEntry[] => {
  const { nodes, enough, start } = scheduler
  const found: NodeEntry[] = []
  let looked = 0
  while (looked < nodes.length && found.length < enough) {
    const node = nodes[(start + looked) % nodes.length]
    looked += 1
    if (node && quick(node) && !rest?.(node)) found.push(node)
  }
  scheduler.start = (start + looked) % nodes.length
  return found
}

/** One scheduling cycle. @returns where the pod, which is off its node, is put */
const schedule = (scheduler: Scheduler, pod: PodEntry): NodeEntry | undefined => {
  const { ground, lots } = scheduler
  const asked = search(ground.model, pod.shape)
  const best = asked ? bestOf(ground, pod.shape, feasible(scheduler, asked)) : []
  const node = best[Math.floor(lots() * best.length)]
  if (node) put(ground, pod, node)
  return node
}
const put = ({ model, unsaid }: Ground, pod: PodEntry, to: NodeEntry | undefined): void => {
  unsaid.move(pod, to)
  model.move(pod, to)
}

/** Pods without a node of their own: tried first, as the scheduler has them in its queue, or given up by their owners. */
const awaited = (scheduler: Scheduler, isThere: boolean): void => {
  const { ground, lots } = scheduler
  const pods = ground.model.pods.values().filter(({ home, leaving }) => !home && !leaving)
  const waiting = shuffled([...pods], lots)
  for (const pod of waiting) if (pod.node) put(ground, pod, undefined)
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
  const lots = lotsOf(seed)
  const nodes = searchOrder(
    [...model.nodes.values()].filter(({ object }) => object),
    lots,
  )
  const enough = enoughNodes(nodes.length, profile.percentageOfNodesToScore)
  const scheduler: Scheduler = { ground, nodes, enough, lots, start: Math.floor(lots() * nodes.length) }
  awaited(scheduler, seed % 2 === 0)
  for (const { node } of drains) model.drain(node)
  const pods = drains.flatMap(({ moves }) => moves.map(({ pod }) => pod))
  const stranded: PodEntry[] = []
  let tried = 0
  for (const pod of pods) {
    if (tried % PODS_AT_A_TIME === 0 && isOver()) break
    put(ground, pod, undefined)
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
