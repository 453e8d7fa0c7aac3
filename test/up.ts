import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { connect, type NatsConnection } from 'nats'
import { type Connection, connectionsIn } from '../src/commands/home.ts'
import { connectionOptions } from '../src/commands/session.ts'
import type { Status } from '../src/commands/up/asks.ts'
import { subjects } from '../src/events/subjects.ts'
import { type CloudEvent, factOf } from '../src/runtime/projector.ts'
import { natsBinary } from './nats.ts'
import { startProcess } from './process.ts'

export type Told = { readonly fact: string; readonly data: Readonly<Record<string, unknown>>; readonly id: string }
export type Up = {
  readonly child: ChildProcess
  readonly connection: Connection
  readonly nc: NatsConnection
  /** Public events since this process started to listen, in order. */
  readonly told: Told[]
  readonly output: () => string
  /** Resolves with the first event, past or coming, that fits. */
  readonly until: (what: string, fits: (told: Told) => boolean) => Promise<Told>
  readonly call: (verb: string, payload?: object) => Promise<unknown>
  readonly status: () => Promise<Status>
  /** kill -9, at once. */
  readonly kill: () => Promise<void>
  /** As Ctrl-C would. */
  readonly stop: () => Promise<void>
}

const START_MS = 60_000
const WAIT_MS = 90_000

/** A folder for one world, gone after the work. */
export const withHome = async <T>(work: (home: string) => Promise<T>): Promise<T> => {
  const home = mkdtempSync(join(tmpdir(), 'qm-home-'))
  try {
    return await work(home)
  } finally {
    rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

/** `quartermaster up` as a process of its own, ready to be asked and to be killed. */
export const startUp = (home: string, ...args: readonly string[]): Promise<Up> => startUpOn(natsBinary(), home, ...args)

/** The same outside of a test. @param nats the program nats-server */
export const startUpOn = async (nats: string, home: string, ...args: readonly string[]): Promise<Up> => {
  const env = { QUARTERMASTER_HOME: home, NATS_SERVER_BIN: nats, NATS_URL: undefined }
  const { child, output, end: endProcess } = startProcess(['up', ...args], env)
  const connection = await connectionOf(home, child, output)
  const nc = await connect({
    ...connectionOptions(connection.url, connection.seedFile),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  })
  const told: Told[] = []
  const waiting = new Set<(event: Told) => void>()
  nc.subscribe(`qm.${connection.cluster}.evt.>`, {
    callback: (error, message) => {
      if (error) return
      const event = message.json<CloudEvent>()
      const one = { fact: factOf(event), data: event.data, id: event.id }
      told.push(one)
      for (const hear of waiting) hear(one)
    },
  })
  const ask = async (subject: string, payload: object) => {
    try {
      return (await nc.request(subject, JSON.stringify(payload), { timeout: 10_000 })).json()
    } catch (cause) {
      throw new Error(`${subject}: ${cause}; up (exit code ${child.exitCode}) said ${output().slice(-2_000)}`, { cause })
    }
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    await endProcess(signal)
    await nc.close()
  }
  return {
    child,
    connection,
    nc,
    told,
    output,
    until: (what, fits) => {
      const known = told.find(fits)
      if (known) return Promise.resolve(known)
      return new Promise((resolve, reject) => {
        const hear = (event: Told): void => {
          if (!fits(event)) return
          clearTimeout(late)
          waiting.delete(hear)
          resolve(event)
        }
        const late = setTimeout(
          () =>
            reject(new Error(`${what} did not happen; told was ${JSON.stringify(told.slice(-8))}\n${output().slice(-2_000)}`)),
          WAIT_MS,
        )
        waiting.add(hear)
      })
    },
    call: (verb, payload = {}) => ask(subjects(connection.cluster).call('cluster', verb), payload),
    status: () => ask(subjects(connection.cluster).ask('state'), {}) as Promise<Status>,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  }
}

/** The connection file is written when the system serves; an older one belongs to the process before. */
const connectionOf = async (home: string, child: ChildProcess, output: () => string): Promise<Connection> => {
  for (const until = performance.now() + START_MS; performance.now() < until; ) {
    const known = [...connectionsIn(home).values()].find(({ pid }) => pid === child.pid)
    if (known) return known
    if (child.exitCode !== null) throw new Error(`up ended with ${child.exitCode}:\n${output()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`up is not ready after ${START_MS} ms:\n${output()}`)
}

/** Beside the operator's: for what no operator may, such as reading a stream. */
export const systemSeedFile = ({ seedFile = '' }: Connection): string => join(dirname(seedFile), 'system.seed')

/** A request to the simulated cluster's API, by the kubeconfig that `up` wrote. */
export const world = async (home: string, path: string, method = 'GET', body?: object): Promise<unknown> => {
  const { clusters } = JSON.parse(readFileSync(join(home, 'kubeconfig'), 'utf8')) as {
    clusters: [{ cluster: { server: string } }]
  }
  const [url, token] = clusters[0].cluster.server.split('/with-token/')
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const response = await fetch(`${url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) })
  return response.json()
}

/** Every public event of the world's life: EVENTS is exactly the journal's facts, in order. */
export const history = async ({ connection }: Pick<Up, 'connection'>): Promise<readonly Told[]> => {
  const nc = await connect(connectionOptions(connection.url, systemSeedFile(connection)))
  const js = nc.jetstream()
  const { state } = await (await nc.jetstreamManager()).streams.info('EVENTS')
  const found: Told[] = []
  const messages = await (await js.consumers.get('EVENTS', {})).consume()
  for await (const message of messages) {
    const { id, data } = message.json<{ id: string; data: Told['data'] }>()
    found.push({ fact: message.subject.replace(`qm.${connection.cluster}.evt.`, ''), data, id })
    if (message.seq >= state.last_seq) break
  }
  await nc.close()
  return found
}
