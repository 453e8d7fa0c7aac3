import type { Node, Pod, PodSpec } from '../../events/kubernetes.ts'
import type { ModelKindName, ModelObject } from '../../events/model-kinds.ts'
import { amountOf } from './model/amount.ts'
import { type Books, createBooks } from './model/books.ts'
import { type Columns, createColumns } from './model/columns.ts'
import { createLabelBook, type LabelBook } from './model/labels.ts'
import { type ClaimUse, createRoom, join, leave } from './model/room.ts'
import { rawShape, type Shape, shapeOf } from './model/shape.ts'
import { createTallies, type Tallies } from './model/tally.ts'
import { type Topology, topologyOf } from './model/topology.ts'

export type NodeEntry = {
  readonly name: string
  /** Its row in the columns. */
  readonly index: number
  /** Undefined while only its pods are known. */
  object: Node | undefined
  readonly pods: PodEntry[]
  /** The claims that its pods use. */
  readonly claims: ClaimUse
  /** The node whose CSINode says what can be attached to it: itself; of a planned one another of its kind, or none (empty). */
  readonly like: string
  /** It is not there: a plan would have it launched. */
  readonly planned: boolean
  /** On trial: it is to be emptied. It takes no pods; for topology spread it counts both as there and as gone. */
  draining: boolean
}
export type PodEntry = {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly shape: Shape
  /** It ends by itself: deletion has begun. It holds its room until it is gone. */
  readonly leaving: boolean
  /** It serves: its condition Ready says so. */
  readonly ready: boolean
  /** Epoch milliseconds; 0 while it has not started. */
  readonly startedAt: number
  /** Where it runs, whatever is tried. */
  readonly home: NodeEntry | undefined
  /** Where it is now; elsewhere than at home, or nowhere, while a move is tried. */
  node: NodeEntry | undefined
  /** Its places in the lists of that node and of its shape. */
  seat: number
  rank: number
}

export type ModelOptions = {
  /** What the cluster's scheduler is configured to spread pods by that say nothing themselves; by default nothing hard. */
  readonly defaultConstraints?: NonNullable<PodSpec['topologySpreadConstraints']>
}

/**
 * The cluster as scheduling sees it: a projection of the slim objects, in any order of arrival. Invariant: after any
 * sequence of changes it equals the model built anew from what is then there.
 */
export type Model = Books &
  Required<ModelOptions> & {
    readonly columns: Columns
    readonly nodes: ReadonlyMap<string, NodeEntry>
    /** By `namespace/name`. */
    readonly pods: ReadonlyMap<string, PodEntry>
    readonly shapes: ReadonlyMap<string, Shape>
    readonly byNamespace: ReadonlyMap<string, ReadonlySet<Shape>>
    /** Shapes with required anti-affinity: they have a say about every other pod. */
    readonly repelling: ReadonlySet<Shape>
    /** Counts the changes of that set. */
    readonly repellingVersion: () => number
    /** How many pods on nodes use each claim, by `namespace/name`. */
    readonly claimUse: ReadonlyMap<string, number>
    readonly labels: LabelBook
    readonly tallies: Tallies
    readonly topology: (key: string) => Topology
    /** Counts the changes of nodes that scheduling sees: what was concluded from nodes alone holds while it stays. */
    readonly nodesVersion: () => number
    /** The same for all objects but nodes and pods: what was concluded from volumes, namespaces and owners. */
    readonly booksVersion: () => number
    /** @throws RangeError for a quantity or selector that is none; the model is then as before */
    readonly apply: (object: ModelObject) => void
    readonly remove: (kind: ModelKindName, namespace: string | undefined, name: string) => void
    /** Pods that are not there, each like this one: they take room where they are moved to, and nothing else knows of them. */
    readonly imagine: (pod: Pod, count: number) => readonly PodEntry[]
    /** Gives up imagined pods, which must be off all nodes. */
    readonly dismiss: (pods: readonly PodEntry[]) => void
    /** Tries a pod elsewhere, or off its node; `rollback` undoes. */
    readonly move: (pod: PodEntry, to: NodeEntry | undefined) => void
    /** Tries to empty the node; `rollback` undoes. */
    readonly drain: (node: NodeEntry) => void
    /**
     * A node that could be launched, with the pods that it would get of itself, by shape. Nobody knows of it until it is.
     * @param like a node of its kind
     */
    readonly offer: (node: Node, daemons: readonly Shape[], like: string) => NodeEntry
    /** Tries the cluster with the offered node, empty but for those pods; `rollback` undoes. */
    readonly launch: (node: NodeEntry) => void
    /** Gives up offered nodes, none of which may be launched. */
    readonly withdraw: (nodes: readonly NodeEntry[]) => void
    /** The nodes that are being emptied on trial. */
    readonly draining: ReadonlySet<NodeEntry>
    /** Counts the changes of that set. */
    readonly drainingVersion: () => number
    /** Forks: what is moved and drained from here on can be undone. No object may change until then. */
    readonly mark: () => number
    readonly rollback: (mark: number) => void
  }

const keyOf = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`
const bookKey = (namespace: string | undefined, name: string): string => (namespace === undefined ? name : keyOf(namespace, name))
const isOver = ({ status }: Pod): boolean => status.phase === 'Succeeded' || status.phase === 'Failed'
const isReady = ({ status: { conditions = [] } }: Pick<Pod, 'status'>): boolean =>
  conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
/** What of a node can change what is concluded from it; heartbeats do not. */
const seen = ({ metadata: { labels, deletionTimestamp }, spec, status }: Node): string =>
  JSON.stringify([labels, deletionTimestamp, spec.taints, spec.unschedulable, isReady({ status }), status.allocatable])

const entryOfPod = ({ metadata, status }: Pod, shape: Shape, home: NodeEntry | undefined): PodEntry => ({
  namespace: metadata.namespace ?? '',
  name: metadata.name,
  uid: metadata.uid,
  shape,
  leaving: metadata.deletionTimestamp !== undefined,
  ready: isReady({ status }),
  startedAt: (status.startTime && Date.parse(status.startTime)) || 0,
  home,
  node: undefined,
  seat: 0,
  rank: 0,
})

/** The pod that a DaemonSet will have on a node that is not there yet. */
const retainerOf = (shape: Shape, home: NodeEntry): PodEntry => ({
  namespace: shape.namespace,
  name: `${shape.owner?.name ?? ''}/${home.name}`,
  uid: '',
  shape,
  leaving: false,
  ready: true,
  startedAt: 0,
  home,
  node: undefined,
  seat: 0,
  rank: 0,
})

export const createModel = ({ defaultConstraints = [] }: ModelOptions = {}): Model => {
  const columns = createColumns()
  for (const resource of ['cpu', 'memory', 'pods']) columns.indexOf(resource)
  const nodes = new Map<string, NodeEntry>()
  const pods = new Map<string, PodEntry>()
  const shapes = new Map<string, Shape>()
  const byNamespace = new Map<string, Set<Shape>>()
  const repelling = new Set<Shape>()
  const claimUse: ClaimUse = new Map()
  const draining = new Set<NodeEntry>()
  const topologies = new Map<string, { readonly at: number; readonly topology: Topology }>()
  const freed: number[] = []
  // What was tried, in two columns: which pod was moved and where it was before, or no pod and which node was drained or
  // launched; a node is drained after it was launched, so the last of the two is undone first.
  const moved: (PodEntry | undefined)[] = []
  const before: (NodeEntry | undefined)[] = []
  let rows = 0
  let version = 0
  let booksAt = 0
  let repellingAt = 0
  let drainingAt = 0

  const topology = (key: string): Topology => {
    const known = topologies.get(key)
    if (known?.at === version) return known.topology
    const made = topologyOf(key, nodes.values(), rows)
    topologies.set(key, { at: version, topology: made })
    return made
  }
  const labels = createLabelBook((name) => books.namespaces.get(name)?.metadata.labels)
  const tallies = createTallies({
    shapes: (namespace) => (namespace === undefined ? shapes.values() : (byNamespace.get(namespace) ?? [])),
    topology,
    version: () => version,
  })
  const { books, ...learned } = createBooks(() => {
    labels.forget()
    tallies.forget()
  })
  const put = createRoom(columns, tallies, claimUse)

  const madeEntry = (name: string, planned?: { readonly object: Node; readonly like: string }): NodeEntry => {
    const index = freed.pop() ?? rows++
    columns.reserve(rows)
    const { object, like = name } = planned ?? {}
    return { name, index, object, like, planned: planned !== undefined, pods: [], claims: new Map(), draining: false }
  }
  const entryOf = (name: string): NodeEntry => {
    const known = nodes.get(name)
    if (known) return known
    const entry = madeEntry(name)
    nodes.set(name, entry)
    version += 1
    return entry
  }
  const tidy = (entry: NodeEntry | undefined): void => {
    if (!entry || entry.object || entry.pods.length > 0) return
    nodes.delete(entry.name)
    freed.push(entry.index)
    version += 1
  }

  const allocate = (index: number, amounts: readonly (readonly [string, number])[]): void => {
    for (const column of columns.allocatable) column[index] = 0
    for (const [name, amount] of amounts) {
      const column = columns.allocatable[columns.indexOf(name)]
      if (column) column[index] = amount
    }
  }
  const amountsOf = ({ status }: Node) =>
    Object.entries(status.allocatable).map(([name, text]) => [name, amountOf(name, text)] as const)
  const applyNode = (node: Node): void => {
    const amounts = amountsOf(node)
    const entry = entryOf(node.metadata.name)
    allocate(entry.index, amounts)
    if (!entry.object || seen(entry.object) !== seen(node)) version += 1
    entry.object = node
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
    return shapes.get(key) ?? shapeOf(raw, key, columns, labels.intern)
  }
  const keep = (shape: Shape): void => {
    if (shapes.has(shape.key)) return
    shapes.set(shape.key, shape)
    shape.labelSet.shapes.add(shape)
    byNamespace.set(shape.namespace, (byNamespace.get(shape.namespace) ?? new Set()).add(shape))
    if (!shape.repels) return
    repelling.add(shape)
    repellingAt += 1
  }
  const drop = (shape: Shape): void => {
    shapes.delete(shape.key)
    if (repelling.delete(shape)) repellingAt += 1
    const beside = byNamespace.get(shape.namespace)
    beside?.delete(shape)
    if (beside?.size === 0) byNamespace.delete(shape.namespace)
    shape.labelSet.shapes.delete(shape)
    if (shape.labelSet.shapes.size === 0) labels.release(shape.labelSet)
  }
  /** @returns the node where it was */
  const takeOff = (key: string): NodeEntry | undefined => {
    const pod = pods.get(key)
    if (!pod) return undefined
    const { node, shape } = pod
    put(pod, undefined)
    pods.delete(key)
    leave(shape.pods, pod, 'rank')
    if (shape.pods.length === 0) drop(shape)
    return node
  }
  // A pod that has run its course takes no room and is nobody's neighbour: the model forgets it.
  const applyPod = (pod: Pod): void => {
    const { namespace, name } = pod.metadata
    const key = keyOf(namespace, name)
    if (isOver(pod)) {
      tidy(takeOff(key))
      return
    }
    const shape = intern(pod)
    const entry = entryOfPod(pod, shape, pod.spec.nodeName ? entryOf(pod.spec.nodeName) : undefined)
    keep(shape)
    join(shape.pods, entry, 'rank') // before the old one goes: what they share stays
    const left = takeOff(key)
    pods.set(key, entry)
    put(entry, entry.home)
    tidy(left)
  }

  /** What comes with an offered node. */
  const retinues = new Map<NodeEntry, readonly PodEntry[]>()
  const appear = (entry: NodeEntry): void => {
    nodes.set(entry.name, entry)
    version += 1
    for (const each of retinues.get(entry) ?? []) {
      pods.set(keyOf(each.namespace, each.name), each)
      join(each.shape.pods, each, 'rank')
      put(each, entry)
    }
  }
  const vanish = (entry: NodeEntry): void => {
    for (const each of retinues.get(entry) ?? []) {
      put(each, undefined)
      leave(each.shape.pods, each, 'rank')
      pods.delete(keyOf(each.namespace, each.name))
    }
    nodes.delete(entry.name)
    version += 1
  }

  return {
    ...books,
    defaultConstraints,
    columns,
    nodes,
    pods,
    shapes,
    byNamespace,
    repelling,
    repellingVersion: () => repellingAt,
    claimUse,
    labels,
    tallies,
    topology,
    nodesVersion: () => version,
    booksVersion: () => booksAt,
    apply(object) {
      if (object.kind === 'Node') applyNode(object)
      else if (object.kind === 'Pod') applyPod(object)
      else {
        learned.apply(object, bookKey(object.metadata.namespace, object.metadata.name))
        booksAt += 1
      }
    },
    remove(kind, namespace, name) {
      if (kind === 'Node') removeNode(name)
      else if (kind === 'Pod') tidy(takeOff(keyOf(namespace, name)))
      else {
        learned.remove(kind, bookKey(namespace, name))
        booksAt += 1
      }
    },
    imagine(pod, count) {
      const shape = intern(pod)
      keep(shape)
      const made = Array.from({ length: count }, () => entryOfPod(pod, shape, undefined))
      for (const each of made) join(shape.pods, each, 'rank')
      return made
    },
    dismiss(imagined) {
      for (const pod of imagined) {
        leave(pod.shape.pods, pod, 'rank')
        if (pod.shape.pods.length === 0) drop(pod.shape)
      }
    },
    move(pod, to) {
      moved.push(pod)
      before.push(pod.node)
      put(pod, to)
    },
    drain(node) {
      if (node.draining) return
      moved.push(undefined)
      before.push(node)
      node.draining = true
      draining.add(node)
      drainingAt += 1
    },
    offer(object, daemons, like) {
      const entry = madeEntry(object.metadata.name, { object, like })
      allocate(entry.index, amountsOf(object))
      retinues.set(
        entry,
        daemons.map((shape) => retainerOf(shape, entry)),
      )
      return entry
    },
    launch(node) {
      moved.push(undefined)
      before.push(node)
      appear(node)
    },
    withdraw(offered) {
      for (const entry of offered) {
        allocate(entry.index, [])
        freed.push(entry.index)
        retinues.delete(entry)
      }
    },
    draining,
    drainingVersion: () => drainingAt,
    mark: () => moved.length,
    rollback(mark) {
      while (moved.length > mark) {
        const pod = moved.pop()
        const node = before.pop()
        if (pod) put(pod, node)
        else if (node && !node.draining) vanish(node)
        else if (node) {
          node.draining = false
          draining.delete(node)
          drainingAt += 1
        }
      }
    },
  }
}
