import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** What we install when there is none. */
export const PINNED_VERSION = '2.15.2'
/** Older servers ignore headers that the runtime relies on, or lose what they acknowledged. */
export const OLDEST_VERSION = '2.12.3'

const VERSION = /\bv?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.]+)?)/
const ANSWER_MS = 10_000
const run = promisify(execFile)

/** The version that a binary says it has. @throws Error when it can't be run or does not say a version */
export const versionOf = async (path: string): Promise<string> => {
  const { stdout } = await run(path, ['--version'], { timeout: ANSWER_MS }).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${path} can't be run (${reasonOf(error)})`, { cause: error })
  })
  const version = VERSION.exec(stdout)?.[1]
  if (!stdout.includes('nats-server') || version === undefined)
    throw new Error(`${path} is no nats-server: it answers --version with ${JSON.stringify(stdout.trim().slice(0, 80))}`)
  return version
}

/** The same. @throws Error also when it is older than the oldest we can use */
export const usableVersionOf = async (path: string): Promise<string> => {
  const version = await versionOf(path)
  if (olderThan(version, OLDEST_VERSION))
    throw new Error(`${path} is nats-server ${version}, ${OLDEST_VERSION} is the oldest that works: upgrade it`)
  return version
}

/** Whether version a is older than b; a pre-release is older than its release. */
export const olderThan = (a: string, b: string): boolean => {
  const [left, right] = [numbersOf(a), numbersOf(b)]
  const at = left.findIndex((part, index) => part !== right[index])
  return at >= 0 ? (left[at] ?? 0) < (right[at] ?? 0) : a.includes('-') && !b.includes('-')
}

const numbersOf = (version: string): readonly number[] => (version.split('-')[0] ?? '').split('.').map(Number)

const reasonOf = (error: NodeJS.ErrnoException): string =>
  error.code === 'ENOENT' ? 'there is no such file' : error.code === 'EACCES' ? 'it is not executable' : error.message.trim()
