import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import type { JetStreamClient, KV } from 'nats'
import { z } from 'zod'
import { token } from '../../events/subjects.ts'
import { Unstorable } from '../../runtime/journal.ts'
import type { CachedSnapshot, Snapshots } from '../../runtime/snapshots.ts'
import { type Address, Ledger } from '../../runtime/types.ts'
import { asked } from './errors.ts'

const BUCKET = 'snapshots'
/** Bytes of the largest value; NATS takes a megabyte with its headers. */
const LARGEST = 900_000
/** Bytes that a compressed value may grow to: a small one may claim to be any size. */
const LARGEST_STATE = 64 * 2 ** 20
/** An actor that was not put away for so long is read from its journal the next time. */
const KEPT_MS = 7 * 24 * 3_600_000

const Value = z.object({
  f: z.literal(1),
  n: z.number().int().positive(),
  seq: z.number().int().positive(),
  nonce: z.string(),
  ts: z.number(),
  mv: z.number().int(),
  own: z.string(),
  state: z.object({
    status: z.enum(['active', 'done', 'error', 'stopped']),
    value: z.unknown(),
    context: z.unknown(),
    children: z.record(z.string(), z.string()),
    historyValue: z.record(z.string(), z.array(z.string())).optional(),
    output: z.unknown().optional(),
  }),
  kept: z.object({ n: z.number(), seq: z.number(), sha256: z.string() }),
  ledger: Ledger,
})

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

export type SnapshotsOptions = {
  /** Copies that the bucket keeps; 1 unless told otherwise. */
  readonly replicas?: number
  readonly maxBytes?: number
}

/** Cached snapshots in a KV bucket, one key per actor. What somebody else wrote there, or a part of it, counts as none. */
export const kvSnapshots = async (js: JetStreamClient, { replicas = 1, maxBytes }: SnapshotsOptions = {}): Promise<Snapshots> => {
  const limits = { history: 1, ttl: KEPT_MS, replicas, ...(maxBytes !== undefined && { max_bytes: maxBytes }) }
  const kv: KV = await asked(BUCKET, () => js.views.kv(BUCKET, limits))
  return {
    put: async (actor, snapshot) => {
      const key = keyOf(actor)
      const value = await packed(snapshot, key)
      await asked(`${BUCKET} ${key}`, () => kv.put(key, value))
    },
    get: async (actor) => {
      const key = keyOf(actor)
      const entry = await asked(`${BUCKET} ${key}`, () => kv.get(key))
      return entry?.operation === 'PUT' ? unpacked(entry.value) : undefined
    },
  }
}

const keyOf = ({ type, id }: Address): string => `${type}.${token(id)}`

const packed = async (snapshot: CachedSnapshot, key: string): Promise<Uint8Array> => {
  const text = Buffer.from(JSON.stringify(snapshot))
  const value = text.length <= LARGEST ? text : await compress(text)
  if (value.length > LARGEST)
    throw new Unstorable(
      `${BUCKET} ${key}: ${value.length} bytes compressed, no more than ${LARGEST} are kept; keep less in the context`,
    )
  return value
}

const unpacked = async (value: Uint8Array): Promise<CachedSnapshot | undefined> => {
  try {
    const text = value[0] === 0x7b ? value : await decompress(value, { maxOutputLength: LARGEST_STATE })
    return Value.safeParse(JSON.parse(Buffer.from(text).toString())).data as CachedSnapshot | undefined
  } catch {
    return undefined // no JSON, or not compressed by us: nothing that a cache would have to mend
  }
}
