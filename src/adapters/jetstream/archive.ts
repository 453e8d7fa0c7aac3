import { createHash } from 'node:crypto'
import { DiscardPolicy, type JetStreamClient, type JetStreamManager, type NatsConnection, type ObjectInfo } from 'nats'
import type { Archive, Chapter } from '../../runtime/archive.ts'
import { Corrupt, type Stored } from '../../runtime/journal.ts'
import { type Address, addressOf } from '../../runtime/types.ts'
import { asked, isNotFound } from './errors.ts'
import { readHistory } from './history.ts'
import { Label, mayHold, packed, unpacked } from './segment.ts'
import { ensureStream } from './streams.ts'

const BUCKET = 'archive'
const STREAM = `OBJ_${BUCKET}`
const WRITE_MS = 30_000

export type ArchiveOptions = {
  /** Copies that the bucket keeps; 1 unless told otherwise. */
  readonly replicas?: number
  readonly maxBytes?: number
}

type Found = { readonly name: string; readonly label: Label; readonly data: () => Promise<Uint8Array> }

/**
 * The archive in an object store: one object, a segment, per write. Chapters that begin with an actor's first commit share
 * one; those that go on a longer history get one each, so that an actor's segments are in the order of their times.
 */
export const objectArchive = async (
  nc: NatsConnection,
  js: JetStreamClient,
  jsm: JetStreamManager,
  { replicas = 1, maxBytes = -1 }: ArchiveOptions = {},
): Promise<Archive> => {
  // The client's own making of a bucket knows no copies.
  await ensureStream(jsm, {
    name: STREAM,
    subjects: [`$O.${BUCKET}.C.>`, `$O.${BUCKET}.M.>`],
    discard: DiscardPolicy.New,
    allow_rollup_hdrs: true,
    allow_direct: true,
    max_bytes: maxBytes,
    num_replicas: replicas,
  })
  const store = await js.views.os(BUCKET)

  const put = async (chapters: readonly Chapter[]): Promise<void> => {
    const { label, data } = await packed(chapters)
    // Named by its contents: written again after a crash it replaces itself.
    const name = `${label['first']?.split('/')[0]}-${label['from']}-${label['sha256']?.slice(0, 16)}`
    const info = await asked(`${BUCKET} ${name}`, () => store.putBlob({ name, metadata: label }, data, { timeout: WRITE_MS }))
    if (Buffer.compare(await bytesOf(info), data) !== 0)
      throw new Corrupt(`${BUCKET} ${name}: what is stored is not what was written`)
  }

  /** The object's bytes, in the order in which they were stored. */
  const bytesOf = async ({ name, nuid, digest }: ObjectInfo): Promise<Uint8Array> => {
    const subject = `$O.${BUCKET}.C.${nuid}`
    const chunks: Uint8Array[] = []
    const newest = async (): Promise<number> => {
      try {
        return (await jsm.streams.getMessage(STREAM, { last_by_subj: subject })).seq
      } catch (error) {
        if (isNotFound(error)) return 0
        throw error
      }
    }
    const onMessage = ({ data }: { readonly data: Uint8Array }): void => void chunks.push(data)
    await asked(`${BUCKET} ${name}`, () => readHistory(nc, { stream: STREAM, subject, after: 0, newest, onMessage }))
    const bytes = Buffer.concat(chunks)
    // Its padding is a matter of taste between clients.
    if (digest.replaceAll('=', '') !== `SHA-256=${createHash('sha256').update(bytes).digest('base64url')}`.replaceAll('=', ''))
      throw new Corrupt(`${BUCKET} ${name}: a part of the object is lost; restore it from a backup`)
    return bytes
  }

  const segments = async (wanted: (label: Label) => boolean): Promise<readonly Found[]> =>
    (await asked(BUCKET, () => store.list()))
      .map((info) => ({ name: `${BUCKET} ${info.name}`, label: labelOf(info), data: () => bytesOf(info) }))
      .filter(({ label }) => wanted(label))
      .toSorted((a, b) => a.label.from - b.label.from || a.label.n - b.label.n || a.label.to - b.label.to)

  const handOver = async (found: readonly Found[], onStored: (stored: Stored) => void, actor?: Address): Promise<void> => {
    const handed = new Map<string, number>()
    const once = (stored: Stored): void => {
      const address = addressOf(stored.actor)
      if (stored.commit.n <= (handed.get(address) ?? 0)) return
      handed.set(address, stored.commit.n)
      onStored(stored)
    }
    for (const { name, label, data } of found) await unpacked(name, label, await data(), once, actor)
  }

  return {
    write: async (chapters) => {
      const written = chapters.filter(({ commits }) => commits.length > 0)
      const isFirst = ({ commits }: Chapter): boolean => commits[0]?.commit.n === 1
      const whole = written.filter(isFirst)
      if (whole.length > 0) await put(whole)
      for (const chapter of written) if (!isFirst(chapter)) await put([chapter])
    },
    read: async (actor, onStored) => handOver(await segments((label) => mayHold(label, actor)), onStored, actor),
    between: async (from, to, onStored) => {
      const during = ({ commit }: Stored): boolean => commit.ts >= from && commit.ts <= to
      const found = await segments((label) => label.from <= to && label.to >= from)
      await handOver(found, (stored) => during(stored) && onStored(stored))
    },
  }
}

/** @throws Corrupt for an object that nobody can know the contents of: passing over it would hide a history */
const labelOf = ({ name, metadata }: ObjectInfo): Label => {
  const label = Label.safeParse(metadata)
  if (label.success) return label.data
  throw new Corrupt(
    `${BUCKET} ${name}: no segment of format 1; if a newer version wrote it, read it with that; if it is not ours, remove it`,
  )
}
