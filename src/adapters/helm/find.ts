import { join } from 'node:path'
import { binaryCache } from '../binaries/cache.ts'
import { cachedAs, type Found, findBinary, type Search } from '../binaries/find.ts'
import { goInstalled } from '../binaries/install.ts'
import { PINNED_VERSION, usableVersionOf } from './version.ts'

const MODULE = 'helm.sh/helm/v4'
/** Without the linker's flag a Helm that Go installs does not know its own version. */
const FLAGS = ['-ldflags', `-s -w -X ${MODULE}/internal/version.version=v${PINNED_VERSION}`]

/** There is no Helm here and none can be had; the message says what to install. */
class NoHelm extends Error {
  override name = 'NoHelm'
}
const none = (tried: string): Error =>
  new NoHelm(
    `no Helm here, and none can be built: install Helm ${PINNED_VERSION} (see helm.sh/docs/intro/install) so that it is on PATH, ` +
      `or set HELM_BIN to it. Tried:\n${tried}`,
  )

/**
 * A Helm that is new enough: HELM_BIN, else the first on PATH, else our cache, else built by Go into the cache.
 * @throws as findBinary does; NoHelm
 */
export const findHelm = async ({
  env = process.env,
  cacheFolder = binaryCache(env),
  onProgress = () => {},
  signal,
}: Search = {}): Promise<Found<'HELM_BIN' | 'go install'>> => {
  const cached = join(cacheFolder, cachedAs('helm', PINNED_VERSION))
  const build = { module: `${MODULE}/cmd/helm@v${PINNED_VERSION}`, flags: FLAGS, name: 'helm', env, onProgress, signal }
  return findBinary({
    name: 'helm',
    variable: 'HELM_BIN',
    cached,
    usableVersionOf,
    installs: [['go install', () => goInstalled({ cached, checked: usableVersionOf }, build)]],
    none,
    env,
    onProgress,
    signal,
  })
}
