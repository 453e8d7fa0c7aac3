import { createHash } from 'node:crypto'
import { access, constants, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { binaryCache } from '../../src/adapters/binaries/cache.ts'
import { goBuild, goPath } from '../control-plane/go.ts'
import { builtOnce } from '../control-plane/once.ts'

const MODULE = 'tools/kubernetes'
const PACKAGE = 'oracle'

type BinarySearch = {
  readonly env?: NodeJS.ProcessEnv
  readonly cacheFolder?: string
  readonly onProgress?: (message: string) => void
}

/**
 * The oracle of `tools/kubernetes/oracle`: from our cache, else built by Go, once for every state of its sources and pins.
 * @throws Error when it has to be built and there is no Go, or the build fails
 */
export const findOracle = async (search: BinarySearch = {}): Promise<string> => {
  const { env = process.env, cacheFolder = binaryCache(env), onProgress = () => {} } = search
  const { key, version } = await sources()
  const folder = join(cacheFolder, `${PACKAGE}-${key}-${process.platform}-${process.arch}`)
  const program = join(folder, PACKAGE)
  await builtOnce({
    folder,
    isComplete: () =>
      access(program, constants.X_OK).then(
        () => true,
        () => false,
      ),
    build: () => build(folder, program, version, env, onProgress),
    onWait: () => onProgress('another process builds the oracle: waiting for it'),
  })
  return program
}

const sources = async (): Promise<{ readonly key: string; readonly version: string }> => {
  const folder = join(MODULE, PACKAGE)
  const names = (await readdir(folder)).filter((name) => name.endsWith('.go')).sort()
  const files = [join(MODULE, 'go.mod'), join(MODULE, 'go.sum'), ...names.map((name) => join(folder, name))]
  const hash = createHash('sha256')
  for (const file of files) hash.update(`${basename(file)}\0${await readFile(file, 'utf8')}\0`)
  const [, version = ''] =
    /^\s*(?:require )?k8s\.io\/kubernetes (v\S+)/m.exec(await readFile(join(MODULE, 'go.mod'), 'utf8')) ?? []
  return { key: hash.digest('hex').slice(0, 16), version }
}

const build = async (
  folder: string,
  program: string,
  version: string,
  env: NodeJS.ProcessEnv,
  onProgress: (message: string) => void,
): Promise<void> => {
  const go = await goPath(env)
  const temporary = await mkdtemp(join(folder, '.build-'))
  try {
    const output = join(temporary, PACKAGE)
    await goBuild({ go, env, module: MODULE, pkg: `./${PACKAGE}`, version, output }, (packages) =>
      onProgress(`building the oracle${packages > 0 ? `: ${packages} packages` : ''}`),
    )
    await rename(output, program)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}
