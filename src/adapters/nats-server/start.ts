import { setTimeout as sleep } from 'node:timers/promises'
import type { Principals } from './accounts.ts'
import { adoptStore } from './adopt.ts'
import { type Configuration, writeConfig } from './config.ts'
import { type ServerFolder, takeFolder } from './folder.ts'
import { principalsOf } from './principals.ts'
import { type Exit, endOrphan, launch, type ServerProcess } from './process.ts'
import { freePort, NotStarted, ready } from './ready.ts'

export type NatsServerOptions = {
  readonly binary: string
  /** The server's folder: its store, log, configuration and the users' seeds. Kept between runs. */
  readonly storeFolder: string
  /** The server's name, without blanks. */
  readonly name: string
  /** Default: a free one. It stays the same until `stop`. */
  readonly port?: number
  /** 'nkey' (default): only who has a seed file may connect, to the account of the operator or of the system. 'none': whoever reaches the port, for tests. */
  readonly auth?: 'nkey' | 'none'
  readonly maxStoreBytes?: number
  readonly syncAlways?: boolean
  /** Start it again, on the same port and store, when it ends by itself. Default: true. */
  readonly restart?: boolean
  /** One line about what happens, for a person. */
  readonly onProgress?: (message: string) => void
}

export type NatsServer = {
  readonly url: string
  readonly port: number
  /** The operator's nkey seed (for `nkeyAuthenticator(readFileSync(seedFile))`); undefined without authentication. */
  readonly seedFile: string | undefined
  /** The same for the actors' own account, where the streams are. */
  readonly systemSeedFile: string | undefined
  /** Undefined while it is down. Another one after a restart. */
  pid(): number | undefined
  /** Settles when it has ended and will not be started again. */
  readonly ended: Promise<Exit>
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

type Started = { readonly process: ServerProcess; readonly port: number }

const PORT_TRIES = 5
/** Milliseconds between two starts after the server ended by itself: doubled until LONGEST, forgotten after LASTING. */
const SHORTEST = 100
const LONGEST = 5_000
const LASTING = 30_000
const NEVER_RAN: Exit = { code: null, signal: null }

/**
 * Starts nats-server with JetStream on a loopback port, and resolves when it answers. It ends with this process, also when
 * that is killed with -9, and never shares its store with another one.
 * @throws StoreInUse
 * @throws NotStarted with the end of its log
 */
export const startNatsServer = async (options: NatsServerOptions): Promise<NatsServer> => {
  if (process.platform === 'win32')
    throw new Error('on Windows there is nothing that would end nats-server with us: start it yourself and set NATS_URL to it')
  const folder = takeFolder(options.storeFolder)
  try {
    const { onProgress = () => {} } = options
    await endOrphan(folder, onProgress)
    const principals = options.auth === 'none' ? undefined : principalsOf(folder)
    if (principals) adoptStore(folder, onProgress)
    const first = await startedOnFreePort(folder, options, principals)
    const seeds = { seedFile: principals && folder.seed, systemSeedFile: principals && folder.systemSeed }
    return { ...seeds, ...supervised(folder, options, first) }
  } catch (error) {
    folder.release()
    throw error
  }
}

/** Between finding a free port and listening on it another process can take it: then another port. */
const startedOnFreePort = async (
  folder: ServerFolder,
  options: NatsServerOptions,
  principals: Principals | undefined,
): Promise<Started> => {
  for (let tries = 1; ; tries++) {
    const port = options.port ?? (await freePort())
    writeConfig(folder, configuration(options, port, principals))
    try {
      return { process: await launched(folder, options, port), port }
    } catch (error) {
      if (options.port !== undefined || tries >= PORT_TRIES || !(error instanceof NotStarted && error.portTaken)) throw error
    }
  }
}

const configuration = (
  { name, maxStoreBytes, syncAlways }: NatsServerOptions,
  port: number,
  principals: Principals | undefined,
): Configuration => ({
  name,
  port,
  ...(principals && { principals }),
  ...(maxStoreBytes !== undefined && { maxStoreBytes }),
  ...(syncAlways !== undefined && { syncAlways }),
})

const launched = async (folder: ServerFolder, { binary, name }: NatsServerOptions, port: number): Promise<ServerProcess> => {
  const server = launch(binary, folder)
  await ready(server, folder, name, port)
  return server
}

const supervised = (
  folder: ServerFolder,
  options: NatsServerOptions,
  first: Started,
): Omit<NatsServer, 'seedFile' | 'systemSeedFile'> => {
  const { onProgress = () => {}, restart = true } = options
  const { port } = first
  const stopping = new AbortController()
  let current: ServerProcess | undefined

  const lived = async (server: ServerProcess): Promise<Exit> => {
    current = server
    const exit = await server.exited
    current = undefined
    return exit
  }
  const revived = async (): Promise<Exit> => {
    try {
      const server = launch(options.binary, folder)
      const end = lived(server)
      await ready(server, folder, options.name, port)
      onProgress(`nats-server runs again on port ${port}`)
      return await end
    } catch (error) {
      // Whatever went wrong, the next start must not meet this one on the store.
      await current?.stop()
      if (!stopping.signal.aborted) onProgress((error as Error).message)
      return NEVER_RAN
    }
  }
  const supervise = async (): Promise<Exit> => {
    let [pause, since] = [SHORTEST, performance.now()]
    let exit = await lived(first.process)
    while (restart && !stopping.signal.aborted) {
      if (performance.now() - since > LASTING) pause = SHORTEST
      onProgress(
        `nats-server ${exit === NEVER_RAN ? 'did not start' : `ended (${exit.signal ?? exit.code})`}; starting it again in ${pause} ms`,
      )
      await sleep(pause, undefined, { signal: stopping.signal }).catch(() => {})
      if (stopping.signal.aborted) break
      pause = Math.min(pause * 2, LONGEST)
      since = performance.now()
      exit = await revived()
    }
    return exit
  }
  const ended = supervise().finally(folder.release)
  const stop = async (): Promise<void> => {
    stopping.abort()
    await current?.stop()
    await ended
  }
  const url = `nats://127.0.0.1:${port}`
  return { url, port, pid: () => current?.pid, ended, stop, [Symbol.asyncDispose]: stop }
}
