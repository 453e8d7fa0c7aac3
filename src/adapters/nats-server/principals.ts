import { randomUUID } from 'node:crypto'
import { existsSync, linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { nkeys } from 'nats'
import { type Operator, type Principals, SYSTEM_ACCOUNT } from './accounts.ts'
import type { ServerFolder } from './folder.ts'

/** The account of whoever started it: the first half of the principal in the audit trail. */
const OPERATOR_ACCOUNT = 'OPERATOR'
const RESERVED = [OPERATOR_ACCOUNT, SYSTEM_ACCOUNT]

/**
 * The users whose seeds are in the folder, made at the first start and the same ever after, and one more operator for each
 * public nkey in `operators/<NAME>.pub`: its account is called NAME, and its seed never comes here.
 * @throws Error when a file holds no key, or a name can't be an account's
 */
export const principalsOf = ({ seed, systemSeed, operators }: ServerFolder): Principals => ({
  system: userOf(systemSeed),
  operators: [{ account: OPERATOR_ACCOUNT, user: userOf(seed) }, ...furtherIn(operators)],
})

const furtherIn = (folder: string): readonly Operator[] =>
  (existsSync(folder) ? readdirSync(folder) : [])
    .filter((name) => name.endsWith('.pub'))
    .toSorted()
    .map((name) => operatorIn(join(folder, name)))

const operatorIn = (file: string): Operator => {
  const account = basename(file, '.pub')
  if (!/^[A-Za-z0-9-]+$/.test(account) || RESERVED.includes(account))
    throw new Error(`${file}: an operator is called by A-Z, a-z, 0-9 and -, and not ${RESERVED.join(' or ')}: rename the file`)
  const user = readFileSync(file, 'utf8').trim()
  try {
    if (user.startsWith('U') && nkeys.fromPublic(user)) return { account, user }
  } catch (error) {
    throw new Error(unfit(file), { cause: error })
  }
  throw new Error(unfit(file))
}
const unfit = (file: string): string =>
  `${file} holds no public nkey of a user (U and 55 more characters, as "nk -pubout" prints it): correct or remove it`

const userOf = (seed: string): string => {
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
