import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { delimiter, dirname, isAbsolute, join } from 'node:path'
import { createInterface } from 'node:readline'
import { PINNED_VERSION, usableVersionOf } from './version.ts'

export type FoundHelm = {
  readonly path: string
  readonly version: string
  readonly source: 'HELM_BIN' | 'PATH' | 'cache' | 'go install'
}
export type Search = {
  readonly env?: NodeJS.ProcessEnv
  /** Where a built one is kept between runs. */
  readonly cacheFolder: string
  /** One line about what is being done, for a person who waits. */
  readonly onProgress?: (message: string) => void
  readonly signal?: AbortSignal
}

const EXE = process.platform === 'win32' ? '.exe' : ''
const MODULE = 'helm.sh/helm/v4'

/** There is no Helm here and none can be had; the message says what to install. */
class NoHelm extends Error {
  override name = 'NoHelm'
}

/**
 * A Helm that is new enough: HELM_BIN, else the first on PATH, else our cache, else built by Go into the cache. What is
 * passed over is said through `onProgress`.
 * @throws Error when HELM_BIN is set and can't be used: a wish is not passed over
 * @throws NoHelm
 */
export const findHelm = async ({ env = process.env, cacheFolder, onProgress = () => {}, signal }: Search): Promise<FoundHelm> => {
  const wished = env.HELM_BIN
  if (wished) return { path: wished, version: await wishedVersion(wished), source: 'HELM_BIN' }
  const cached = join(cacheFolder, `helm-${PINNED_VERSION}${EXE}`)
  const refusals: string[] = []
  const refuse = (error: Error): void => {
    refusals.push(error.message)
    onProgress(error.message)
  }
  const present = [
    ...onPath('helm', env).map((path) => ({ path, source: 'PATH' }) as const),
    { path: cached, source: 'cache' } as const,
  ]
  for (const { path, source } of present) {
    if (!(await isExecutable(path))) continue
    const version = await usableVersionOf(path).catch(refuse)
    if (version !== undefined) return { path, version, source }
  }
  const version = await build({ env, cached, onProgress, signal }).catch(refuse)
  signal?.throwIfAborted()
  if (version !== undefined) return { path: cached, version, source: 'go install' }
  throw new NoHelm(
    `no Helm here, and none can be built: install Helm ${PINNED_VERSION} (see helm.sh/docs/intro/install) so that it is on PATH, ` +
      `or set HELM_BIN to it. Tried:\n${refusals.map((reason) => `  ${reason}`).join('\n')}`,
  )
}

const wishedVersion = (path: string): Promise<string> =>
  usableVersionOf(path).catch((error: Error) => {
    throw new Error(`HELM_BIN: ${error.message}; correct HELM_BIN or unset it`, { cause: error })
  })

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

type Building = {
  readonly env: NodeJS.ProcessEnv
  readonly cached: string
  readonly onProgress: (message: string) => void
  readonly signal: AbortSignal | undefined
}

/** Builds in a folder of its own and moves the binary into its place in one step: two who build at once don't meet. */
const build = async (building: Building): Promise<string> => {
  const { env, cached, onProgress } = building
  const [go] = (await Promise.all(onPath('go', env).map(async (path) => ((await isExecutable(path)) ? path : undefined)))).filter(
    (path) => path !== undefined,
  )
  if (go === undefined) throw new Error('go install: there is no go on PATH')
  await mkdir(dirname(cached), { recursive: true, mode: 0o700 })
  const folder = await mkdtemp(join(dirname(cached), '.install-'))
  try {
    onProgress(`building helm ${PINNED_VERSION} with go install, once; this takes some minutes`)
    await goInstall(go, folder, building)
    const made = join(folder, `helm${EXE}`)
    const version = await usableVersionOf(made)
    await rename(made, cached)
    return version
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Without the linker's flag a Helm that Go installs does not know its own version. */
const FLAGS = `-s -w -X ${MODULE}/internal/version.version=v${PINNED_VERSION}`

const goInstall = async (go: string, folder: string, { env, onProgress, signal }: Building): Promise<void> => {
  // GOBIN refuses to hold what is built for another platform.
  const { GOOS: _os, GOARCH: _arch, ...rest } = env
  const child = spawn(go, ['install', '-v', '-ldflags', FLAGS, `${MODULE}/cmd/helm@v${PINNED_VERSION}`], {
    cwd: folder,
    env: { ...rest, GOBIN: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(signal && { signal }),
  })
  const said: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    said.push(line)
    onProgress(`go install: ${line}`)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`go install: it ends with ${code ?? 'a signal'}: ${said.slice(-3).join(' ')}`)
}
