import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { versionOf } from './version.ts'

type Installation = {
  /** `major.minor.patch`, nothing else is taken. */
  readonly version: string
  readonly env: NodeJS.ProcessEnv
  readonly onProgress: (message: string) => void
  /** The file that the installed binary becomes. */
  readonly cached: string
  readonly signal?: AbortSignal
}

const run = promisify(execFile)
const PROGRESS_STEP = 0.1

/** Builds the version with Go and keeps it. @throws Error when there is no Go or it does not succeed */
export const buildWithGo = async (wanted: Installation & { readonly go: string | undefined }): Promise<string> => {
  const { go, onProgress, version } = wanted
  if (go === undefined) throw new Error('there is no go on PATH')
  return installed(wanted, async (folder) => {
    onProgress(`building nats-server ${version} with go install, once; this takes about a minute`)
    await goInstall(go, folder, wanted)
    return join(folder, process.platform === 'win32' ? 'nats-server.exe' : 'nats-server')
  })
}

const goInstall = async (go: string, folder: string, { version, env, onProgress, signal }: Installation): Promise<void> => {
  // GOBIN refuses to hold what is built for another platform.
  const { GOOS: _os, GOARCH: _arch, ...rest } = env
  const child = spawn(go, ['install', '-v', `github.com/nats-io/nats-server/v2@v${version}`], {
    cwd: folder,
    env: { ...rest, GOBIN: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(signal && { signal }),
  })
  const said: string[] = []
  const lines = createInterface({ input: child.stderr })
  lines.on('line', (line) => {
    said.push(line)
    onProgress(`go install: ${line}`)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`it ends with ${code ?? 'a signal'}: ${said.slice(-3).join(' ')}`)
}

/** Downloads the version's release, checks it against the release's SHA256SUMS, and keeps it. */
export const downloadRelease = (wanted: Installation & { readonly base: string }): Promise<string> =>
  installed(wanted, async (folder) => {
    const { version, base, signal } = wanted
    const name = `nats-server-v${version}-${platformOf(process.platform, process.arch)}`
    const archive = `${name}.${process.platform === 'win32' ? 'zip' : 'tar.gz'}`
    const expected = checksumFor(archive, await (await got(`${base}/SHA256SUMS`, signal)).text())
    const file = join(folder, archive)
    const found = await download(`${base}/${archive}`, file, wanted)
    if (found !== expected)
      throw new Error(`${base}/${archive} is damaged or not the original: SHA-256 should be ${expected}, it is ${found}`)
    await run('tar', ['-xf', archive], { cwd: folder })
    return join(folder, name, process.platform === 'win32' ? 'nats-server.exe' : 'nats-server')
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
const download = async (url: string, file: string, { version, onProgress, signal }: Installation): Promise<string> => {
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

/** Makes a binary in a folder of its own and puts it into its place in one step: two who install at once don't meet. */
const installed = async ({ version, cached }: Installation, make: (folder: string) => Promise<string>): Promise<string> => {
  await mkdir(dirname(cached), { recursive: true, mode: 0o700 })
  const folder = await mkdtemp(join(dirname(cached), '.install-'))
  try {
    const made = await make(folder)
    const came = await versionOf(made)
    if (came !== version) throw new Error(`what came is nats-server ${came}, not ${version}`)
    await rename(made, cached)
    return came
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
