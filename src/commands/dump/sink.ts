import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { open, rename, rm } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { UserError } from '../session.ts'

/** Where a dump goes, and the SHA-256 over all that went there. */
export type Sink = {
  write(text: string): Promise<void>
  /** Makes it whole. @returns the checksum, hexadecimal */
  finish(): Promise<string>
  /** Leaves nothing behind. */
  abandon(): Promise<void>
}

/**
 * A file that its owner alone can read. It appears under its name when it is whole, and not before.
 * @throws UserError when it can't be written
 */
export const fileSink = async (file: string): Promise<Sink> => {
  const partial = `${file}.${process.pid}.partial`
  const failed = (error: unknown): never => {
    throw new UserError(`${file} can't be written: ${(error as Error).message}`, { cause: error })
  }
  const handle = await open(partial, 'wx', 0o600).catch(failed)
  const hash = createHash('sha256')
  return {
    write: async (text) => {
      hash.update(text)
      await handle.writeFile(text).catch(failed)
    },
    finish: async () => {
      await handle.close()
      await rename(partial, file).catch(failed)
      return hash.digest('hex')
    },
    abandon: async () => {
      await handle.close()
      await rm(partial, { force: true })
    },
  }
}

/** A stream that others read, as fast as they do. */
export const streamSink = (stream: Writable): Sink => {
  const hash = createHash('sha256')
  return {
    write: async (text) => {
      hash.update(text)
      if (!stream.write(text)) await once(stream, 'drain')
    },
    finish: async () => hash.digest('hex'),
    abandon: async () => {},
  }
}

/** For a report alone: what would be written is only counted in. */
export const noSink = (): Sink => {
  const hash = createHash('sha256')
  return { write: async (text) => void hash.update(text), finish: async () => hash.digest('hex'), abandon: async () => {} }
}
