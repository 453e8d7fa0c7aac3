import { renameSync, writeFileSync } from 'node:fs'
import { accounts, type Principals } from './accounts.ts'
import type { ServerFolder } from './folder.ts'

export type Configuration = {
  /** The server's name, without blanks. */
  readonly name: string
  readonly port: number
  /** Who may log in; without it, whoever reaches the port may do everything. */
  readonly principals?: Principals
  readonly maxStoreBytes?: number
  /** Every acknowledged message is on the disk: slower by the disk's own time. Default: the server's, every two minutes. */
  readonly syncAlways?: boolean
}

/** Bytes of the largest message. */
const MAX_PAYLOAD = 2 ** 20
const MAX_LOG = 10 * 2 ** 20

/** Writes the server's configuration; JSON is valid in its language, and quotes every path. */
export const writeConfig = (folder: ServerFolder, { name, port, principals, maxStoreBytes, syncAlways }: Configuration): void => {
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
    ...(principals && { accounts: accounts(principals) }),
  }
  const temporary = `${folder.config}.new`
  writeFileSync(temporary, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
  renameSync(temporary, folder.config)
}
