import { createHash } from 'node:crypto'
import { access, constants, cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { binaryCache } from '../../src/adapters/binaries/cache.ts'
import { goBuild, goPath, moduleFolder } from './go.ts'
import { builtOnce } from './once.ts'

/** The programs, and the packages that become them. */
const PACKAGES = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
  'kube-scheduler': 'k8s.io/kubernetes/cmd/kube-scheduler',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
  kwok: 'sigs.k8s.io/kwok/cmd/kwok',
} as const
const [NEWEST, KWOK] = ['tools/kubernetes', 'tools/kwok'] as const

export type Program = keyof typeof PACKAGES
/** Where the programs are, and the folder of kwok's own stages. */
export type Binaries = { readonly programs: Readonly<Record<Program, string>>; readonly stages: string }
export type BinarySearch = {
  readonly env?: NodeJS.ProcessEnv
  readonly cacheFolder?: string
  /** The Go module whose Kubernetes it is to be; what it does not build comes from the newest, the default. */
  readonly kubernetes?: string
  /** One line about what is being done, for a person who waits. */
  readonly onProgress?: (message: string) => void
}

/**
 * The control plane's programs: those in KUBEBUILDER_ASSETS, else from our cache, else built by Go from the pinned modules
 * in `tools`, once for every state of their go.mod and go.sum.
 * @throws Error when something has to be built and there is no Go, or the build fails
 */
export const findBinaries = async (search: BinarySearch = {}): Promise<Binaries> => {
  const { env = process.env, cacheFolder = binaryCache(env), kubernetes = NEWEST, onProgress = () => {} } = search
  const programs: Record<string, string> = await assetsIn(env.KUBEBUILDER_ASSETS)
  let stages = ''
  for (const module of new Set([kubernetes, NEWEST, KWOK])) {
    const place = await placeOf(module, cacheFolder)
    const tools = place.tools.filter((name) => !(name in programs))
    await install({ ...place, tools, module, env, onProgress })
    for (const name of tools) programs[name] = join(place.folder, name)
    if (module === KWOK) stages = join(place.folder, STAGES)
  }
  return { programs: programs as Record<Program, string>, stages }
}

/** A wish is not passed over: a folder that is named and not there is an error. */
const assetsIn = async (folder: string | undefined): Promise<Readonly<Record<string, string>>> => {
  if (!folder) return {}
  const names = await readdir(folder).catch((error: Error) => {
    throw new Error(`KUBEBUILDER_ASSETS: ${folder} can't be read (${error.message}); correct it or unset it`, { cause: error })
  })
  return Object.fromEntries(names.filter((name) => name in PACKAGES).map((name) => [name, join(folder, name)]))
}

/** A module's folder in the cache, what it builds, and the Kubernetes that this is (empty where it is none). */
type Place = { readonly folder: string; readonly version: string; readonly tools: readonly Program[] }
type Installation = Place & {
  readonly module: string
  readonly env: NodeJS.ProcessEnv
  readonly onProgress: (message: string) => void
}

const STAGES = 'stages'
const isThere = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  )

/** Named by what is built and for which machine: another pin is another folder. */
const placeOf = async (module: string, cacheFolder: string): Promise<Place> => {
  const [mod = '', sum = ''] = await Promise.all(['go.mod', 'go.sum'].map((file) => readFile(join(module, file), 'utf8')))
  const key = createHash('sha256').update(`${mod}\0${sum}`).digest('hex').slice(0, 16)
  const [, version = ''] = /^\s*(?:require )?k8s\.io\/kubernetes (v\S+)/m.exec(mod) ?? []
  const listed = new Set(mod.split(/\s+/))
  const tools = (Object.keys(PACKAGES) as Program[]).filter((name) => listed.has(PACKAGES[name]))
  return { folder: join(cacheFolder, `${basename(module)}-${key}-${process.platform}-${process.arch}`), version, tools }
}

/** Builds what is not there yet. */
const install = (installation: Installation): Promise<void> => {
  const { module, folder, tools, onProgress } = installation
  const needed = module === KWOK ? [...tools, STAGES] : tools
  return builtOnce({
    folder,
    isComplete: async () => (await Promise.all(needed.map((name) => isThere(join(folder, name))))).every(Boolean),
    build: () => build(installation),
    onWait: () => onProgress(`another process builds ${module}: waiting for it`),
  })
}

const build = async ({ folder, version, module, tools, env, onProgress }: Installation): Promise<void> => {
  const go = await goPath(env)
  // What a killed builder left: we have the lock, so nobody is in it.
  for (const name of await readdir(folder)) if (name.startsWith('.build-')) await rm(join(folder, name), { recursive: true })
  const temporary = await mkdtemp(join(folder, '.build-'))
  try {
    for (const [index, name] of tools.entries()) {
      if (await isThere(join(folder, name))) continue
      const what = `${name} (${index + 1} of ${tools.length} in ${module})`
      const output = join(temporary, name)
      await goBuild({ go, env, module, pkg: PACKAGES[name], version, output }, (packages) =>
        onProgress(`building ${what}${packages > 0 ? `: ${packages} packages` : ''}`),
      )
      await rename(output, join(folder, name))
    }
    if (module === KWOK) await keepStages(go, env, temporary, folder)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

/** kwok's stages for quick pods and living nodes, beside the binary that understands them: no Go is needed to read them. */
const keepStages = async (go: string, env: NodeJS.ProcessEnv, temporary: string, folder: string): Promise<void> => {
  const from = join(await moduleFolder(go, env, KWOK, 'sigs.k8s.io/kwok'), 'kustomize', 'stage')
  const to = join(temporary, STAGES)
  await mkdir(to)
  for (const part of ['pod/fast', 'node/fast', 'node/heartbeat-with-lease'])
    for (const name of await readdir(join(from, part)))
      if (name.endsWith('.yaml') && name !== 'kustomization.yaml') await cp(join(from, part, name), join(to, name))
  await rm(join(folder, STAGES), { recursive: true, force: true })
  await rename(to, join(folder, STAGES))
}
