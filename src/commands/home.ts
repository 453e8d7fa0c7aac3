import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { readIfThere } from '../adapters/nats-server/folder.ts'

/** Where `up` keeps data, logs and the connection file: QUARTERMASTER_HOME, or the platform's state folder. */
export const homeFolder = (env: NodeJS.ProcessEnv = process.env): string => {
  if (env['QUARTERMASTER_HOME']) return env['QUARTERMASTER_HOME']
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'quartermaster')
  if (process.platform === 'win32') return join(env['LOCALAPPDATA'] ?? homedir(), 'quartermaster')
  return join(env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'quartermaster')
}

/** The simulated cluster's id, unless another is given. */
export const DEMO = 'demo'

/** Where the system of one cluster keeps its data: a home may have several, each with a NATS of its own. */
export const systemFolder = (home: string, cluster: string): string => (cluster === DEMO ? home : join(home, CLUSTERS, cluster))
const CLUSTERS = 'clusters'

const Connection = z.object({
  url: z.string(),
  cluster: z.string(),
  /** The kubeconfig's context by which that cluster is reached. */
  context: z.string().default('unknown'),
  seedFile: z.string().optional(),
  pid: z.number(),
  /** Epoch ms. */
  startedAt: z.number().default(0),
})
export type Connection = z.infer<typeof Connection>

const fileIn = (folder: string): string => join(folder, 'connection.json')

/** Tells the other commands where the system of this folder is. Only the owner may read it. */
export const writeConnection = (folder: string, connection: Connection): void => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const temporary = `${fileIn(folder)}.${process.pid}`
  writeFileSync(temporary, `${JSON.stringify(connection, null, 2)}\n`, { mode: 0o600 })
  renameSync(temporary, fileIn(folder))
}

/** The system has ended. Another one's file, written meanwhile, stays. */
export const removeConnection = (folder: string, { pid }: Connection): void => {
  if (readConnection(folder)?.pid === pid) rmSync(fileIn(folder), { force: true })
}

/**
 * Undefined when nothing runs there, as far as its file says.
 * @throws Error naming the file when it is damaged
 */
const readConnection = (folder: string): Connection | undefined => {
  const text = readIfThere(fileIn(folder))
  if (text === undefined) return undefined
  try {
    return Connection.parse(JSON.parse(text))
  } catch (error) {
    throw new Error(`${fileIn(folder)} is damaged: remove it, and start the system again`, { cause: error })
  }
}

/** What the connection files under a home say, living or not, by folder. */
export const connectionsIn = (home: string): ReadonlyMap<string, Connection> => {
  const folders = [home, ...foldersIn(join(home, CLUSTERS))]
  return new Map(
    folders.flatMap((folder) => {
      const connection = readConnection(folder)
      return connection ? [[folder, connection] as const] : []
    }),
  )
}

const foldersIn = (parent: string): readonly string[] =>
  existsSync(parent)
    ? readdirSync(parent)
        .toSorted()
        .map((name) => join(parent, name))
    : []

/**
 * The systems that run under a home, the newest last. The file of one whose process is no more is removed.
 * @param say is told of each that was removed, in a sentence
 */
export const runningIn = (home: string, say: (sentence: string) => void): readonly Connection[] => {
  const running: Connection[] = []
  for (const [folder, connection] of connectionsIn(home)) {
    if (isAlive(connection.pid)) running.push(connection)
    else {
      removeConnection(folder, connection)
      const { cluster, pid } = connection
      say(`the system of the cluster "${cluster}" (process ${pid}) ended without a word: its connection file is removed`)
    }
  }
  return running.toSorted((a, b) => a.startedAt - b.startedAt)
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH' // EPERM: somebody else's, but alive
  }
}

/** A kubeconfig for the simulated cluster, for kubectl and every other client. Only the owner may read it. */
export const writeKubeconfig = (home: string, url: string, token: string): string => {
  const file = join(home, 'kubeconfig')
  const name = 'simulated'
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    // kubectl sends no credentials over plain HTTP, so the token is part of the path.
    clusters: [{ name, cluster: { server: `${url}/with-token/${token}` } }],
    users: [{ name, user: {} }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  }
  writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
  return file
}
