import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Access, fixedAccess, fromKubeconfig, type KubeconfigAccess } from '../../adapters/kubernetes/access.ts'
import { takeFolder } from '../../adapters/nats-server/folder.ts'
import { RemovalSettings } from '../../events/removal.ts'
import { startSimulator } from '../../simulator/start.ts'
import { writeKubeconfig } from '../home.ts'
import { UserError } from '../session.ts'
import { printable } from '../table.ts'
import { removalSettings } from './removal.ts'

/** The cluster that `up` works on. */
export type World = {
  readonly access: Access
  /** What people call the way to it: the kubeconfig's context, or `simulated`. */
  readonly context: string
  /** Otherwise it is only observed. */
  readonly mayWrite: boolean
  /** For people: what it is, and how to look at it. */
  readonly name: string
  /** Evictor settings; see events/plan.ts. */
  readonly policy: object
  /** How machines are removed; see events/removal.ts. */
  readonly removal: RemovalSettings
  stop(): Promise<void>
}
export type WorldOptions = {
  readonly kubeconfig?: string
  readonly context?: string
  readonly allowWrites?: true
  /** A file with removal settings. */
  readonly removal?: string
  readonly trace: string
  readonly nodes?: number
  readonly seed: number
}

const SIMULATED = 'simulated'

/**
 * The way to the real cluster that the options name; undefined: they mean the simulated one.
 * @throws UserError when they contradict each other, or the kubeconfig is of no use
 */
export const realCluster = async ({ kubeconfig, context, removal }: WorldOptions): Promise<KubeconfigAccess | undefined> => {
  if (kubeconfig === undefined) {
    if (removal !== undefined) throw new UserError(`--removal ${removal}: the simulated cluster's machines are its Node objects`)
    if (context === undefined) return undefined
    throw new UserError(`--context ${context}: say with --kubeconfig which file it is in`)
  }
  try {
    return await fromKubeconfig(kubeconfig, context)
  } catch (error) {
    throw new UserError((error as Error).message, { cause: error })
  }
}

const MOST_ID = 63

/**
 * A cluster's id by the name of its context, so that no two clusters share a journal because nobody named them.
 * @throws UserError when nothing of the name can be part of a subject
 */
export const clusterIdOf = (context: string): string => {
  const id = context
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, MOST_ID)
    .replace(/^-+|-+$/g, '')
  if (id === '') throw new UserError(`the context "${context}" makes no cluster id: give one with --cluster (a-z, 0-9 and -)`)
  return id
}

/**
 * Opens the cluster.
 * @param folder where the system of this cluster keeps its data
 * @throws UserError when a real cluster is to go on with the simulated one's journal
 */
export const openWorld = async (folder: string, real: KubeconfigAccess | undefined, options: WorldOptions): Promise<World> => {
  const world = join(folder, 'world')
  if (!real) return openSimulated(folder, world, options)
  // Its phase would be the simulated cluster's: a real one could find itself automated because the other was.
  if (existsSync(world))
    throw new UserError(`${folder} holds the journal of a simulated cluster: give the real one another id with --cluster`)
  const { server, context, contexts } = real
  const others = contexts.filter((name) => name !== context)
  const also = others.length === 0 ? '' : `; the kubeconfig also knows ${others.join(', ')} (--context)`
  const mayWrite = options.allowWrites === true
  const may = mayWrite ? 'promote may drain and remove its nodes' : 'read-only: promote is refused (--allow-writes lifts it)'
  return {
    access: real,
    context,
    mayWrite,
    name: `${printable(server)}\nContext     ${printable(context + also)}\nAccess      ${may}`,
    policy: {},
    removal: options.removal === undefined ? RemovalSettings.parse({}) : removalSettings(options.removal),
    stop: async () => {},
  }
}

const openSimulated = async (folder: string, world: string, { trace, seed, nodes }: WorldOptions): Promise<World> => {
  if (trace !== 'openb') throw new UserError(`--trace ${trace}: there is only the trace openb`)
  // With NATS_URL nothing else keeps two processes from writing one world.
  const taken = takeFolder(world)
  const simulator = await startSimulator({ folder: world, trace, seed, nodes })
  void simulator.failed.then((error) => {
    throw error // without its world the process has nothing to work on: it ends with the reason
  })
  const file = writeKubeconfig(folder, simulator.url, simulator.token)
  return {
    access: fixedAccess({ server: simulator.url, token: simulator.token }),
    context: SIMULATED,
    mayWrite: true,
    name: `simulated: openb trace, with synthetic owners, budgets, zones and prices\nkubectl     kubectl --kubeconfig '${file}' get nodes`,
    // Short grace and single replicas too, so that in the simulated world something happens; real clusters get the careful defaults.
    policy: { nodeGraceSeconds: 5, aggressive: true, maxNodesPerWave: 50 },
    // Its machines are its Node objects.
    removal: RemovalSettings.parse({ deleteNodeObjects: true }),
    stop: () => simulator.stop().finally(taken.release),
  }
}
