import type { Policy, Reason } from '../../events/plan.ts'
import type { Bill } from './commitments.ts'
import type { Disruption } from './disruption.ts'
import { isMeant } from './eligibility/workload-rules.ts'
import { type Headroom, seat } from './headroom/headroom.ts'
import type { Shape } from './model/shape.ts'
import type { Model, NodeEntry, PodEntry } from './model.ts'
import { bestFit, noRoom, toMove } from './placing.ts'

export type Task = {
  readonly model: Model
  readonly policy: Policy
  readonly disruption: Disruption
  /** Every known node, in a stable order. */
  readonly nodes: readonly NodeEntry[]
  /** $/h that go with the node; less than it costs where a part is committed. */
  readonly hourly: ReadonlyMap<NodeEntry, number>
  readonly bill: Bill
  /** Nodes that save nothing, and why. */
  readonly covered: ReadonlyMap<NodeEntry, Reason>
  /** Why some nodes may not be emptied at all. */
  readonly fixed: ReadonlyMap<NodeEntry, readonly Reason[]>
  readonly headroom: Headroom
  /** The time is up: what has been found so far is the answer. */
  readonly isLate: () => boolean
  /** The time is up for explanations too. */
  readonly isOver: () => boolean
}
export type Drained = { readonly node: NodeEntry; readonly moves: readonly { readonly pod: PodEntry; readonly to: NodeEntry }[] }
export type Draft = {
  readonly drained: readonly Drained[]
  readonly guests: Guests
  readonly saved: number
  readonly evictions: number
  /** $/h of the nodes that have to be kept after all so that one rehearsal leaves no pod pending; undefined: not rehearsed. */
  readonly loss?: number
  /** Nodes that have to be launched first; undefined: none. */
  readonly launch?: Launched
}
export type Launched = {
  readonly nodes: readonly NodeEntry[]
  /** The task with them among its nodes. */
  readonly task: Task
}
/** Does it with the nodes on the model that the draft launches. The model is left as it was. */
export const withLaunched = <Result>({ model }: Task, { nodes = [] }: Partial<Launched>, run: () => Result): Result => {
  const mark = model.mark()
  for (const node of nodes) model.launch(node)
  const result = run()
  model.rollback(mark)
  return result
}
/** Whether a node that took in a moved pod may still be drained: its guests then go on to a third node, in one move. */
export type Guests = 'go-on' | 'stay'

/** What keeps each node that the draft does not empty, asked when all its moves are made. */
export const explain = (task: Task, { drained, guests }: Draft): ReadonlyMap<NodeEntry, readonly Reason[]> => {
  const mark = task.model.mark()
  const state = begin()
  for (const { node, moves } of drained) {
    state.gone.add(node)
    task.model.drain(node)
    for (const { pod, to } of moves) {
      state.origins.set(pod, node)
      task.model.move(pod, to)
    }
  }
  seat(task.model, task.headroom.room, task.nodes)
  const attempt = attempts({ ...task, isLate: task.isOver }, state, guests)
  const kept = new Map<NodeEntry, readonly Reason[]>()
  for (const node of task.nodes) {
    if (state.gone.has(node)) continue
    const before = task.model.mark()
    const fixed = task.fixed.get(node)
    kept.set(node, fixed ?? [attempt(node)?.() ?? LATE])
    task.model.rollback(before)
    // Only where time had been short before: it could be emptied after all, and is not.
    if (!state.gone.delete(node)) continue
    for (const [pod, from] of state.origins) if (from === node) state.origins.delete(pod)
  }
  task.model.rollback(mark)
  return kept
}
const LATE: Reason = { code: 'Deadline', message: 'the time for planning was up before it was its turn' }

/** What has been emptied so far, and from which node each moved pod came. */
export type State = { readonly gone: Set<NodeEntry>; readonly origins: Map<PodEntry, NodeEntry> }
export const begin = (): State => ({ gone: new Set(), origins: new Map() })

export const draftOf = (task: Task, { gone, origins }: State): Omit<Draft, 'guests'> => {
  const moves = new Map<NodeEntry, { pod: PodEntry; to: NodeEntry }[]>([...gone].map((node) => [node, []]))
  for (const [pod, from] of origins) if (pod.node) moves.get(from)?.push({ pod, to: pod.node })
  const drained = [...moves].map(([node, list]) => ({ node, moves: list }))
  return { drained, saved: drained.reduce((sum, { node }) => sum + (task.hourly.get(node) ?? 0), 0), evictions: origins.size }
}

/** Why a node can't be emptied; the explanation is dear, and made only on request, while the model is as it was found. */
type Obstacle = () => Reason
const because =
  (code: string, message: string): Obstacle =>
  () => ({ code, message })

/** Where a pod that is off its node is to go; by default the best fit of what stays. */
export type Place = (pod: PodEntry) => NodeEntry | undefined

/** Tries to empty a node, and leaves the model emptied or as it was. */
export const attempts = (
  task: Task,
  { gone, origins }: State,
  guests: Guests,
  placeAt?: Place,
): ((node: NodeEntry) => Obstacle | undefined) => {
  const { model, policy, nodes, headroom } = task
  let left: readonly NodeEntry[] | undefined
  const staying = (): readonly NodeEntry[] => {
    left ??= nodes.filter((node) => !gone.has(node))
    return left
  }
  // Room only shrinks: a shape that fitted on no node but X, from X, can only ever fit on X. With pods that mind their
  // neighbours that is not so, and nothing is remembered.
  const hopeless = new Map<Shape, NodeEntry>()
  const remembers = (shape: Shape): boolean =>
    !placeAt && !shape.social && model.repelling.size === 0 && model.defaultConstraints.length === 0
  const bestOfAll = (pod: PodEntry): NodeEntry | undefined => {
    const only = remembers(pod.shape) ? hopeless.get(pod.shape) : undefined
    return bestFit(model, pod, only ? [only] : staying())
  }
  const place = placeAt ?? bestOfAll
  /** The pod that found no place, and those before it that did. */
  const moveAll = (node: NodeEntry, pods: readonly PodEntry[]): PodEntry | undefined => {
    for (const [index, pod] of pods.entries()) {
      model.move(pod, undefined)
      const to = place(pod)
      if (!to) {
        if (index === 0 && remembers(pod.shape) && !hopeless.has(pod.shape)) hopeless.set(pod.shape, node)
        return pod
      }
      model.move(pod, to)
    }
    return undefined
  }
  const limits = policy.workloads.filter(({ maxEvictions }) => maxEvictions !== undefined)
  /** What the policy has against evicting all these, in pods of one owner. */
  const overLimit = (pods: readonly PodEntry[]): string | undefined => {
    for (const rule of limits) {
      const counts = Map.groupBy(
        pods.filter(({ shape }) => isMeant(rule, shape)),
        ({ shape }) => shape.owner?.uid ?? shape.key,
      )
      for (const [, list] of counts)
        if (list.length > (rule.maxEvictions ?? 0))
          return `${list.length} pods of ${list[0]?.namespace}/${list[0]?.shape.owner?.name ?? ''} would be evicted: the policy allows ${rule.maxEvictions}`
    }
    return undefined
  }
  const hasGuests = ({ pods }: NodeEntry): boolean => {
    for (const pod of pods) if (origins.has(pod)) return true
    return false
  }
  /** Whether all pods would have a place on the nodes that stay if nothing were left free. */
  const fitsWithoutHeadroom = (node: NodeEntry, pods: readonly PodEntry[]): boolean => {
    const mark = model.mark()
    for (const pod of headroom.room) model.move(pod, undefined)
    model.drain(node)
    const fits = pods.every((pod) => {
      if (headroom.room.has(pod)) return true
      model.move(pod, undefined)
      const to = bestFit(model, pod, staying())
      model.move(pod, to)
      return to !== undefined
    })
    model.rollback(mark)
    return fits
  }
  const whyStuck = (node: NodeEntry, pods: readonly PodEntry[]): Reason => {
    const mark = model.mark()
    model.drain(node)
    const stuck = moveAll(node, pods)
    const reason = stuck ? noRoom(model, stuck, nodes) : LATE
    model.rollback(mark)
    const isRoom = stuck && headroom.room.size > 0 && (headroom.room.has(stuck) || fitsWithoutHeadroom(node, pods))
    return isRoom ? { code: 'Headroom', message: `the policy's headroom takes up the room: ${reason.message}` } : reason
  }
  return (node) => {
    if (task.isLate()) return () => LATE
    if (gone.size >= (policy.maxNodes ?? Number.POSITIVE_INFINITY))
      return because('NodeLimit', `the policy empties ${policy.maxNodes} node(s) in one plan`)
    if (nodes.length - gone.size <= policy.minNodes) return because('MinNodes', `the policy keeps ${policy.minNodes} node(s)`)
    const paid = task.covered.get(node)
    if (paid) return () => paid
    if (guests === 'stay' && hasGuests(node)) return because('Receives', 'it takes in pods of emptied nodes')
    const pods = toMove(model, node, task.disruption)
    const evicted = pods.filter((pod) => !origins.has(pod) && !headroom.room.has(pod))
    if (evicted.length + origins.size > (policy.maxEvictions ?? Number.POSITIVE_INFINITY))
      return because('EvictionLimit', `its ${evicted.length} pods would exceed the limit of ${policy.maxEvictions} evictions`)
    const tooMany = limits.length > 0 ? overLimit([...origins.keys(), ...evicted]) : undefined
    if (tooMany !== undefined) return because('WorkloadLimit', tooMany)
    const mark = model.mark()
    model.drain(node)
    if (moveAll(node, pods)) {
      model.rollback(mark)
      return () => whyStuck(node, pods)
    }
    const forbidden = headroom.forbids()
    if (forbidden) {
      model.rollback(mark)
      return () => forbidden
    }
    gone.add(node)
    for (const pod of evicted) origins.set(pod, node)
    left = undefined
    return undefined
  }
}
