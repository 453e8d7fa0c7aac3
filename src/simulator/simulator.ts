import { createHash } from 'node:crypto'
import type { Caller, Rule } from './api/access.ts'
import { everything } from './api/access.ts'
import type { Faults } from './api/faults.ts'
import { armFaults } from './api/faults.ts'
import { lists } from './api/list.ts'
import { listen } from './api/server.ts'
import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import { runDaemonSets } from './controllers/daemonset.ts'
import { runDeployments } from './controllers/deployment.ts'
import { runDisruption } from './controllers/disruption.ts'
import { runEventExpiry } from './controllers/events.ts'
import { runGarbageCollection } from './controllers/garbage.ts'
import { runKubelets } from './controllers/kubelet.ts'
import { runNodes, runPodCollection } from './controllers/node.ts'
import { runReplicaSets } from './controllers/replicaset.ts'
import { resourceNames } from './objects.ts'
import { podIndex } from './pod-index.ts'
import { runScheduler } from './scheduler/scheduler.ts'
import type { Beginning, Store } from './store.ts'
import { openStore } from './store.ts'
import { textOf } from './text.ts'
import type { Timings, World } from './world.ts'
import { defaultTimings } from './world.ts'

export type SimulatorOptions = {
  /** Where the world is kept; without it, it is gone with the process. */
  readonly folder?: string
  /** The world's name, and what makes its first objects. */
  readonly world?: string
  readonly begin?: (store: Beginning) => void
  readonly seed?: number
  readonly clock?: Clock
  readonly timings?: Partial<Timings>
  /** What the bearer of the token may do; everything if not given. */
  readonly rules?: readonly Rule[]
  readonly token?: string
  /** Others who may ask, by their token. */
  readonly others?: Readonly<Record<string, Caller>>
  readonly historyLength?: number
  /** 0, the default, takes a free one. */
  readonly port?: number
  /** Without controllers and scheduler the world changes only as it is told to. */
  readonly isStill?: boolean
}
export type Simulator = {
  readonly url: string
  readonly token: string
  readonly store: Store
  readonly faults: Faults
  /** The world as one hash: equal for equal objects. */
  hash(): string
  stop(): Promise<void>
}

const run = (world: World): void => {
  runScheduler(world)
  runKubelets(world)
  runNodes(world)
  runPodCollection(world)
  runReplicaSets(world)
  runDeployments(world)
  runDaemonSets(world)
  runDisruption(world)
  runGarbageCollection(world)
  runEventExpiry(world)
}

const beginEmpty = (store: Beginning): void => {
  for (const name of ['default', 'kube-system']) {
    const metadata = { name, labels: { 'kubernetes.io/metadata.name': name } }
    store.create('namespaces', { metadata, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } })
  }
}

/** A SHA-256 over every object of the store, in order. */
export const hashOfWorld = (store: Store): string => {
  const hash = createHash('sha256')
  for (const resource of resourceNames) for (const object of store.sorted(resource)) hash.update(textOf(object))
  return hash.digest('hex')
}

/** Starts a simulated cluster in this process and serves its API on 127.0.0.1. */
export const createSimulator = async (options: SimulatorOptions = {}): Promise<Simulator> => {
  const ownClock = systemClock()
  const clock = options.clock ?? ownClock
  const { folder, world: name = 'empty', seed = 1, begin = beginEmpty, historyLength, token = 'simulated' } = options
  const store = openStore({ folder, world: name, seed, clock, begin, historyLength })
  const world: World = { store, clock, timings: { ...defaultTimings, ...options.timings }, pods: podIndex(store) }
  if (options.isStill !== true) run(world)
  const faults = armFaults(() => store.compact())
  const served = { world, faults, lists: lists(world) }
  const owner = { user: 'simulated', rules: options.rules ?? everything, isOwner: true }
  const server = await listen(served, new Map(Object.entries({ ...options.others, [token]: owner })), options.port)
  const stop = async (): Promise<void> => {
    ownClock.stop()
    await server.close()
    store.close()
  }
  return { url: server.url, token, store, faults, hash: () => hashOfWorld(store), stop }
}
