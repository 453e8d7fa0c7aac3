import type { Deployment, Node, PlannedObject, Pod, PodDisruptionBudget, ReplicaSet } from '../../events/kubernetes.ts'
import { type Columns, createColumns } from './columns.ts'
import { amountOf } from './demand.ts'
import { checkSelector, rawShape, type Shape, shapeOf } from './shape.ts'

export type NodeEntry = {
  readonly name: string
  /** Its row in the columns. */
  readonly index: number
  /** Undefined while only its pods are known. */
  object: Node | undefined
  readonly pods: Set<PodEntry>
}
export type PodEntry = {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly shape: Shape
  /** It ends by itself: deletion has begun. It holds its room until it is gone. */
  readonly leaving: boolean
  node: NodeEntry | undefined
}

/**
 * The cluster as scheduling sees it: a projection of the slim objects, in any order of arrival. Invariant: after any
 * sequence of changes it equals the model built anew from what is then there.
 */
export type Model = {
  readonly columns: Columns
  readonly nodes: ReadonlyMap<string, NodeEntry>
  readonly pods: ReadonlyMap<string, PodEntry>
  readonly shapes: ReadonlyMap<string, Shape>
  /** Shapes with required anti-affinity: they have a say about every other pod. */
  readonly repelling: ReadonlySet<Shape>
  readonly budgets: ReadonlyMap<string, PodDisruptionBudget>
  /** Deployments and ReplicaSets by UID. */
  readonly workloads: ReadonlyMap<string, Deployment | ReplicaSet>
  /** Counts the changes of nodes: what was concluded from nodes alone holds while it stays. */
  readonly nodesVersion: () => number
  /** @throws RangeError for a quantity or selector that is none; the model is then as before */
  readonly apply: (object: PlannedObject) => void
  readonly remove: (kind: PlannedObject['kind'], namespace: string | undefined, name: string) => void
  /** Tries a pod elsewhere; `rollback` undoes. */
  readonly move: (pod: PodEntry, to: NodeEntry | undefined) => void
  readonly mark: () => number
  readonly rollback: (mark: number) => void
}

const keyOf = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`
const isOver = ({ status }: Pod): boolean => status.phase === 'Succeeded' || status.phase === 'Failed'

export const createModel = (): Model => {
  const columns = createColumns()
  for (const resource of ['cpu', 'memory', 'pods']) columns.indexOf(resource)
  const nodes = new Map<string, NodeEntry>()
  const pods = new Map<string, PodEntry>()
  const shapes = new Map<string, Shape>()
  const repelling = new Set<Shape>()
  const budgets = new Map<string, PodDisruptionBudget>()
  const workloads = new Map<string, Deployment | ReplicaSet>()
  const workloadUids = new Map<string, string>()
  const freed: number[] = []
  const log: (readonly [PodEntry, NodeEntry | undefined])[] = []
  let rows = 0
  let version = 0

  const entryOf = (name: string): NodeEntry => {
    const known = nodes.get(name)
    if (known) return known
    const index = freed.pop() ?? rows++
    columns.reserve(rows)
    const entry: NodeEntry = { name, index, object: undefined, pods: new Set() }
    nodes.set(name, entry)
    return entry
  }
  const tidy = (entry: NodeEntry | undefined): void => {
    if (!entry || entry.object || entry.pods.size > 0) return
    nodes.delete(entry.name)
    freed.push(entry.index)
  }
  const put = (pod: PodEntry, to: NodeEntry | undefined): void => {
    const sign = to ? 1 : -1
    const at = to ?? pod.node
    if (!at) return
    for (const [resource, amount] of pod.shape.demand) {
      const column = columns.requested[resource]
      if (column) column[at.index] = (column[at.index] ?? 0) + sign * amount
    }
    if (to) at.pods.add(pod)
    else at.pods.delete(pod)
    pod.node = to
  }
  const shift = (pod: PodEntry, to: NodeEntry | undefined): void => {
    put(pod, undefined)
    if (to) put(pod, to)
  }

  const allocate = (index: number, amounts: readonly (readonly [string, number])[]): void => {
    for (const column of columns.allocatable) column[index] = 0
    for (const [name, amount] of amounts) {
      const column = columns.allocatable[columns.indexOf(name)]
      if (column) column[index] = amount
    }
  }
  const applyNode = (node: Node): void => {
    const amounts = Object.entries(node.status.allocatable).map(([name, text]) => [name, amountOf(name, text)] as const)
    const entry = entryOf(node.metadata.name)
    allocate(entry.index, amounts)
    entry.object = node
    version += 1
  }
  const removeNode = (name: string): void => {
    const entry = nodes.get(name)
    if (!entry) return
    allocate(entry.index, [])
    entry.object = undefined
    version += 1
    tidy(entry)
  }

  const intern = (pod: Pod): Shape => {
    const raw = rawShape(pod)
    const key = JSON.stringify(raw)
    const known = shapes.get(key)
    if (known) return known
    const shape = shapeOf(raw, key, columns)
    shapes.set(key, shape)
    if (shape.repels) repelling.add(shape)
    return shape
  }
  const removePod = (key: string): void => {
    const pod = pods.get(key)
    if (!pod) return
    const { node, shape } = pod
    put(pod, undefined)
    pods.delete(key)
    shape.pods.delete(pod)
    if (shape.pods.size === 0) {
      shapes.delete(shape.key)
      repelling.delete(shape)
    }
    tidy(node)
  }
  // A pod that has run its course takes no room and is nobody's neighbour: the model forgets it.
  const applyPod = (pod: Pod): void => {
    const { namespace = '', name, uid, deletionTimestamp } = pod.metadata
    const key = keyOf(namespace, name)
    if (isOver(pod)) {
      removePod(key)
      return
    }
    const shape = intern(pod)
    removePod(key)
    shapes.set(shape.key, shape)
    if (shape.repels) repelling.add(shape)
    const entry: PodEntry = { namespace, name, uid, shape, leaving: deletionTimestamp !== undefined, node: undefined }
    pods.set(key, entry)
    shape.pods.add(entry)
    if (pod.spec.nodeName) put(entry, entryOf(pod.spec.nodeName))
  }
  const applyBudget = (budget: PodDisruptionBudget): void => {
    checkSelector(budget.spec.selector)
    budgets.set(keyOf(budget.metadata.namespace, budget.metadata.name), budget)
  }
  const removeWorkload = (key: string): void => {
    workloads.delete(workloadUids.get(key) ?? '')
    workloadUids.delete(key)
  }
  const applyWorkload = (object: Deployment | ReplicaSet): void => {
    const { namespace, name, uid } = object.metadata
    const key = `${object.kind}/${keyOf(namespace, name)}`
    removeWorkload(key)
    workloads.set(uid, object)
    workloadUids.set(key, uid)
  }

  return {
    columns,
    nodes,
    pods,
    shapes,
    repelling,
    budgets,
    workloads,
    nodesVersion: () => version,
    apply(object) {
      if (object.kind === 'Node') applyNode(object)
      else if (object.kind === 'Pod') applyPod(object)
      else if (object.kind === 'PodDisruptionBudget') applyBudget(object)
      else if (object.kind !== 'DaemonSet') applyWorkload(object)
    },
    remove(kind, namespace, name) {
      if (kind === 'Node') removeNode(name)
      else if (kind === 'Pod') removePod(keyOf(namespace, name))
      else if (kind === 'PodDisruptionBudget') budgets.delete(keyOf(namespace, name))
      else if (kind !== 'DaemonSet') removeWorkload(`${kind}/${keyOf(namespace, name)}`)
    },
    move(pod, to) {
      log.push([pod, pod.node])
      shift(pod, to)
    },
    mark: () => log.length,
    rollback(mark) {
      while (log.length > mark) {
        const [pod, from] = log.pop() ?? []
        if (pod) shift(pod, from)
      }
    },
  }
}
