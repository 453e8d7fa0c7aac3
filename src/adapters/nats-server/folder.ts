import { chmodSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** The files of one nats-server. */
export type ServerFolder = {
  readonly config: string
  readonly log: string
  /** The operator's: the one that was there before there were accounts. */
  readonly seed: string
  readonly systemSeed: string
  /** A folder of further operators' public keys, if somebody made one. */
  readonly operators: string
  readonly pid: string
  readonly jetstream: string
  release(): void
}

/** Another process has the store; the message names it. */
export class StoreInUse extends Error {
  override name = 'StoreInUse'
}

const SQLITE_BUSY = 5
/** Held here because a lock whose handle is garbage is a lock released. */
const held = new Set<DatabaseSync>()

/**
 * Takes the folder for this process alone, until `release` or the end of the process, whatever ends it: the lock is the
 * kernel's, on a SQLite file. A pid file alone can't tell a dead owner from a pid used again, and two can take it over at once.
 * @throws StoreInUse
 */
export const takeFolder = (wanted: string): ServerFolder => {
  mkdirSync(wanted, { recursive: true, mode: 0o700 })
  // One name per folder: an orphan is known by its config's path.
  const folder = realpathSync(wanted)
  chmodSync(folder, 0o700)
  const owner = join(folder, 'owner.pid')
  const lock = locked(join(folder, 'owner.lock'), () => inUse(folder, owner))
  held.add(lock)
  writeFileSync(owner, `${process.pid}\n`, { mode: 0o600 })
  return {
    config: join(folder, 'nats-server.conf'),
    log: join(folder, 'nats-server.log'),
    seed: join(folder, 'user.seed'),
    systemSeed: join(folder, 'system.seed'),
    operators: join(folder, 'operators'),
    pid: join(folder, 'nats-server.pid'),
    jetstream: join(folder, 'jetstream'),
    release: () => {
      if (!held.delete(lock)) return
      rmSync(owner, { force: true })
      lock.close()
    },
  }
}

const locked = (file: string, inUse: () => Error): DatabaseSync => {
  const lock = new DatabaseSync(file)
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    throw (error as { errcode?: number }).errcode === SQLITE_BUSY ? inUse() : error
  }
}

const inUse = (folder: string, owner: string): Error => {
  const pid = readIfThere(owner)?.trim() || 'unknown'
  return new StoreInUse(
    `the folder ${folder} is in use by the process ${pid}: end that one, or give this one a folder of its own (QUARTERMASTER_HOME)`,
  )
}

/** A small file's text, or undefined when there is none. */
export const readIfThere = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
