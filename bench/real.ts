import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, DeliverPolicy, JSONCodec, type NatsConnection } from 'nats'
import { findNatsServer } from '../src/adapters/nats-server/find.ts'
import { startNatsServer } from '../src/adapters/nats-server/start.ts'
import { findBinaries } from '../test/control-plane/binaries.ts'
import { addNodes, addPods, podsRunning } from '../test/control-plane/objects.ts'
import { compared, untilEqual } from '../test/control-plane/observed/comparison.ts'
import { type Observer, observers } from '../test/control-plane/observed/observers.ts'
import { type ControlPlane, startControlPlane } from '../test/control-plane/start.ts'
import { type Figure, figure } from './figures.ts'

const [NODES, PODS] = [Number(process.env['QM_BENCH_NODES'] ?? 1_000), Number(process.env['QM_BENCH_PODS'] ?? 10_000)]
const [PER_SECOND, SECONDS] = [100, 30]
const IDLE_MS = 60_000
const CLUSTER = 'bench'

const progress = (message: string): void => void process.stderr.write(`${message}\n`)

type Site = { readonly plane: ControlPlane; readonly nc: NatsConnection; readonly url: string }

/** A control plane, and a NATS without authentication, for as long as the work takes. */
const onSite = async <T>(work: (site: Site) => Promise<T>): Promise<T> => {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'qm-bench-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }))
  const plane = stack.use(await startControlPlane({ binaries: await findBinaries({ onProgress: progress }) }))
  const { path } = await findNatsServer({ onProgress: progress })
  const server = stack.use(await startNatsServer({ binary: path, storeFolder: folder, name: 'bench', auth: 'none' }))
  const nc = stack.adopt(await connect({ servers: server.url }), (each) => each.close())
  return await work({ plane, nc, url: server.url }) // before the disposal
}

/** Linux only; elsewhere not a number. MiB. */
const resident = ({ child }: Observer): number => {
  try {
    const [, kilobytes = 'NaN'] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? []
    return Number(kilobytes) / 1_024
  } catch {
    return Number.NaN
  }
}

type Latencies = { readonly sinceAsked: number[]; readonly sinceAnswered: number[] }
const json = JSONCodec<{ readonly metadata: { readonly labels?: Readonly<Record<string, string>> } }>()

/** Marks pods at a steady pace; takes the time until the record with the mark is in the stream, ms, in ascending order. */
const latencies = async ({ plane, nc }: Site, pods: readonly string[]): Promise<Latencies> => {
  const [asked, answered, arrived] = [new Map<string, number>(), new Map<string, number>(), new Map<string, number>()]
  const options = { filterSubjects: `qm.${CLUSTER}.obj.core.pods.>`, deliver_policy: DeliverPolicy.New }
  const messages = await (await nc.jetstream().consumers.get('OBJECTS', options)).consume()
  const reading = (async () => {
    for await (const { data } of messages) {
      const mark = data.length > 0 ? json.decode(data).metadata.labels?.['mark'] : undefined
      if (mark !== undefined && !arrived.has(mark)) arrived.set(mark, performance.now())
    }
  })()
  const change = async (mark: string, pod: string): Promise<void> => {
    asked.set(mark, performance.now())
    const { status } = await plane.api.patch(`/api/v1/namespaces/default/pods/${pod}`, { metadata: { labels: { mark } } })
    if (status !== 200) throw new Error(`the API answers ${status} to a label`)
    answered.set(mark, performance.now())
  }
  const [from, under]: [number, Promise<void>[]] = [performance.now(), []]
  for (let n = 0; n < PER_SECOND * SECONDS; n++) {
    await sleep(Math.max(0, from + (n * 1_000) / PER_SECOND - performance.now()))
    under.push(change(`m${n}`, pods[(n * 7) % pods.length] ?? ''))
  }
  await Promise.all(under)
  for (let tries = 0; arrived.size < asked.size && tries < 100; tries++) await sleep(100)
  messages.stop()
  await reading
  const since = (times: ReadonlyMap<string, number>): number[] =>
    [...times].map(([mark, at]) => Math.max(0, (arrived.get(mark) ?? Number.POSITIVE_INFINITY) - at)).sort((a, b) => a - b)
  return { sinceAsked: since(asked), sinceAnswered: since(answered) }
}
const quantile = (sorted: readonly number[], share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN

const measured = async (site: Site): Promise<readonly Figure[]> => {
  const { plane, nc, url } = site
  const nodes = await addNodes(plane.api, NODES)
  const pods = await addPods(plane.api, PODS, nodes)
  await podsRunning(plane.api, PODS)
  await using observing = await observers(plane, { url }, CLUSTER)
  const from = performance.now()
  const observer = await observing.startHosting()
  await untilEqual('the start', () => compared(plane.api, nc, CLUSTER))
  const equalMs = performance.now() - from
  await sleep(IDLE_MS)
  const idle = resident(observer)
  const { sinceAsked, sinceAnswered } = await latencies(site, pods)
  const size = `${NODES.toLocaleString('en-US')} nodes, ${PODS.toLocaleString('en-US')} pods`
  return [
    figure(`up --kubeconfig, real control plane, ${size}: start until all is compared and equal`, equalMs / 1_000, 's'),
    figure('… resident memory of the whole process, idle', idle, 'MiB', { atMost: 150 }),
    figure(
      `… ${PER_SECOND} changes/s, from the API's answer to the record in the stream: p50`,
      quantile(sinceAnswered, 0.5),
      'ms',
    ),
    figure('… p99', quantile(sinceAnswered, 0.99), 'ms', { atMost: 100 }),
    figure('… from the request to the API on: p50', quantile(sinceAsked, 0.5), 'ms'),
    figure('… p99', quantile(sinceAsked, 0.99), 'ms'),
    figure('… resident memory after it', resident(observer), 'MiB'),
  ]
}

/** `up --kubeconfig` as a process, over a real control plane with kwok's nodes. */
export const run = (): Promise<readonly Figure[]> => onSite(measured)
