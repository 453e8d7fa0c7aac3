import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type NatsConnection } from 'nats'

/** A real nats-server (NATS_SERVER_BIN, else from PATH) with a folder of its own, and one connection to it. */
export const natsProcess = async () => {
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'qm-nats-'))
  const start = (): ChildProcess =>
    spawn(process.env.NATS_SERVER_BIN ?? 'nats-server', ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder], {
      stdio: 'ignore',
    })
  let server = start()
  const nc = await connected(port)
  const stop = async (): Promise<void> => {
    server.kill('SIGKILL')
    await once(server, 'exit')
  }
  return {
    nc,
    port,
    /** The server stops answering, and its clients notice only by time. */
    freeze: (): void => void server.kill('SIGSTOP'),
    thaw: (): void => void server.kill('SIGCONT'),
    kill: stop,
    restart: (): void => {
      server = start()
    },
    [Symbol.asyncDispose]: async () => {
      await nc.close()
      if (server.exitCode === null && server.signalCode === null) await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const connected = async (port: number): Promise<NatsConnection> => {
  for (let tries = 0; ; tries++)
    try {
      return await connect({ servers: `127.0.0.1:${port}`, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
    } catch (error) {
      if (tries > 100) throw error
      await sleep(50)
    }
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
