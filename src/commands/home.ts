import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'

/** Where `up` keeps data, logs and the connection file: QUARTERMASTER_HOME, or the platform's state folder. */
export const homeFolder = (env: NodeJS.ProcessEnv = process.env): string => {
  if (env['QUARTERMASTER_HOME']) return env['QUARTERMASTER_HOME']
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'quartermaster')
  if (process.platform === 'win32') return join(env['LOCALAPPDATA'] ?? homedir(), 'quartermaster')
  return join(env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'quartermaster')
}

const Connection = z.object({ url: z.string(), cluster: z.string(), seedFile: z.string().optional(), pid: z.number() })
export type Connection = z.infer<typeof Connection>

const fileIn = (home: string): string => join(home, 'connection.json')

/** Tells the other commands where the running system is. Only the owner may read it. */
export const writeConnection = (home: string, connection: Connection): void => {
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const temporary = `${fileIn(home)}.${process.pid}`
  writeFileSync(temporary, `${JSON.stringify(connection, null, 2)}\n`, { mode: 0o600 })
  renameSync(temporary, fileIn(home))
}

/** Undefined when no `up` has run here yet. */
export const readConnection = (home: string): Connection | undefined => {
  let text: string
  try {
    text = readFileSync(fileIn(home), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  return Connection.parse(JSON.parse(text))
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
