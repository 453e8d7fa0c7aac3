import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { EXE, isExecutable, onPath } from './path.ts'

export type Place = {
  /** The file that the installed binary becomes. */
  readonly cached: string
  /** Its version. @throws Error when it is not what was wanted */
  readonly checked: (path: string) => Promise<string>
}
type Build = {
  /** As `go install` takes it: path@version. */
  readonly module: string
  readonly flags?: readonly string[]
  /** What the module's command is called. */
  readonly name: string
  readonly env: NodeJS.ProcessEnv
  readonly onProgress: (message: string) => void
  readonly signal: AbortSignal | undefined
}

/** Makes a binary in a folder of its own and puts it into its place in one step: two who install at once don't meet. */
export const installed = async ({ cached, checked }: Place, make: (folder: string) => Promise<string>): Promise<string> => {
  await mkdir(dirname(cached), { recursive: true, mode: 0o700 })
  const folder = await mkdtemp(join(dirname(cached), '.install-'))
  try {
    const made = await make(folder)
    const version = await checked(made)
    await rename(made, cached)
    return version
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Builds a command with Go and keeps it. @returns its version @throws Error when there is no Go or it does not succeed */
export const goInstalled = async (place: Place, build: Build): Promise<string> => {
  const go = await firstExecutable(onPath('go', build.env))
  if (go === undefined) throw new Error('there is no go on PATH')
  return installed(place, async (folder) => {
    build.onProgress(`building ${build.name} with go install, once; this takes some minutes`)
    await goInstall(go, folder, build)
    return join(folder, build.name + EXE)
  })
}

const firstExecutable = async (paths: readonly string[]): Promise<string | undefined> => {
  for (const path of paths) if (await isExecutable(path)) return path
  return undefined
}

const goInstall = async (go: string, folder: string, { module, flags = [], env, onProgress, signal }: Build): Promise<void> => {
  // GOBIN refuses to hold what is built for another platform.
  const { GOOS: _os, GOARCH: _arch, ...rest } = env
  const child = spawn(go, ['install', '-v', ...flags, module], {
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
  if (code !== 0) throw new Error(`it ends with ${code ?? 'a signal'}: ${said.slice(-3).join(' ')}`)
}
