import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nkeys } from 'nats'
import { vi } from 'vitest'
import { connectionsIn, writeKubeconfig } from '../../src/commands/home.ts'
import type { Status } from '../../src/commands/up/asks.ts'
import { subjects } from '../../src/events/subjects.ts'
import { type CloudEvent, factOf } from '../../src/runtime/projector.ts'
import { startSimulator } from '../../src/simulator/start.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'
import { type Process as Started, startProcess } from '../process.ts'
import { proxyTo, type TcpProxy } from '../proxy.ts'
import type { Told, Up } from '../up.ts'

/** A request that changes something in the cluster, and when it was on its way to the API, epoch ms. */
export type Write = { readonly at: number; readonly method: string; readonly path: string }

/** A process of ours that reaches NATS and Kubernetes each by a way that can be cut. */
export type Process = Started & {
  readonly home: string
  readonly nats: TcpProxy
  readonly kubernetes: TcpProxy
  /** What it has asked Kubernetes to change, in order. */
  readonly writes: readonly Write[]
  /** Whether it hosts the actors, and not only waits for them. */
  readonly hosts: () => boolean
}

export type Apart = AsyncDisposable & {
  readonly nats: NatsForTest
  /** `mayWrite`: with --allow-writes. */
  start(mayWrite?: boolean): Promise<Process>
  /** The system as one who talks to NATS directly sees it; `home` is for the kubeconfig. */
  readonly up: Pick<Up, 'nc' | 'connection' | 'told' | 'until' | 'call' | 'status'>
  readonly home: string
  /** Every answer of the Kubernetes API to such a request takes so much longer, ms. */
  slowDown(ms: number, delayMethods: readonly string[]): Promise<void>
}

const WAIT_MS = 90_000
const CHANGES = /^(POST|PUT|PATCH|DELETE) (\S+) HTTP\/1\.1\r?$/gm
/** A question in the form of a POST. */
const REVIEW = /selfsubjectaccessreviews/

/** A NATS server and a simulated cluster, and processes of ours between them. */
export const apart = async (nodes: number): Promise<Apart> => {
  const stack = new AsyncDisposableStack()
  const nats = stack.use(await natsForTest())
  const folder = (name: string): string => {
    const made = mkdtempSync(join(tmpdir(), `qm-${name}-`))
    stack.defer(() => rmSync(made, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }))
    return made
  }
  const simulator = await startSimulator({ folder: folder('world'), trace: 'openb', seed: 1, nodes })
  stack.defer(() => simulator.stop())
  const home = folder('home')
  writeKubeconfig(home, simulator.url, simulator.token)
  const start = async (mayWrite = true): Promise<Process> => {
    const writes: Write[] = []
    const toNats = stack.use(await proxyTo(nats.port))
    const toKubernetes = stack.use(
      await proxyTo(Number(new URL(simulator.url).port), (bytes) => {
        for (const [, method = '', path = ''] of bytes.toString('latin1').matchAll(CHANGES))
          if (!REVIEW.test(path)) writes.push({ at: Date.now(), method, path: path.replace(/^\/with-token\/[^/]+/, '') })
      }),
    )
    const own = folder('home')
    const kubeconfig = writeKubeconfig(own, `http://127.0.0.1:${toKubernetes.port}`, simulator.token)
    const removal = join(own, 'removal.json') // nothing owns the machines of the simulated world
    writeFileSync(removal, JSON.stringify({ deleteNodeObjects: true }))
    const rights = mayWrite ? ['--allow-writes', '--removal', removal] : []
    const options = ['--kubeconfig', kubeconfig, '--cluster', nats.cluster, ...rights]
    const started = startProcess(['up', ...options], { QUARTERMASTER_HOME: own, NATS_URL: `nats://127.0.0.1:${toNats.port}` })
    stack.defer(() => started.end('SIGKILL'))
    return {
      ...started,
      home: own,
      nats: toNats,
      kubernetes: toKubernetes,
      writes,
      hosts: () => [...connectionsIn(own).values()].some(({ pid }) => pid === started.child.pid),
    }
  }
  return {
    nats,
    start,
    up: observer(nats, seedFileIn(home)),
    home,
    slowDown: async (delayMs, delayMethods) => {
      const headers = { authorization: `Bearer ${simulator.token}` }
      const body = JSON.stringify({ delayMs, delayMethods })
      await fetch(`${simulator.url}/simulator/faults`, { method: 'POST', headers, body })
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** The server asks nobody for credentials, but those who look after what happened bring some. */
const seedFileIn = (folder: string): string => {
  writeFileSync(join(folder, 'system.seed'), nkeys.createUser().getSeed())
  return join(folder, 'user.seed')
}

const observer = ({ nc, url, cluster }: NatsForTest, seedFile: string): Apart['up'] => {
  const told: Told[] = []
  nc.subscribe(`qm.${cluster}.evt.>`, {
    callback: (error, message) => {
      if (error) return
      const event = message.json<CloudEvent>()
      told.push({ fact: factOf(event), data: event.data, id: event.id })
    },
  })
  const ask = async <T>(subject: string, payload: object = {}): Promise<T> =>
    (await nc.request(subject, JSON.stringify(payload), { timeout: 10_000 })).json<T>()
  return {
    nc,
    connection: { url, cluster, context: 'simulated', pid: process.pid, startedAt: 0, seedFile },
    told,
    until: async (what, fits) => {
      await vi
        .waitUntil(() => told.some(fits), { timeout: WAIT_MS, interval: 20 })
        .catch(() => {
          throw new Error(`${what} did not happen; told was ${JSON.stringify(told.slice(-8))}`)
        })
      return told.find(fits) as Told
    },
    call: (verb, payload) => ask(subjects(cluster).call('cluster', verb), payload),
    status: () => ask<Status>(subjects(cluster).ask('state')),
  }
}
