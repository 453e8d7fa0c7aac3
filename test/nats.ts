import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type NatsConnection } from 'nats'
import { inject } from 'vitest'
import { type NatsServer, type NatsServerOptions, startNatsServer } from '../src/adapters/nats-server/start.ts'

export type NatsForTest = {
  /** A connection that never gives up. */
  readonly nc: NatsConnection
  readonly url: string
  readonly port: number
  /** A cluster's id that no other test has. */
  readonly cluster: string
  readonly server: NatsServer
  /** Another connection, closed at the end with the rest. */
  connection(): Promise<NatsConnection>
  /** The server stops answering, and its clients notice only by time. */
  freeze(): void
  thaw(): void
  /** kill -9, and what runs again resolves when it does: same port, same store. */
  crash(): Promise<void>
  /** Stops the server, does something to its store (its JetStream folder), and starts it again: same port, same store. */
  stopped(work: (jetstream: string) => void | Promise<void>): Promise<void>
  cleanup(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Freezes the server: the signal that stops it is there before it has stopped, so it is asked until it does not answer. */
export const frozen = async ({ nc, freeze }: NatsForTest): Promise<void> => {
  freeze()
  const answers = async (): Promise<boolean> => {
    const silence = new Promise<false>((resolve) => setTimeout(resolve, 250, false))
    return Promise.race([nc.flush().then(() => true), silence])
  }
  while (await answers());
}

/** The binary that the run has found. @throws Error when there is none, with what to install */
export const natsBinary = (): string => {
  const found = inject('natsServer')
  if ('missing' in found) throw new Error(found.missing)
  return found.path
}

/** A nats-server of the test's own, in a temporary folder, without authentication: stream names are fixed in an account. */
export const natsForTest = async (
  options: Pick<NatsServerOptions, 'maxStoreBytes' | 'syncAlways'> = {},
): Promise<NatsForTest> => {
  const folder = await mkdtemp(join(tmpdir(), 'qm-nats-'))
  const wanted: NatsServerOptions = { ...options, binary: natsBinary(), storeFolder: folder, name: 'test', auth: 'none' }
  let server = await startNatsServer(wanted)
  const { port, url } = server
  const connections: NatsConnection[] = []
  const connection = async (): Promise<NatsConnection> => {
    const nc = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
    connections.push(nc)
    return nc
  }
  const nc = await connection()
  const signal = (name: NodeJS.Signals): void => {
    const pid = server.pid()
    if (pid === undefined) throw new Error(`the server is down: it can not be sent ${name}`)
    process.kill(pid, name)
  }
  const crash = async (): Promise<void> => {
    const again = nextReconnect(nc)
    signal('SIGKILL')
    await again
  }
  const stopped = async (work: (jetstream: string) => void | Promise<void>): Promise<void> => {
    const again = nextReconnect(nc)
    await server.stop()
    await work(join(folder, 'jetstream', 'jetstream'))
    server = await startNatsServer({ ...wanted, port })
    await again
  }
  const cleanup = async (): Promise<void> => {
    for (const each of connections) await each.close()
    if (server.pid() !== undefined) signal('SIGCONT')
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
  return {
    nc,
    url,
    port,
    cluster: `test-${randomBytes(4).toString('hex')}`,
    get server() {
      return server
    },
    connection,
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    crash,
    stopped,
    cleanup,
    [Symbol.asyncDispose]: cleanup,
  }
}

const nextReconnect = async (nc: NatsConnection): Promise<void> => {
  for await (const { type } of nc.status()) if (type === 'reconnect') return
}
