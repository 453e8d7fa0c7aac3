import type { NodeObject, PodObject } from '../objects.ts'
import { isFinished, keyOfObject } from '../objects.ts'
import type { Store } from '../store.ts'
import type { Amounts } from './demand.ts'
import { amountsOf, demandOf, scoredDemandOf } from './demand.ts'

/** A node as the scheduler sees it: what it has, and the sums of what its pods take. */
export type Room = {
  readonly name: string
  node: NodeObject
  labels: Readonly<Record<string, string>>
  /** What is left of each resource; below zero where more was promised than there is. */
  free: Map<string, number>
  podsAllowed: number
  /** All there is, in millicores and bytes. */
  whole: { readonly cpu: number; readonly memory: number }
  /** Millicores and bytes as scoring counts them. */
  readonly scored: { cpu: number; memory: number }
  readonly pods: Map<string, PodObject>
  /** How many of its pods ask for host ports. */
  portUsers: number
}
export type Rooms = {
  readonly list: readonly Room[]
  get(node: string): Room | undefined
  /** Placed pods that keep others away from them: few, so that symmetry costs little. */
  readonly repelling: ReadonlyMap<string, { readonly pod: PodObject; readonly room: Room }>
  /** Takes note of a node. */
  put(node: NodeObject): void
  drop(node: string): void
  /** Takes note of a placed pod, in the place of what it was before. */
  place(pod: PodObject): void
  remove(pod: PodObject): void
}

type Taken = { readonly requests: Amounts; readonly cpu: number; readonly memory: number; readonly ports: boolean }
const taken = new WeakMap<object, Taken>()
/** What the pod takes; a pod's spec never changes in place, so it is computed once. */
export const takenBy = ({ spec }: PodObject): Taken => {
  const known = taken.get(spec)
  if (known) return known
  const scored = scoredDemandOf(spec)
  const fresh = {
    requests: demandOf(spec),
    cpu: scored.get('cpu') ?? 0,
    memory: scored.get('memory') ?? 0,
    ports: spec.containers.some(({ ports }) => ports?.some(({ hostPort }) => hostPort)),
  }
  taken.set(spec, fresh)
  return fresh
}

const account = (room: Room, pod: PodObject, sign: 1 | -1): void => {
  const { requests, cpu, memory, ports } = takenBy(pod)
  for (const [name, amount] of requests) room.free.set(name, (room.free.get(name) ?? 0) - sign * amount)
  room.scored.cpu += sign * cpu
  room.scored.memory += sign * memory
  if (ports) room.portUsers += sign
}
const isRepelling = ({ spec }: PodObject): boolean =>
  (spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).length > 0

/** @param pods those that are on it already */
const ofNode = (node: NodeObject, pods: Iterable<PodObject> = []) => {
  const allocatable = amountsOf(node.status.allocatable)
  const whole = { cpu: allocatable.get('cpu') ?? 0, memory: allocatable.get('memory') ?? 0 }
  const free = new Map(allocatable)
  for (const pod of pods) for (const [name, amount] of takenBy(pod).requests) free.set(name, (free.get(name) ?? 0) - amount)
  // A node that names no number of pods takes 110, the kubelet's default.
  const podsAllowed = (allocatable.get('pods') ?? 110_000) / 1000
  return { node, labels: node.metadata.labels ?? {}, free, podsAllowed, whole }
}
const roomFor = (node: NodeObject): Room => ({
  ...ofNode(node),
  name: node.metadata.name,
  scored: { cpu: 0, memory: 0 },
  pods: new Map(),
  portUsers: 0,
})

export const emptyRooms = (): Rooms => {
  const rooms = new Map<string, Room>()
  const repelling = new Map<string, { pod: PodObject; room: Room }>()
  let list: Room[] | undefined
  const vacate = (key: string, name: string | undefined): void => {
    const room = name === undefined ? undefined : rooms.get(name)
    const pod = room?.pods.get(key)
    if (!room || !pod) return
    account(room, pod, -1)
    room.pods.delete(key)
    repelling.delete(key)
  }
  return {
    get list() {
      list ??= [...rooms.values()]
      return list
    },
    get: (node) => rooms.get(node),
    repelling,
    put(node) {
      const room = rooms.get(node.metadata.name)
      if (room) Object.assign(room, ofNode(node, room.pods.values()))
      else {
        rooms.set(node.metadata.name, roomFor(node))
        list = undefined
      }
    },
    drop(node) {
      for (const key of rooms.get(node)?.pods.keys() ?? []) repelling.delete(key)
      rooms.delete(node)
      list = undefined
    },
    place(pod) {
      const key = keyOfObject(pod)
      vacate(key, pod.spec.nodeName)
      const room = rooms.get(pod.spec.nodeName ?? '')
      if (!room || isFinished(pod)) return
      account(room, pod, 1)
      room.pods.set(key, pod)
      if (isRepelling(pod)) repelling.set(key, { pod, room })
    },
    remove: (pod) => vacate(keyOfObject(pod), pod.spec.nodeName),
  }
}

/** The rooms of the store's nodes, kept up with it. */
export const followRooms = (store: Store): Rooms => {
  const rooms = emptyRooms()
  for (const node of store.all('nodes')) rooms.put(node)
  for (const pod of store.all('pods')) rooms.place(pod)
  const putNode = (node: NodeObject, isNew: boolean): void => {
    rooms.put(node)
    // The pods of a node that comes back under its name are on it still.
    if (isNew) for (const pod of store.all('pods')) if (pod.spec.nodeName === node.metadata.name) rooms.place(pod)
  }
  store.subscribe((change) => {
    if (change.resource === 'nodes') {
      if (change.type === 'DELETED') rooms.drop(change.object.metadata.name)
      else putNode(change.object, change.type === 'ADDED')
    }
    if (change.resource !== 'pods') return
    if (change.type === 'DELETED') rooms.remove(change.object)
    else if (change.object.spec.nodeName) rooms.place(change.object)
  })
  return rooms
}
