import { setTimeout as sleep } from 'node:timers/promises'
import { CORDONED_BY, FOUND } from '../../src/events/controller.ts'
import { readLog, type Written } from '../../src/simulator/log.ts'
import { type StartedSimulator, startSimulator } from '../../src/simulator/start.ts'

type Node = {
  readonly metadata: { readonly name: string; readonly uid: string; readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: { readonly unschedulable?: boolean; readonly providerID?: string }
  readonly status: object
}

export type World = {
  readonly server: string
  readonly token: string
  /** Names of the nodes that are there, as last seen. */
  readonly nodes: () => readonly string[]
  readonly added: () => number
  /** No more nodes are added. */
  readonly settle: () => Promise<void>
  readonly stop: () => Promise<void>
}

const LOOK_MS = 2_000

/** The simulated cluster. Nodes that were deleted are replaced by new empty ones, so that there is always something to pack. */
export const startWorld = async (folder: string, seed: number, size: number): Promise<World> => {
  const simulator = await startSimulator({ folder, trace: 'openb', seed, nodes: size })
  const settled = new AbortController()
  let names: readonly string[] = []
  let pattern: readonly Node[] = []
  let added = 0
  const look = async (): Promise<void> => {
    const { items } = (await asked(simulator, 'GET', '/api/v1/nodes')) as { readonly items: readonly Node[] }
    if (pattern.length === 0) pattern = items
    names = items.map(({ metadata }) => metadata.name)
    if (settled.signal.aborted) return
    for (let missing = size - items.length; missing > 0; missing--) {
      const like = pattern[added % pattern.length]
      if (like) await asked(simulator, 'POST', '/api/v1/nodes', replacement(like, ++added))
    }
  }
  await look()
  const looking = (async () => {
    while (!settled.signal.aborted) {
      await sleep(LOOK_MS, undefined, { signal: settled.signal }).catch(() => {})
      await look()
    }
  })()
  return {
    server: simulator.url,
    token: simulator.token,
    nodes: () => names,
    added: () => added,
    settle: async () => {
      settled.abort()
      await looking
    },
    stop: simulator.stop,
  }
}

/** A new node like another: the same labels and room, a name of its own. */
const replacement = ({ metadata, spec, status }: Node, nth: number): object => {
  const {
    uid: _,
    annotations: __,
    name,
    ...rest
  } = metadata as Node['metadata'] & { readonly labels?: Readonly<Record<string, string>> }
  const named = `${name}-again-${nth}`
  const { providerID: ___, unschedulable: ____, ...plain } = spec
  return {
    metadata: { name: named, labels: { ...rest.labels, 'kubernetes.io/hostname': named } },
    spec: { ...plain, providerID: `simulated:///${named}` },
    status,
  }
}

const asked = async ({ url, token }: StartedSimulator, method: string, path: string, body?: object): Promise<unknown> => {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  if (!response.ok)
    throw new Error(`the simulated cluster answers ${method} ${path} with ${response.status}: ${await response.text()}`)
  return response.json()
}

/** What was really done to the world, from the simulator's own log of every write. */
export type Deeds = {
  /** UIDs of evicted pods, one entry for each eviction. */
  readonly evicted: readonly string[]
  readonly deletedNodes: readonly string[]
  /** For each action, how often its mark came onto a node, and how often it left. */
  readonly cordons: ReadonlyMap<string, number>
  readonly uncordons: ReadonlyMap<string, number>
  /** Nodes that are cordoned at the end, with the action whose mark they bear. */
  readonly cordoned: readonly { readonly node: string; readonly action: string | undefined }[]
}

/** Whose cordon a node bears, and over whose. */
type Mark = { readonly by: string; readonly over: string | undefined }
const markOf = ({ metadata: { annotations } }: Node): Mark | undefined => {
  const by = annotations?.[CORDONED_BY]
  return by === undefined ? undefined : { by, over: annotations?.[FOUND]?.split('/')[1] }
}

/** Reads the log of a world that has stopped. */
export const deedsOf = (folder: string): Deeds => {
  const log = readLog(folder)
  if (!log) throw new Error(`${folder}: there is no log of the world`)
  const evicted = [...log.audit, ...log.written.flatMap((each) => each.evicted ?? [])].map(({ uid }) => uid)
  const [cordons, uncordons] = [new Map<string, number>(), new Map<string, number>()]
  const marks = new Map<string, Mark | undefined>()
  const live = new Map<string, Node>()
  const deletedNodes: string[] = []
  for (const { type, object } of log.written.filter(({ resource }: Written) => resource === 'nodes')) {
    const node = object as unknown as Node
    const { uid } = node.metadata
    if (type === 'DELETED') {
      deletedNodes.push(uid)
      live.delete(uid)
      continue
    }
    live.set(uid, node)
    const [before, after] = [marks.get(uid), markOf(node)]
    marks.set(uid, after)
    if (before?.by === after?.by) continue
    // An action that finds a node cordoned by another takes it over, and gives it back to that one.
    if (after && before?.over !== after.by) cordons.set(after.by, (cordons.get(after.by) ?? 0) + 1)
    if (before && after?.over !== before.by) uncordons.set(before.by, (uncordons.get(before.by) ?? 0) + 1)
  }
  const cordoned = [...live.values()]
    .filter(({ spec }) => spec.unschedulable)
    .map(({ metadata }) => ({ node: metadata.name, action: metadata.annotations?.[CORDONED_BY] }))
  return { evicted, deletedNodes, cordons, uncordons, cordoned }
}
