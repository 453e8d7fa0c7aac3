import { EXE, isExecutable, onPath } from './path.ts'

export type Search = {
  readonly env?: NodeJS.ProcessEnv
  /** Where an installed one is kept between runs. */
  readonly cacheFolder?: string
  /** One line about what is being done, for a person who waits. */
  readonly onProgress?: (message: string) => void
  readonly signal?: AbortSignal
}
export type Found<Source extends string> = {
  readonly path: string
  readonly version: string
  readonly source: Source | 'PATH' | 'cache'
}
type Wanted<Variable extends string, Install extends string> = Required<Pick<Search, 'env' | 'onProgress'>> & {
  readonly name: string
  /** Names one by its path. */
  readonly variable: Variable
  /** The file that an installed one is. */
  readonly cached: string
  /** The version that a binary says it has. @throws Error when it can't be used */
  readonly usableVersionOf: (path: string) => Promise<string>
  /** Of those on PATH and in the cache. */
  readonly isWanted?: (version: string) => boolean
  /** Ways to get one into the cache, in order, each with the version that came. */
  readonly installs: readonly (readonly [Install, () => Promise<string>])[]
  /** @param tried a line for each that was passed over */
  readonly none: (tried: string) => Error
  readonly signal: AbortSignal | undefined
}

/**
 * A program that can be used: the one that the variable names, else the first on PATH, else our cache, else the first that
 * can be installed there. What is passed over is said through `onProgress`.
 * @throws Error when the variable is set and that one can't be used: a wish is not passed over; `none`; the signal's reason
 */
export const findBinary = async <Variable extends string, Install extends string>({
  name,
  variable,
  cached,
  usableVersionOf,
  isWanted = () => true,
  installs,
  none,
  env,
  onProgress,
  signal,
}: Wanted<Variable, Install>): Promise<Found<Variable | Install>> => {
  const wished = env[variable]
  if (wished) return { path: wished, version: await wishedVersion(variable, usableVersionOf(wished)), source: variable }
  const refusals: string[] = []
  const refuse = (reason: string): void => {
    refusals.push(reason)
    onProgress(reason)
  }
  const present = [
    ...onPath(name, env).map((path) => ({ path, source: 'PATH' as const })),
    { path: cached, source: 'cache' as const },
  ]
  for (const { path, source } of present) {
    if (!(await isExecutable(path))) continue
    const version = await usableVersionOf(path).catch((error: Error) => refuse(error.message))
    if (version !== undefined && isWanted(version)) return { path, version, source }
  }
  for (const [source, install] of installs) {
    signal?.throwIfAborted()
    const version = await install().catch((error: Error) => refuse(`${source}: ${error.message}`))
    if (version !== undefined) return { path: cached, version, source }
  }
  signal?.throwIfAborted()
  throw none(refusals.map((reason) => `  ${reason}`).join('\n'))
}

const wishedVersion = (variable: string, version: Promise<string>): Promise<string> =>
  version.catch((error: Error) => {
    throw new Error(`${variable}: ${error.message}; correct ${variable} or unset it`, { cause: error })
  })

/** The file of a program of this version in the cache. */
export const cachedAs = (name: string, version: string): string => `${name}-${version}${EXE}`
