import { access, constants } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, isAbsolute, join } from 'node:path'
import { buildWithGo, downloadRelease } from './install.ts'
import { OLDEST_VERSION, PINNED_VERSION, usableVersionOf } from './version.ts'

export type FoundNatsServer = {
  readonly path: string
  readonly version: string
  readonly source: 'NATS_SERVER_BIN' | 'PATH' | 'cache' | 'go install' | 'release'
}

export type Search = {
  /** Exactly this one, `major.minor.patch`, whatever else is here. Default: any that is new enough. */
  readonly version?: string
  readonly env?: NodeJS.ProcessEnv
  /** Where an installed server is kept between runs. */
  readonly cacheFolder?: string
  /** One line about what is being done, for a person who waits. */
  readonly onProgress?: (message: string) => void
  /** The folder of the release's files, without a slash at the end. */
  readonly releaseBase?: string
  readonly signal?: AbortSignal
}

const releaseOf = (version: string): string => `https://github.com/nats-io/nats-server/releases/download/v${version}`
const EXE = process.platform === 'win32' ? '.exe' : ''

/** There is no nats-server here and none can be had; the message says what to install. */
export class NoNatsServer extends Error {
  override name = 'NoNatsServer'
}

/** Where installed programs are kept: XDG_CACHE_HOME, or the platform's cache folder. */
export const binaryCache = (env: NodeJS.ProcessEnv = process.env): string => {
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'quartermaster', 'bin')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'quartermaster', 'bin')
  if (process.platform === 'win32') return join(env.LOCALAPPDATA ?? homedir(), 'quartermaster', 'cache', 'bin')
  return join(homedir(), '.cache', 'quartermaster', 'bin')
}

/**
 * A nats-server that is new enough: NATS_SERVER_BIN, else the first on PATH, else our cache, else installed into the cache,
 * by Go or from the project's release. What is passed over is said through `onProgress`.
 * @throws Error when NATS_SERVER_BIN is set and can't be used: a wish is not passed over
 * @throws NoNatsServer
 */
export const findNatsServer = async (search: Search = {}): Promise<FoundNatsServer> => {
  const { env = process.env, cacheFolder = binaryCache(env), onProgress = () => {}, signal } = search
  const wished = env.NATS_SERVER_BIN
  if (wished) return wishedServer(wished)
  const wanted = search.version ?? PINNED_VERSION
  const cached = join(cacheFolder, `nats-server-${wanted}${EXE}`)
  const refusals: string[] = []
  const refuse = (reason: string): void => {
    refusals.push(reason)
    onProgress(reason)
  }
  const present = [
    ...onPath('nats-server', env).map((path) => ({ path, source: 'PATH' }) as const),
    { path: cached, source: 'cache' } as const,
  ]
  for (const { path, source } of present) {
    if (!(await isExecutable(path))) continue
    const version = await usableVersionOf(path).catch((error: Error) => refuse(error.message))
    if (version !== undefined && version === (search.version ?? version)) return { path, version, source }
  }
  const request = { version: wanted, env, onProgress, cached, ...(signal && { signal }) }
  for (const [source, install] of [
    ['go install', async () => buildWithGo({ ...request, go: await firstExecutable(onPath('go', env)) })],
    ['release', () => downloadRelease({ ...request, base: search.releaseBase ?? releaseOf(wanted) })],
  ] as const) {
    signal?.throwIfAborted()
    const version = await install().catch((error: Error) => refuse(`${source}: ${error.message}`))
    if (version !== undefined) return { path: cached, version, source }
  }
  signal?.throwIfAborted()
  throw new NoNatsServer(
    `no nats-server here, and none can be had: install nats-server ${OLDEST_VERSION} or newer (see nats.io/download) so that it is ` +
      `on PATH, or set NATS_SERVER_BIN to it, or NATS_URL to one that runs. Tried:\n${refusals.map((reason) => `  ${reason}`).join('\n')}`,
  )
}

const wishedServer = async (path: string): Promise<FoundNatsServer> => {
  const version = await usableVersionOf(path).catch((error: Error) => {
    throw new Error(`NATS_SERVER_BIN: ${error.message}; correct NATS_SERVER_BIN or unset it`, { cause: error })
  })
  return { path, version, source: 'NATS_SERVER_BIN' }
}

/** Relative folders on PATH are left out: what they hold depends on where we were started. */
const onPath = (name: string, env: NodeJS.ProcessEnv): readonly string[] =>
  (env.PATH ?? env.Path ?? '')
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, name + EXE))

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  )

const firstExecutable = async (paths: readonly string[]): Promise<string | undefined> => {
  for (const path of paths) if (await isExecutable(path)) return path
  return undefined
}
