import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JSONCodec } from 'nats'
import { NODE_ID_LABELS } from '../src/actors/controller/node-identity.ts'
import { jetstreamInbox } from '../src/adapters/jetstream/inbox.ts'
import { ensureStreams } from '../src/adapters/jetstream/streams.ts'
import { fixedAccess } from '../src/adapters/kubernetes/access.ts'
import { kubernetesClient } from '../src/adapters/kubernetes/client.ts'
import { nodeWaits } from '../src/adapters/kubernetes/node-waits.ts'
import { kubernetesObjects } from '../src/adapters/kubernetes/objects.ts'
import { kubernetesReads } from '../src/adapters/kubernetes/reflector.ts'
import { kubernetesWrites } from '../src/adapters/kubernetes/writes.ts'
import { definitions, type Ports } from '../src/commands/up/definitions.ts'
import { NO_GUARD } from '../src/events/guard.ts'
import { subjects } from '../src/events/subjects.ts'
import { type Verb, verbs } from '../src/events/verbs.ts'
import { startHost } from '../src/runtime/host.ts'
import type { Meter } from '../src/runtime/meter.ts'
import { freeLeases } from '../src/runtime/testing/memory-leases.ts'
import type { Commit } from '../src/runtime/types.ts'
import { startSimulator } from '../src/simulator/start.ts'
import { type Bed, CLUSTER, groundOf, onFreshServer } from './bed.ts'
import { type Figure, figure } from './figures.ts'

const NODES = 500
const MIB = 2 ** 20
/** What the actions of a load may add to the process, MiB. */
const MOST_MIB = 300
const json = JSONCodec<unknown>()

/** The public load scenarios of a cluster controller that are not drains: how many orders, and how each of them has to end. */
type Load = {
  readonly name: string
  readonly verb: Verb
  readonly count: number
  readonly order: (index: number) => object
  readonly ends: string
}

const loadsOver = (node: (index: number) => string): readonly Load[] => [
  {
    name: 'status checks of ready nodes',
    verb: 'CheckNodeStatus',
    count: 5_000,
    order: (index) => ({ nodeName: node(index), nodeStatus: 'READY' }),
    ends: 'done',
  },
  {
    name: 'pod events',
    verb: 'CreateEvent',
    count: 5_000,
    order: (index) => ({
      reportingComponent: 'quartermaster.dev/bench',
      objectReference: { apiVersion: 'v1', kind: 'Pod', namespace: 'default', name: `pod-${index % 100}` },
      reason: 'Measured',
      action: 'Measure',
    }),
    ends: 'done',
  },
  {
    name: 'stuck deletions, asked once',
    verb: 'CheckNodeDeleted',
    count: 300,
    order: (index) => ({ nodeName: node(index) }),
    ends: 'failed',
  },
  {
    name: 'stuck deletions, waited for 10 s',
    verb: 'CheckNodeStatus',
    count: 300,
    order: (index) => ({ nodeName: node(index), nodeStatus: 'DELETED', waitTimeoutSeconds: 10 }),
    ends: 'failed',
  },
]

/** Counts how actions end, by the commits that end them. */
const endings = () => {
  const ended = new Map<string, number>()
  const types = new Set(Object.values(verbs).map(({ actor }) => actor))
  const outcomeIn = ({ p }: Commit): unknown => p.set?.find(([path]) => path.length === 1 && path[0] === 'output')?.[1]
  const meter: Meter = {
    committed: ({ type }, commit) => {
      const output = types.has(type) && (outcomeIn(commit) as { readonly outcome: string } | undefined)
      if (output) ended.set(output.outcome, (ended.get(output.outcome) ?? 0) + 1)
    },
    fenced: () => {},
    decided: () => {},
    attempted: () => () => {},
  }
  return { ended, meter }
}

/** The controller and its actions over JetStream and the simulated cluster. */
const openController = async ({ nc, js, journal }: Bed, world: { readonly url: string; readonly token: string }) => {
  const jsm = await ensureStreams(nc, CLUSTER)
  const client = kubernetesClient(fixedAccess({ server: world.url, token: world.token }))
  const ports = {
    kubernetes: kubernetesWrites(client),
    own: kubernetesObjects(client),
    granted: kubernetesObjects(client),
    waits: nodeWaits(kubernetesReads(client)),
    nodeIdLabels: NODE_ID_LABELS,
    guard: NO_GUARD,
  } as unknown as Ports
  const { ended, meter } = endings()
  const host = startHost({
    ground: { ...groundOf(journal), inbox: jetstreamInbox(nc, js, jsm, CLUSTER), meter },
    leases: freeLeases,
    definitions: definitions(ports).filter(({ type, oneShot }) => type === 'controller' || oneShot),
    root: { address: { type: 'controller', id: CLUSTER }, input: { cluster: CLUSTER, paused: false } },
  })
  await host.ready
  const state = () =>
    host
      .actors()
      .find(({ self }) => self.type === 'controller')
      ?.book()?.state.context as { readonly guard: unknown; readonly running: { readonly size: number } } | undefined
  await settled(() => (state()?.guard ?? null) !== null)
  /** Also the controller has heard of every end. */
  const isIdle = (): boolean => (state()?.running.size ?? 0) === 0
  return { host, ended, client, isIdle }
}

const settled = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20))
}

type Controller = Awaited<ReturnType<typeof openController>>

/** Orders all of a load at once and waits until every order is answered. */
const measured = async ({ js }: Bed, { ended, isIdle }: Controller, load: Load): Promise<readonly Figure[]> => {
  const { name, verb, count, order, ends } = load
  const sum = (): number => [...ended.values()].reduce((total, each) => total + each, 0)
  ended.clear()
  const before = process.memoryUsage().rss
  let peak = before
  const watching = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss)
  }, 50)
  const startedAt = performance.now()
  const cpuBefore = process.cpuUsage()
  const subject = subjects(CLUSTER).command('controller', verb)
  await Promise.all(Array.from({ length: count }, (_, index) => js.publish(subject, json.encode(order(index)))))
  await settled(() => sum() >= count && isIdle())
  const seconds = (performance.now() - startedAt) / 1_000
  const cpu = process.cpuUsage(cpuBefore)
  clearInterval(watching)
  return [
    figure(`${name}: ordered`, count, ''),
    figure(`${name}: answered as they have to be`, ended.get(ends) ?? 0, '', { atLeast: count }),
    figure(`${name}: from the first order to the last answer`, seconds, 's'),
    figure(
      `${name}: CPU of all of it for each order, the simulated cluster included`,
      (cpu.user + cpu.system) / 1_000 / count,
      'ms',
    ),
    figure(`${name}: memory at most above the beginning`, (peak - before) / MIB, 'MiB', { atMost: MOST_MIB }),
  ]
}

/** Every load one after the other; orders, commits and requests are real, the cluster is simulated in the same process. */
export const run = (): Promise<readonly Figure[]> =>
  onFreshServer(async (bed) => {
    const folder = mkdtempSync(join(tmpdir(), 'qm-bench-world-'))
    const world = await startSimulator({ folder, trace: 'openb', seed: 1, nodes: NODES })
    try {
      const controller = await openController(bed, world)
      const { items } = (await controller.client.request('GET', '/api/v1/nodes')) as { items: { metadata: { name: string } }[] }
      const figures: Figure[] = []
      for (const load of loadsOver((index) => items[index % items.length]?.metadata.name ?? '')) {
        process.stderr.write(`bench: controller, ${load.name} …\n`)
        figures.push(...(await measured(bed, controller, load)))
      }
      await controller.host.stop()
      await controller.client.close()
      return figures
    } finally {
      await world.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
