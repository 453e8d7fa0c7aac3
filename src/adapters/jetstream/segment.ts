import { createHash } from 'node:crypto'
import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'
import { z } from 'zod'
import type { Chapter } from '../../runtime/archive.ts'
import { Corrupt, type Stored } from '../../runtime/journal.ts'
import { type Address, addressOf, type Commit } from '../../runtime/types.ts'

const FORMAT = '1'
/** Actors that are named one by one; of more only the first and last in order are. */
const NAMED = 20
/** So many lines at a time: between them timers and sockets get a turn. */
const LINES = 500
const LEVEL = 9

/** What is said of a segment beside its bytes: enough to know whether an actor or a time can be in it. */
export const Label = z.object({
  format: z.literal(FORMAT),
  /** Of the uncompressed bytes. */
  sha256: z.string(),
  bytes: z.coerce.number(),
  commits: z.coerce.number(),
  /** Epoch ms of the oldest and the newest commit, and the number of the first actor's first commit. */
  from: z.coerce.number(),
  to: z.coerce.number(),
  n: z.coerce.number(),
  /** Addresses, in order. */
  first: z.string(),
  last: z.string(),
  actors: z
    .string()
    .transform((text) => z.array(z.string()).parse(JSON.parse(text)))
    .optional(),
})
export type Label = z.infer<typeof Label>

export type Segment = { readonly label: Readonly<Record<string, string>>; readonly data: Uint8Array }

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** Chapters as compressed JSON lines in the order of their actors: alike is beside alike. */
export const packed = async (chapters: readonly Chapter[]): Promise<Segment> => {
  const ordered = chapters.toSorted((a, b) => order(addressOf(a.actor), addressOf(b.actor)))
  const lines: Buffer[] = []
  let [from, to, commits] = [Number.POSITIVE_INFINITY, 0, 0]
  for (const { actor, commits: stored } of ordered)
    for (const { seq, commit } of stored) {
      lines.push(Buffer.from(`${head(actor)},"seq":${seq},"ts":${commit.ts}}\t${shortened(actor, commit)}\n`))
      from = Math.min(from, commit.ts)
      to = Math.max(to, commit.ts)
      if (++commits % LINES === 0) await yieldToLoop()
    }
  const text = Buffer.concat(lines)
  const names = ordered.map(({ actor }) => addressOf(actor))
  const label = {
    format: FORMAT,
    sha256: sha256(text),
    bytes: `${text.length}`,
    commits: `${commits}`,
    from: `${from}`,
    to: `${to}`,
    n: `${ordered[0]?.commits[0]?.commit.n ?? 0}`,
    first: names[0] ?? '',
    last: names.at(-1) ?? '',
    ...(names.length <= NAMED && { actors: JSON.stringify(names) }),
  }
  return { label, data: await compress(text, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } }) }
}

/**
 * Hands over the commits of a segment, of one actor or of all.
 * @throws Corrupt when it is not what was written
 */
export const unpacked = async (
  name: string,
  { bytes, sha256: expected }: Label,
  data: Uint8Array,
  onStored: (stored: Stored) => void,
  actor?: Address,
): Promise<void> => {
  const text = await decompress(data, { maxOutputLength: Math.max(1, bytes) }).catch((error: unknown) => {
    throw new Corrupt(`${name}: can not be decompressed; restore it from a backup`, { cause: error })
  })
  if (sha256(text) !== expected) throw new Corrupt(`${name}: its checksum does not fit; restore it from a backup`)
  const wanted = actor && Buffer.from(`${head(actor)},`)
  let read = 0
  let start = wanted ? startOf(text, wanted) : 0
  while (start >= 0 && start < text.length) {
    const end = text.indexOf(10, start)
    const line = text.subarray(start, end)
    if (wanted && !line.subarray(0, wanted.length).equals(wanted)) return
    onStored(storedIn(line.toString()))
    start = end + 1
    if (++read % LINES === 0) await yieldToLoop()
  }
}

/**
 * A commit names its own actor and time again and again: each in one control character, which JSON text never holds as it
 * is, takes a third off the compressed bytes. What was shortened is exactly what comes back.
 */
const shortened = (actor: Address, commit: Commit): string =>
  marks(actor, commit.ts).reduce((text, [mark, long]) => text.replaceAll(long, mark), JSON.stringify(commit))
const lengthened = (text: string, actor: Address, ts: number): string =>
  marks(actor, ts).reduceRight((longer, [mark, long]) => longer.replaceAll(mark, () => long), text)

const marks = ({ type, id }: Address, ts: number): readonly (readonly [string, string])[] => {
  const name = inner(id)
  const known: readonly (readonly [string, string])[] = [
    ['\u0001', `${inner(type)}/${name}`],
    ['\u0002', name],
    ['\u0003', `${ts}`],
  ]
  return known.filter(([, long]) => long.length > 1)
}
const inner = (text: string): string => JSON.stringify(text).slice(1, -1)

const storedIn = (line: string): Stored => {
  const tab = line.indexOf('\t')
  const { type, id, seq, ts } = JSON.parse(line.slice(0, tab)) as Address & { readonly seq: number; readonly ts: number }
  const actor = { type, id }
  return { seq, actor, commit: JSON.parse(lengthened(line.slice(tab + 1), actor, ts)) as Commit }
}

/** Whether the segment may hold commits of the actor. */
export const mayHold = ({ actors, first, last }: Label, actor: Address): boolean => {
  const name = addressOf(actor)
  return actors ? actors.includes(name) : order(first, name) <= 0 && order(name, last) <= 0
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
// By code units and not by a language: the same on every machine.
const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
/** The actor comes first in a line, so that others are passed over without being parsed. */
const head = ({ type, id }: Address): string => `{"type":${JSON.stringify(type)},"id":${JSON.stringify(id)}`

/** An actor's first line: at the beginning of the text or of a line, so that no commit that quotes it is taken for it. */
const startOf = (text: Buffer, wanted: Buffer): number =>
  text.subarray(0, wanted.length).equals(wanted) ? 0 : text.indexOf(Buffer.concat([Buffer.from('\n'), wanted])) + 1 || -1
