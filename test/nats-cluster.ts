import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type NatsConnection } from 'nats'
import { freePort } from '../src/adapters/nats-server/ready.ts'
import { natsBinary } from './nats.ts'

export type NatsCluster = {
  readonly servers: readonly string[]
  /** A connection to whichever server answers, that never gives up; closed at the end. */
  connection(): Promise<NatsConnection>
  /** kill -9 of one server by its name; it does not come back by itself. */
  kill(name: string): Promise<void>
  /** Starts it again, on the same ports and store. */
  revive(name: string): void
  /** The name of the server that leads the stream now; undefined while there is none. */
  leaderOf(stream: string): Promise<string | undefined>
  cleanup(): Promise<void>
}

type Server = { readonly name: string; readonly config: string; readonly log: string; process: ChildProcess }

const SIZE = 3
/** A meta leader has to be elected before there can be a stream, milliseconds. */
const READY_MS = 60_000

/** Three nats-servers on the loopback interface, joined into one JetStream cluster that writes through to the disk. */
export const natsCluster = async (): Promise<NatsCluster> => {
  const folder = mkdtempSync(join(tmpdir(), 'qm-cluster-'))
  const ports: number[] = []
  while (ports.length < 2 * SIZE) ports.push(...[await freePort()].filter((port) => !ports.includes(port)))
  const [clients, routes] = [ports.slice(0, SIZE), ports.slice(SIZE)]
  const known = new Map(clients.map((port, index) => serverIn(folder, `n${index}`, port, routes[index] ?? 0, routes)))
  const servers = clients.map((port) => `nats://127.0.0.1:${port}`)
  const connections: NatsConnection[] = []
  const connection = async (): Promise<NatsConnection> => {
    const nc = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 50, waitOnFirstConnect: true })
    connections.push(nc)
    return nc
  }
  const serverOf = (name: string): Server => {
    const server = known.get(name)
    if (!server) throw new Error(`there is no server ${name}; there are ${[...known.keys()].join(', ')}`)
    return server
  }
  const kill = async (name: string): Promise<void> => {
    const { process } = serverOf(name)
    const exited = once(process, 'exit')
    process.kill('SIGKILL')
    await exited
  }
  const asking = await connection()
  await led(asking)
  return {
    servers,
    connection,
    kill,
    revive: (name) => {
      const server = serverOf(name)
      server.process = launched(server)
    },
    leaderOf: async (stream) => {
      const jsm = await asking.jetstreamManager({ checkAPI: false })
      return (await jsm.streams.info(stream).catch(() => undefined))?.cluster?.leader || undefined
    },
    cleanup: async () => {
      for (const nc of connections) await nc.close()
      for (const { name, process } of known.values())
        if (process.exitCode === null && process.signalCode === null) await kill(name)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const serverIn = (
  folder: string,
  name: string,
  port: number,
  route: number,
  routes: readonly number[],
): readonly [string, Server] => {
  mkdirSync(join(folder, name))
  const config = join(folder, `${name}.conf`)
  const text = {
    server_name: name,
    listen: `127.0.0.1:${port}`,
    jetstream: { store_dir: join(folder, name), sync_interval: 'always' },
    cluster: { name: 'qm', listen: `127.0.0.1:${route}`, routes: routes.map((each) => `nats://127.0.0.1:${each}`) },
  }
  writeFileSync(config, JSON.stringify(text))
  const files = { name, config, log: join(folder, `${name}.log`) }
  return [name, { ...files, process: launched(files) }]
}

const launched = ({ config, log }: Pick<Server, 'config' | 'log'>): ChildProcess => {
  const output = openSync(log, 'a')
  return spawn(natsBinary(), ['-c', config], { stdio: ['ignore', output, output] })
}

const led = async (nc: NatsConnection): Promise<void> => {
  for (const until = performance.now() + READY_MS; performance.now() < until; await sleep(100)) {
    const isLed = await nc
      .jetstreamManager()
      .then(
        (jsm) => jsm.getAccountInfo().then(() => true),
        () => false,
      )
      .catch(() => false)
    if (isLed) return
  }
  throw new Error(`the cluster has no leader after ${READY_MS / 1000} s`)
}
