import { randomUUID } from 'node:crypto'
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { nkeys } from 'nats'
import type { ServerFolder } from './folder.ts'

export type Configuration = {
  /** The server's name, without blanks. */
  readonly name: string
  readonly port: number
  /** The only user's public nkey; without one, whoever reaches the port may do everything. */
  readonly user?: string
  readonly maxStoreBytes?: number
  /** Every acknowledged message is on the disk: slower by the disk's own time. Default: the server's, every two minutes. */
  readonly syncAlways?: boolean
}

/** Bytes of the largest message. */
const MAX_PAYLOAD = 2 ** 20
const MAX_LOG = 10 * 2 ** 20

/** Writes the server's configuration; JSON is valid in its language, and quotes every path. */
export const writeConfig = (folder: ServerFolder, { name, port, user, maxStoreBytes, syncAlways }: Configuration): void => {
  const config = {
    server_name: name,
    host: '127.0.0.1',
    port,
    max_payload: MAX_PAYLOAD,
    log_file: folder.log,
    logfile_size_limit: MAX_LOG,
    logfile_max_num: 3,
    jetstream: {
      store_dir: folder.jetstream,
      ...(maxStoreBytes !== undefined && { max_file_store: maxStoreBytes }),
      ...(syncAlways && { sync_interval: 'always' }),
    },
    ...(user !== undefined && { authorization: { users: [{ nkey: user }] } }),
  }
  const temporary = `${folder.config}.new`
  writeFileSync(temporary, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
  renameSync(temporary, folder.config)
}

/** The public nkey of the user whose seed is in the folder; made at the first start, and the same ever after. */
export const userOf = ({ seed }: ServerFolder): string => {
  const user = nkeys.createUser()
  const temporary = `${seed}.${randomUUID()}`
  writeFileSync(temporary, user.getSeed(), { mode: 0o600 })
  try {
    linkSync(temporary, seed)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(temporary)
  }
  return publicKeyOf(seed)
}

const publicKeyOf = (seedFile: string): string => {
  try {
    return nkeys.fromSeed(readFileSync(seedFile)).getPublicKey()
  } catch (error) {
    throw new Error(`${seedFile} is no nkey seed: remove it, and a new one is made`, { cause: error })
  }
}
