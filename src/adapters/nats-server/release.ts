import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { installed, type Place } from '../binaries/install.ts'
import { EXE } from '../binaries/path.ts'

type Release = {
  /** `major.minor.patch`, nothing else is taken. */
  readonly version: string
  /** The folder of the release's files, without a slash at the end. */
  readonly base: string
  readonly onProgress: (message: string) => void
  readonly signal: AbortSignal | undefined
}

const run = promisify(execFile)
const PROGRESS_STEP = 0.1

/** Downloads the version's release, checks it against the release's SHA256SUMS, and keeps it. */
export const downloadRelease = (place: Place, wanted: Release): Promise<string> =>
  installed(place, async (folder) => {
    const { version, base, signal } = wanted
    const name = `nats-server-v${version}-${platformOf(process.platform, process.arch)}`
    const archive = `${name}.${process.platform === 'win32' ? 'zip' : 'tar.gz'}`
    const expected = checksumFor(archive, await (await got(`${base}/SHA256SUMS`, signal)).text())
    const file = join(folder, archive)
    const found = await download(`${base}/${archive}`, file, wanted)
    if (found !== expected)
      throw new Error(`${base}/${archive} is damaged or not the original: SHA-256 should be ${expected}, it is ${found}`)
    await run('tar', ['-xf', archive], { cwd: folder })
    return join(folder, name, `nats-server${EXE}`)
  })

/** The platform as the release names it. @throws Error when there is no release for it */
export const platformOf = (platform: string, arch: string): string => {
  const os = { linux: 'linux', darwin: 'darwin', win32: 'windows', freebsd: 'freebsd' }[platform]
  const cpu = { x64: 'amd64', arm64: 'arm64', arm: 'arm7', ia32: '386', s390x: 's390x', ppc64: 'ppc64le' }[arch]
  if (os === undefined || cpu === undefined) throw new Error(`nats-server is not released for ${platform} on ${arch}`)
  return `${os}-${cpu}`
}

const checksumFor = (archive: string, sums: string): string => {
  const line = sums.split('\n').find((each) => each.trim().split(/\s+\*?/)[1] === archive)
  const sum = line?.trim().split(/\s+/)[0]?.toLowerCase()
  if (sum === undefined || !/^[0-9a-f]{64}$/.test(sum)) throw new Error(`the release's SHA256SUMS has no line for ${archive}`)
  return sum
}

const got = async (url: string, signal?: AbortSignal): Promise<Response> => {
  const response = await fetch(url, signal ? { signal } : {}).catch((error: Error) => {
    throw new Error(`${url} can't be reached (${(error.cause as Error | undefined)?.message ?? error.message})`, { cause: error })
  })
  if (!response.ok) throw new Error(`${url} answers ${response.status}`)
  return response
}

/** @returns the file's SHA-256, in hexadecimal */
const download = async (url: string, file: string, { version, onProgress, signal }: Release): Promise<string> => {
  const response = await got(url, signal)
  if (!response.body) throw new Error(`${url} answers with nothing`)
  const total = Number(response.headers.get('content-length') ?? 0)
  const hash = createHash('sha256')
  let [received, told] = [0, 0]
  onProgress(`downloading ${url}`)
  const watched = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      hash.update(chunk)
      received += chunk.length
      if (total > 0 && received / total >= told + PROGRESS_STEP) {
        told = received / total
        onProgress(`downloading nats-server ${version}: ${Math.round(told * 100)} %`)
      }
      yield chunk
    }
  }
  await pipeline(
    Readable.fromWeb(response.body),
    watched,
    createWriteStream(file, { mode: 0o600 }),
    ...(signal ? [{ signal }] : []),
  )
  return hash.digest('hex')
}
