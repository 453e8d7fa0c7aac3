import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

/** A package that is to become a program. */
type Build = {
  readonly go: string
  readonly env: NodeJS.ProcessEnv
  /** Folder of the go.mod. */
  readonly module: string
  readonly pkg: string
  /** What the program says its Kubernetes version is; empty for those that have none. */
  readonly version: string
  /** The file. */
  readonly output: string
}

/** The go on PATH. @throws Error when there is none, with what to do */
export const goPath = async (env: NodeJS.ProcessEnv): Promise<string> => {
  for (const folder of (env.PATH ?? '').split(delimiter).filter((each) => isAbsolute(each))) {
    const path = join(folder, 'go')
    const isProgram = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isProgram) return path
  }
  throw new Error(
    'there is no go on PATH, and Go builds the control plane of these tests: install Go 1.26 or newer (go.dev/dl) and run them again',
  )
}

// Without its version an API server says `v0.0.0-master`, which clients can't read. Another flag is another cold build.
const flagsFor = (version: string): readonly string[] => {
  const stamp = version === '' ? '' : ` -X k8s.io/component-base/version.gitVersion=${version}`
  return ['-mod=readonly', '-buildvcs=false', '-ldflags', `-s -w${stamp}`]
}

/** What is built for another platform could not be run here. */
const native = ({ GOOS: _os, GOARCH: _arch, GOBIN: _bin, ...env }: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...env,
  GOWORK: 'off',
})

/** What `-v` prints for each package that is compiled; all else is a download or an error. */
const PACKAGE = /^[\w.~/-]+$/

/** Builds one program; `onPackages` is told how many packages were compiled for it so far. @throws Error with go's last words */
export const goBuild = async (
  { go, env, module, pkg, version, output }: Build,
  onPackages: (count: number) => void,
): Promise<void> => {
  onPackages(0)
  const child = spawn(go, ['build', '-v', ...flagsFor(version), '-o', output, pkg], {
    cwd: module,
    env: native(env),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const said: string[] = []
  let packages = 0
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (PACKAGE.test(line)) onPackages(++packages)
    else said.push(line)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`go build ${pkg} ends with ${code ?? 'a signal'}: ${said.slice(-5).join('\n')}`)
}

/** Where a module that another one requires is unpacked; it is downloaded when it is not there. */
export const moduleFolder = async (go: string, env: NodeJS.ProcessEnv, module: string, path: string): Promise<string> => {
  const { stdout } = await promisify(execFile)(go, ['mod', 'download', '-json', path], { cwd: module, env: native(env) })
  return (JSON.parse(stdout) as { Dir: string }).Dir
}
