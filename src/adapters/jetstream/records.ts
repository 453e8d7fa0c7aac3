import { untoken } from '../../events/subjects.ts'
import { Corrupt, type Entry } from '../../runtime/journal.ts'
import type { Commit, Refusal } from '../../runtime/types.ts'
import type { Delivered } from './delivery.ts'

export const JOURNAL = 'JOURNAL'

export const encoded = (record: Commit | Refusal): Uint8Array => Buffer.from(JSON.stringify(record))

/** The record in a message of the journal, or why it is none. */
export const entryOf = ({ seq, subject, data }: Delivered): Entry => {
  // qm.<cluster>.journal.<type>.<id>: split by hand, a third faster over millions.
  const beforeId = subject.lastIndexOf('.')
  const type = subject.slice(subject.lastIndexOf('.', beforeId - 1) + 1, beforeId)
  const id = subject.slice(beforeId + 1)
  try {
    return { seq, type, id: nameOf(id), record: recordIn(data, subject) }
  } catch (error) {
    const record =
      error instanceof Corrupt
        ? error
        : new Corrupt(`${JOURNAL} ${seq} ${subject}: ${(error as Error).message}`, { cause: error })
    return { seq, type, id: legible(id), record }
  }
}

const unchanged = /^[A-Za-z0-9-]+$/
const nameOf = (id: string): string | undefined => {
  if (unchanged.test(id)) return id
  return id === '$refused' ? undefined : untoken(id)
}
const legible = (id: string): string | undefined => {
  try {
    return untoken(id)
  } catch {
    return undefined // no actor of ours has such a name
  }
}

/**
 * Hostile or newer records are refused by name. The shape is checked as far as the fold leans on it; it reads millions.
 * @throws Corrupt
 */
export const recordIn = (data: Uint8Array, subject: string): Commit | Refusal => {
  let record: (Commit & Refusal) | null
  try {
    record = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString()) as (Commit & Refusal) | null
  } catch (error) {
    throw new Corrupt(`${JOURNAL} ${subject}: a record that is no JSON`, { cause: error })
  }
  if (record?.f !== 1)
    throw new Corrupt(
      `${JOURNAL} ${subject}: a record of format ${String(record?.f)}; this version reads format 1: run the newer release`,
    )
  if (!isCommit(record) && !isRefusal(record)) throw new Corrupt(`${JOURNAL} ${subject}: a record without the fields of format 1`)
  return record
}
const isCommit = ({ n, ts, ev, p, fx, done, tdel, tset, em }: Commit): boolean =>
  typeof n === 'number' &&
  typeof ts === 'number' &&
  typeof ev?.type === 'string' &&
  typeof p === 'object' &&
  Array.isArray(fx) &&
  Array.isArray(done) &&
  Array.isArray(tdel) &&
  Array.isArray(tset) &&
  Array.isArray(em)
const isRefusal = ({ refused, ts, cmd }: Refusal): boolean =>
  typeof refused?.verb === 'string' && typeof ts === 'number' && typeof cmd === 'string'
