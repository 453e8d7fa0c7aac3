import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { JSONCodec, type NatsConnection } from 'nats'
import { ensureObjectsStream } from '../src/adapters/jetstream/objects-stream.ts'
import type { Effort } from './agent/effort.ts'
import { type Bed, CLUSTER, onFreshServer } from './bed.ts'
import { type Figure, figure, median } from './figures.ts'

const ROUNDS = 3
const IDLE_MS = 20_000

/**
 * What a pod of ours is to be started with: the young generation of `npm start` and of main.ts' first line; one arena, so that
 * what the threads that uncompress give back is used again; and modules whose types are stripped already (26 MB).
 */
const settings = (folder: string) => ({
  execArgv: ['--max-semi-space-size=4'],
  env: { ...process.env, MALLOC_ARENA_MAX: '1', NODE_COMPILE_CACHE: join(folder, 'compiled') },
})

const started = (name: string, parameters: readonly string[], options: Partial<ReturnType<typeof settings>> = {}): ChildProcess =>
  fork(fileURLToPath(new URL(`./agent/${name}.ts`, import.meta.url)), parameters, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    ...options,
  })
const answerOf = async <Answer>(child: ChildProcess): Promise<Answer> => {
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`a process of the bench ended with ${code}`)))
  const [answer] = await Promise.race([once(child, 'message'), ended])
  return answer as Answer
}
const stop = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

type Api = { readonly child: ChildProcess; readonly url: string }
const withApi = async <T>(nodes: number, pods: number, work: (api: Api) => Promise<T>): Promise<T> => {
  const child = started('api', [String(nodes), String(pods)])
  try {
    const { port } = await answerOf<{ port: number }>(child)
    return await work({ child, url: `http://127.0.0.1:${port}` })
  } finally {
    await stop(child)
  }
}
/** The agent over a NATS without objects. */
const withAgent = async <T>(
  { jsm, server, folder }: Bed,
  { url }: Api,
  work: (agent: ChildProcess, first: Effort) => Promise<T>,
): Promise<T> => {
  await jsm.streams.delete('OBJECTS').catch(() => {}) // the first round finds none
  await ensureObjectsStream(jsm, CLUSTER, 1)
  const agent = started('ours', [url, server.url], settings(folder))
  try {
    return await work(agent, await answerOf<Effort>(agent))
  } finally {
    await stop(agent)
  }
}
const peerList = async ({ url }: Api): Promise<Effort> => {
  const peer = started('peer', [url])
  try {
    return await answerOf<Effort>(peer)
  } finally {
    await stop(peer)
  }
}

const json = JSONCodec<{ metadata: { labels?: Record<string, string> } }>()
/** From the writing of a change in the API to its arrival at a subscriber of NATS, ms, in ascending order. */
const latencies = async (nc: NatsConnection, { child }: Api, perSecond: number, seconds: number): Promise<readonly number[]> => {
  const taken: number[] = []
  const subscription = nc.subscribe(`qm.${CLUSTER}.obj.core.pods.>`, {
    callback: (error, { data }) => {
      if (error) throw error
      const sent = data.length > 0 ? json.decode(data).metadata.labels?.['sent'] : undefined
      if (sent !== undefined) taken.push(performance.timeOrigin + performance.now() - Number(sent))
    },
  })
  await nc.flush()
  const done = answerOf(child)
  child.send({ perSecond, seconds })
  await done
  await sleep(1_000)
  subscription.unsubscribe()
  return taken.sort((a, b) => a - b)
}
const quantile = (sorted: readonly number[], share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN

const firstLists = (bed: Bed): Promise<readonly Figure[]> =>
  withApi(1_000, 30_000, async (api) => {
    const [ours, peers]: [Effort[], Effort[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(await withAgent(bed, api, async (_, first) => first))
      peers.push(await peerList(api))
    }
    const of = (efforts: readonly Effort[], field: keyof Effort): number => median(efforts.map((each) => each[field]))
    const worst = (efforts: readonly Effort[], field: keyof Effort): number => Math.max(...efforts.map((each) => each[field]))
    return [
      figure(
        'first list of 30,000 pods, 1,000 nodes and 33 empty kinds, until all is stored in NATS',
        of(ours, 'ms') / 1_000,
        's',
        { atMost: 1.5 },
      ),
      figure('… CPU time of all its threads', of(ours, 'cpuMs') / 1_000, 's'),
      figure('… longest block of the event loop, worst of the rounds', worst(ours, 'blockedMs'), 'ms', { atMost: 50 }),
      figure('… most CPU time of the main thread between two turns', worst(ours, 'blockedCpuMs'), 'ms'),
      figure('… most resident memory, worst of the rounds', worst(ours, 'rssMib'), 'MiB', { atMost: 250 }),
      figure('client-node informer: list of 30,000 pods, into its own memory', of(peers, 'ms') / 1_000, 's'),
      figure('… CPU time of all its threads', of(peers, 'cpuMs') / 1_000, 's'),
      figure('… longest block of the event loop', of(peers, 'blockedMs'), 'ms'),
      figure('… most resident memory', of(peers, 'rssMib'), 'MiB'),
    ]
  })

const following = (bed: Bed): Promise<readonly Figure[]> =>
  withApi(1_000, 10_000, (api) =>
    withAgent(bed, api, async (agent) => {
      await sleep(IDLE_MS)
      agent.send('rss')
      const { rssMib } = await answerOf<{ rssMib: number }>(agent)
      const slow = await latencies(bed.nc, api, 100, 20)
      const fast = await latencies(bed.nc, api, 2_000, 10)
      return [
        figure('resident memory, idle, 1,000 nodes, 10,000 pods, 35 watches', rssMib, 'MiB', { atMost: 150 }),
        figure('change in the API → at a subscriber of NATS, 100/s: p50', quantile(slow, 0.5), 'ms'),
        figure('… p99', quantile(slow, 0.99), 'ms', { atMost: 100 }),
        figure('the same at 2,000/s: p50', quantile(fast, 0.5), 'ms'),
        figure('… p99', quantile(fast, 0.99), 'ms', { atMost: 100 }),
        figure('… changes that arrived', fast.length, ''),
      ]
    }),
  )

/** The agent's effects over an API out of a can, beside the informer of Kubernetes' own client over the same. */
export const run = (): Promise<readonly Figure[]> =>
  onFreshServer(async (bed) => [...(await firstLists(bed)), ...(await following(bed))])
