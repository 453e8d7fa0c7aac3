import { randomBytes } from 'node:crypto'
import { zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { kvSnapshots } from '../../src/adapters/jetstream/snapshots.ts'
import { Unstorable } from '../../src/runtime/journal.ts'
import { memorySnapshots } from '../../src/runtime/testing/memory-snapshots.ts'
import { snapshotAt, snapshotsContract } from '../contracts/snapshots.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'

let nats: NatsForTest
beforeAll(async () => {
  nats = await natsForTest()
})
afterAll(() => nats.cleanup())

const fresh = async () => {
  const jsm = await nats.nc.jetstreamManager()
  await jsm.streams.delete('KV_snapshots').catch(() => {})
  return kvSnapshots(nats.nc.jetstream())
}
const actor = { type: 'worker', id: 'one' }

snapshotsContract('in memory', async () => memorySnapshots())
snapshotsContract('in NATS', fresh)

test.each([
  ['no JSON', '{"f":1,'],
  ['another format', JSON.stringify({ ...snapshotAt(1), f: 2 })],
  ['a part of one', JSON.stringify({ ...snapshotAt(1), ledger: {} })],
  ['bytes', Buffer.from([1, 2, 3])],
  ['half of something compressed', zstdCompressSync(JSON.stringify(snapshotAt(1))).subarray(0, 40)],
  ['something compressed that is larger than any state', zstdCompressSync(Buffer.alloc(80 * 2 ** 20, 32))],
  ['nothing', ''],
])('snapshots: %s in the bucket counts as none', async (_, value) => {
  const snapshots = await fresh()
  await snapshots.put(actor, snapshotAt(1))
  await (await nats.nc.jetstream().views.kv('snapshots')).put('worker.one', value)
  expect(await snapshots.get(actor)).toBeUndefined()
  await snapshots.put(actor, snapshotAt(2))
  expect((await snapshots.get(actor))?.n).toBe(2)
})

test('snapshots: one that does not fit, not even compressed, is said; the one before stays', async () => {
  const snapshots = await fresh()
  await snapshots.put(actor, snapshotAt(1))
  const random = snapshotAt(2, randomBytes(1_500_000).toString('base64'))
  await expect(snapshots.put(actor, random)).rejects.toThrow(Unstorable)
  expect((await snapshots.get(actor))?.n).toBe(1)
})
