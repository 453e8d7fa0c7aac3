import { join } from 'node:path'
import { binaryCache } from '../binaries/cache.ts'
import { cachedAs, type Found, findBinary, type Search as Searching } from '../binaries/find.ts'
import { goInstalled } from '../binaries/install.ts'
import { downloadRelease } from './release.ts'
import { OLDEST_VERSION, PINNED_VERSION, usableVersionOf, versionOf } from './version.ts'

export type Search = Searching & {
  /** Exactly this one, `major.minor.patch`, whatever else is here. Default: any that is new enough. */
  readonly version?: string
  /** The folder of the release's files, without a slash at the end. */
  readonly releaseBase?: string
}

const releaseOf = (version: string): string => `https://github.com/nats-io/nats-server/releases/download/v${version}`

/** There is no nats-server here and none can be had; the message says what to install. */
export class NoNatsServer extends Error {
  override name = 'NoNatsServer'
}
const none = (tried: string): Error =>
  new NoNatsServer(
    `no nats-server here, and none can be had: install nats-server ${OLDEST_VERSION} or newer (see nats.io/download) so that it is ` +
      `on PATH, or set NATS_SERVER_BIN to it, or NATS_URL to one that runs. Tried:\n${tried}`,
  )

/**
 * A nats-server that is new enough: NATS_SERVER_BIN, else the first on PATH, else our cache, else installed into the cache,
 * by Go or from the project's release.
 * @throws as findBinary does; NoNatsServer
 */
export const findNatsServer = async (search: Search = {}): Promise<Found<'NATS_SERVER_BIN' | 'go install' | 'release'>> => {
  const { env = process.env, cacheFolder = binaryCache(env), onProgress = () => {}, signal } = search
  const version = search.version ?? PINNED_VERSION
  const place = { cached: join(cacheFolder, cachedAs('nats-server', version)), checked: exactly(version) }
  const build = { module: `github.com/nats-io/nats-server/v2@v${version}`, name: 'nats-server', env, onProgress, signal }
  const release = { version, base: search.releaseBase ?? releaseOf(version), onProgress, signal }
  return findBinary({
    name: 'nats-server',
    variable: 'NATS_SERVER_BIN',
    cached: place.cached,
    usableVersionOf,
    isWanted: (found) => found === (search.version ?? found),
    installs: [
      ['go install', () => goInstalled(place, build)],
      ['release', () => downloadRelease(place, release)],
    ],
    none,
    env,
    onProgress,
    signal,
  })
}

const exactly =
  (version: string) =>
  async (path: string): Promise<string> => {
    const came = await versionOf(path)
    if (came !== version) throw new Error(`what came is nats-server ${came}, not ${version}`)
    return came
  }
