import { afterAll, beforeAll, expect, test } from 'vitest'
import { objectArchive } from '../../src/adapters/jetstream/archive.ts'
import { Corrupt } from '../../src/runtime/journal.ts'
import { memoryArchive } from '../../src/runtime/testing/memory-archive.ts'
import { archiveContract, archivedOf, chapterOf } from '../contracts/archive.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'

const STREAM = 'OBJ_archive'
let nats: NatsForTest
beforeAll(async () => {
  nats = await natsForTest()
})
afterAll(() => nats.cleanup())

const fresh = async () => {
  const { nc } = nats
  const jsm = await nc.jetstreamManager()
  for (const stream of [STREAM, 'KV_archive-index']) await jsm.streams.delete(stream).catch(() => {})
  const js = nc.jetstream()
  const archive = await objectArchive(nc, js, jsm)
  return { nc, js, jsm, archive, store: await js.views.os('archive'), index: await js.views.kv('archive-index') }
}
const actor = { type: 'worker', id: 'one' }

archiveContract('in memory', async () => memoryArchive())
archiveContract('in NATS', async () => (await fresh()).archive)

test('archive: the same written again, after a crash, takes no more room', async () => {
  const { archive, jsm } = await fresh()
  await archive.write([chapterOf('one', 1, 500)])
  const before = await jsm.streams.info(STREAM)
  await archive.write([chapterOf('one', 1, 500)])
  expect((await jsm.streams.info(STREAM)).state.bytes).toBe(before.state.bytes)
})

test('archive: a segment of many messages is read in order', async () => {
  const { archive, store } = await fresh()
  const long = chapterOf('one', 1, 20_000)
  await archive.write([long])
  expect((await store.list())[0]?.chunks).toBeGreaterThan(2)
  const read = await archivedOf(archive, actor)
  expect(read.map(({ commit }) => commit.nonce)).toEqual(long.commits.map(({ commit }) => commit.nonce))
})

test('archive: a part that is lost is said by name, not passed over; written again it is whole', async () => {
  const { archive, jsm } = await fresh()
  await archive.write([chapterOf('one', 1, 20_000)])
  const { seq } = await jsm.streams.getMessage(STREAM, { next_by_subj: '$O.archive.C.>', seq: 1 } as never)
  await jsm.streams.deleteMessage(STREAM, seq)
  await expect(archivedOf(archive, actor)).rejects.toThrow(/archive worker-1-[0-9a-f]+: a part of the object is lost; restore/)
  await archive.write([chapterOf('one', 1, 20_000)])
  expect(await archivedOf(archive, actor)).toHaveLength(20_000)
})

test('archive: bytes that were changed are said by name', async () => {
  const { archive, store, index } = await fresh()
  await archive.write([chapterOf('one', 1, 3)])
  const [info] = await store.list()
  if (!info) throw new Error('there is no segment')
  const data = await store.getBlob(info.name)
  const changed = Buffer.from(data ?? [])
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
  await store.putBlob({ name: info.name, metadata: info.metadata ?? {} }, changed)
  await expect(archivedOf(archive, actor)).rejects.toThrow(Corrupt)
  await store.putBlob({ name: info.name, metadata: info.metadata ?? {} }, data)
  expect(await archivedOf(archive, actor)).toHaveLength(3)
  await index.put(info.name, JSON.stringify({ ...info.metadata, sha256: '0'.repeat(64) }))
  await expect(archivedOf(archive, actor)).rejects.toThrow(/its checksum does not fit/)
})

test('archive: a segment that is gone is said by name; a lost index is made again', async () => {
  const { nc, js, jsm, archive, store } = await fresh()
  await archive.write([chapterOf('one', 1, 3)])
  await jsm.streams.delete('KV_archive-index')
  const again = await objectArchive(nc, js, jsm)
  expect(await archivedOf(again, actor)).toHaveLength(3)
  for (const { name } of await store.list()) await store.delete(name)
  await expect(archivedOf(again, actor)).rejects.toThrow(/archive worker-1-[0-9a-f]+: the object is gone; restore/)
})

test('archive: an object of another format is said by name, with the remedy', async () => {
  const { archive, index } = await fresh()
  await index.put('notes', 'hello')
  await expect(archivedOf(archive, actor)).rejects.toThrow(/archive-index notes: no segment of format 1; .*remove it/)
})

test('archive: without an answer nothing is archived', async () => {
  const { nc } = nats
  const { js, jsm } = await fresh()
  const short = nc.jetstream({ timeout: 200 })
  const archive = await objectArchive(nc, short, jsm)
  await jsm.streams.delete(STREAM)
  await expect(archive.write([chapterOf('one', 1, 1)])).rejects.toThrow(/OBJ_archive|archive/)
  await objectArchive(nc, js, jsm)
  await archive.write([chapterOf('one', 1, 1)])
  expect(await archivedOf(archive, actor)).toHaveLength(1)
})
