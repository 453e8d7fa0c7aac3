import { existsSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { SYSTEM_ACCOUNT } from './accounts.ts'
import type { ServerFolder } from './folder.ts'

/** The server's default account, which held everything before there were accounts. */
const DEFAULT_ACCOUNT = '$G'

/**
 * Gives the streams of a store from before there were accounts to the system's account. One rename, no server running: a
 * store is the account's folder, and no file in it names the account.
 * @throws Error when both accounts have streams: which of them are the true ones, only a person can say
 */
export const adoptStore = ({ jetstream }: ServerFolder, onProgress: (message: string) => void): void => {
  const [before, now] = [DEFAULT_ACCOUNT, SYSTEM_ACCOUNT].map((account) => join(jetstream, 'jetstream', account)) as [
    string,
    string,
  ]
  if (!hasStreams(before)) return
  if (hasStreams(now))
    throw new Error(
      `there are streams in ${before}, of an older version, and in ${now}: move away the folder that you do not want`,
    )
  renameSync(before, now)
  onProgress(`the streams of an earlier version now belong to the account ${SYSTEM_ACCOUNT}`)
}

const hasStreams = (account: string): boolean => {
  const streams = join(account, 'streams')
  return existsSync(streams) && readdirSync(streams).length > 0
}
