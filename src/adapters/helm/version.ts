import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** What we build when there is none. */
export const PINNED_VERSION = '4.3.2'
/** Older ones do not take a description for a rollback: the revision would not say which action made it. */
const OLDEST = [4, 3]

const ANSWER_MS = 10_000
const run = promisify(execFile)

/** The version that a binary says it has. @throws Error when it can't be run, is no Helm, or is too old */
export const usableVersionOf = async (path: string): Promise<string> => {
  const { stdout } = await run(path, ['version', '--template', '{{.Version}}'], { timeout: ANSWER_MS }).catch(
    (error: NodeJS.ErrnoException) => {
      throw new Error(
        `${path} can't be run (${error.code === 'ENOENT' ? 'there is no such file' : (error.code ?? 'it fails')})`,
        {
          cause: error,
        },
      )
    },
  )
  const [, version, major = 0, minor = 0] = /^v((\d+)\.(\d+)(?:\.\d+)?\S*)\s*$/.exec(stdout) ?? []
  if (version === undefined) throw new Error(`${path} is no Helm: it says ${JSON.stringify(stdout.trim().slice(0, 80))}`)
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST
  const isOld = Number(major) < oldestMajor || (Number(major) === oldestMajor && Number(minor) < oldestMinor)
  if (isOld) throw new Error(`${path} is Helm ${version}, ${OLDEST.join('.')} is the oldest that works: upgrade it`)
  return version
}
