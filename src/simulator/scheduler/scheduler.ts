import { timestamp } from '../clock.ts'
import { workQueue } from '../controllers/queue.ts'
import type { PodObject } from '../objects.ts'
import { controllerUid, isFinished, isTerminating, keyOfObject, withCondition } from '../objects.ts'
import { hash32, seededRandom } from '../random.ts'
import type { World } from '../world.ts'
import type { NamespaceLabels } from './affinity.ts'
import { filterFor } from './filter.ts'
import type { Room, Rooms } from './room.ts'
import { followRooms } from './room.ts'
import { scores } from './score.ts'
import type { Siblings } from './spread.ts'

export type Choice = { readonly node: string } | { readonly message: string }
type Question = {
  readonly rooms: Rooms
  readonly pod: PodObject
  readonly siblings: Siblings | undefined
  readonly labelsOf: NamespaceLabels
  /** Breaks ties, in [0, 1). */
  readonly random: () => number
  /** Where the search begins: it moves on with every pod, as the real one does. */
  readonly from: number
}

/** How many fitting nodes are enough to choose from (`numFeasibleNodesToFind`, percentageOfNodesToScore 0). */
export const enough = (nodes: number): number => {
  if (nodes < 100) return nodes
  const percent = Math.max(5, 50 - Math.trunc(nodes / 125))
  return Math.max(100, Math.trunc((nodes * percent) / 100))
}

/** Where the default scheduler would put the pod, or its message when it fits nowhere. */
export const choose = ({ rooms, pod, siblings, labelsOf, random, from }: Question): Choice => {
  const { list } = rooms
  const filter = filterFor(rooms, pod, labelsOf)
  const limit = enough(list.length)
  const feasible: Room[] = []
  const reasons = new Map<string, number>()
  for (let step = 0; step < list.length && feasible.length < limit; step += 1) {
    const room = list[(from + step) % list.length]
    const refusals = room ? filter(room) : []
    if (room && refusals.length === 0) feasible.push(room)
    for (const refusal of refusals) reasons.set(refusal, (reasons.get(refusal) ?? 0) + 1)
  }
  if (feasible.length === 0) return { message: unschedulable(list.length, reasons) }
  return { node: best(feasible, scores(rooms, feasible, pod, siblings), random).name }
}

const unschedulable = (nodes: number, reasons: ReadonlyMap<string, number>): string => {
  const parts = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort()
  return parts.length === 0 ? `0/${nodes} nodes are available.` : `0/${nodes} nodes are available: ${parts.join(', ')}.`
}

const best = (rooms: readonly Room[], points: readonly number[], random: () => number): Room => {
  const most = points.reduce((a, b) => Math.max(a, b), 0)
  const tied = rooms.filter((_, index) => points[index] === most)
  const chosen = tied[Math.floor(random() * tied.length)] ?? rooms[0]
  if (!chosen) throw new Error('scheduler: there is no node to choose from')
  return chosen
}

const isWaiting = (pod: PodObject): boolean =>
  !pod.spec.nodeName &&
  !isTerminating(pod) &&
  !isFinished(pod) &&
  (pod.spec.schedulingGates ?? []).length === 0 &&
  [undefined, 'default-scheduler'].includes(schedulerOf(pod))
const schedulerOf = ({ spec }: PodObject): string | undefined =>
  'schedulerName' in spec && typeof spec.schedulerName === 'string' ? spec.schedulerName : undefined

/**
 * The simulated cluster's scheduler: places what waits, by priority and age; what fits nowhere is tried again when a pod goes
 * or a node changes. It does not preempt.
 */
export const runScheduler = (world: World): void => {
  const { store, clock, timings } = world
  const rooms = followRooms(store)
  const waiting = new Map<string, PodObject>()
  const unplaceable = new Set<string>()
  let from = 0
  const round = workQueue(clock, timings.schedulerMs, () => {
    for (const pod of [...waiting.values()].sort(byPriority)) {
      waiting.delete(keyOfObject(pod))
      const now = store.get('pods', pod.metadata.namespace, pod.metadata.name)
      if (now && isWaiting(now)) place(now)
    }
  })
  const place = (pod: PodObject): void => {
    const random = seededRandom(hash32(`${store.seed}/${store.resourceVersion()}`))
    const labelsOf = (namespace: string) => store.get('namespaces', undefined, namespace)?.metadata.labels ?? {}
    const choice = choose({ rooms, pod, siblings: siblingsOf(world, pod), labelsOf, random, from })
    from = rooms.list.length === 0 ? 0 : (from + enough(rooms.list.length)) % rooms.list.length
    if ('node' in choice) bindPod(world, pod, choice.node)
    else refuse(pod, choice.message)
  }
  const refuse = (pod: PodObject, message: string): void => {
    unplaceable.add(keyOfObject(pod))
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }
    const conditions = withCondition(pod.status.conditions, condition, timestamp(clock.now()))
    store.update('pods', { ...pod, status: { ...pod.status, conditions } })
  }
  const want = (pod: PodObject): void => {
    waiting.set(keyOfObject(pod), pod)
    round.add('')
  }
  const again = workQueue(clock, timings.retryMs, () => {
    const keys = [...unplaceable]
    unplaceable.clear()
    for (const key of keys) {
      const slash = key.indexOf('/')
      const pod = store.get('pods', key.slice(0, slash), key.slice(slash + 1))
      if (pod && isWaiting(pod)) want(pod)
    }
  })
  const retry = (): void => (unplaceable.size > 0 ? again.add('') : undefined)
  store.subscribe((change) => {
    if (change.resource === 'nodes' && change.type !== 'DELETED') retry()
    if (change.resource !== 'pods') return
    const { type, object } = change
    if (type === 'DELETED') {
      unplaceable.delete(keyOfObject(object))
      retry()
    } else if (isWaiting(object) && !unplaceable.has(keyOfObject(object))) want(object)
    else if (!change.previous?.spec.nodeName && object.spec.nodeName) retry() // it may be the pod that another one wants to be near
  })
  for (const pod of store.all('pods')) if (isWaiting(pod)) want(pod)
}

const byPriority = (one: PodObject, other: PodObject): number =>
  (other.spec.priority ?? 0) - (one.spec.priority ?? 0) ||
  Number(one.metadata.resourceVersion) - Number(other.metadata.resourceVersion)

/** The pods of the same ReplicaSet: what the built-in spreading looks at. */
const siblingsOf = ({ store, pods }: World, pod: PodObject): Siblings | undefined => {
  const owner = pod.metadata.ownerReferences?.find(({ controller, kind }) => controller === true && kind === 'ReplicaSet')
  const set = owner && store.get('replicasets', pod.metadata.namespace, owner.name)
  return set && { selector: set.spec.selector, pods: pods.of(controllerUid(pod) ?? '') }
}

/** Binds the pod to the node: what the scheduler posts to `/binding`. */
export const bindPod = ({ store, clock }: World, pod: PodObject, node: string): PodObject => {
  const at = timestamp(clock.now())
  const conditions = withCondition(pod.status.conditions, { type: 'PodScheduled', status: 'True' }, at)
  return store.update('pods', { ...pod, spec: { ...pod.spec, nodeName: node }, status: { ...pod.status, conditions } })
}
