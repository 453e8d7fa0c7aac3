import { headers, type JetStreamClient, type JetStreamManager, NatsError } from 'nats'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type KindStore, objectStore } from '../../src/adapters/jetstream/objects.ts'
import { ensureObjectsStream, lastOn } from '../../src/adapters/jetstream/objects-stream.ts'
import { type Publish, publisher } from '../../src/adapters/jetstream/publish.ts'
import { written } from '../../src/adapters/kubernetes/records.ts'
import { pods } from '../../src/events/kinds.ts'
import type { Pod } from '../../src/events/kubernetes.ts'
import { subjects } from '../../src/events/subjects.ts'
import { Superseded } from '../../src/ports.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'

const CLUSTER = 'demo'
/** Two batches and some. */
const COUNT = 2_300
let nats: NatsForTest
let js: JetStreamClient
let jsm: JetStreamManager
let publish: Publish
beforeAll(async () => {
  nats = await natsForTest()
  js = nats.nc.jetstream({ timeout: 5_000 })
  jsm = await nats.nc.jetstreamManager({ timeout: 5_000 })
  publish = publisher(nats.nc, 5_000)
})
afterAll(() => nats[Symbol.asyncDispose]())
beforeEach(async () => {
  await jsm.streams.delete('OBJECTS').catch(() => {}) // the first test finds none
  await ensureObjectsStream(jsm, CLUSTER, 1)
})

const pod = (index: number, resourceVersion: string): Pod => ({
  kind: 'Pod',
  metadata: { namespace: 'default', name: `p${index}`, uid: `u${index}`, resourceVersion },
  spec: { containers: [] },
  status: { phase: 'Running' },
})
const subject = (index: number): string => subjects(CLUSTER).object(pods, 'default', `p${index}`)
const open = (epoch: string, by = publish): Promise<KindStore> =>
  objectStore(by, js, jsm, CLUSTER, epoch, { metaMs: 60_000 }).open({ kind: pods, version: 'v1' })
const listed = async (store: KindStore, resourceVersion: string): Promise<void> => {
  await store.listing()
  await store.page(Array.from({ length: COUNT }, (_, index) => written(pod(index, resourceVersion))))
  await store.listed(resourceVersion)
  await store.flush()
}
const last = (index: number) => lastOn(jsm, subject(index))
/** By the version of the pods, how many there are; each pod has one record. */
const held = async (): Promise<Readonly<Record<string, number>>> => {
  const counts: Record<string, number> = {}
  for (let index = 0; index < COUNT; index++) {
    const version = (await last(index))?.json<Pod>().metadata.resourceVersion ?? 'none'
    counts[version] = (counts[version] ?? 0) + 1
  }
  return counts
}
const writes = async (): Promise<number> => (await jsm.streams.info('OBJECTS')).state.last_seq
/** A publisher whose batches fare otherwise. */
const batchesBy =
  (change: (...batch: Required<Parameters<Publish>>) => ReturnType<Publish>): Publish =>
  (place, payload, fence, before) =>
    before === undefined ? publish(place, payload, fence) : change(place, payload, fence, before)

test('batches: a list is written in few of them, and every sequence is the one that the next write must follow', async () => {
  let batches = 0
  const counting = batchesBy((...batch) => {
    batches += 1
    return publish(...batch)
  })
  const store = await open('one', counting)
  await listed(store, '10')
  expect(batches).toBe(2)
  expect(store.meta()).toMatchObject({ count: COUNT, resourceVersion: '10' })
  expect(await held()).toEqual({ 10: COUNT })
  const before = await writes()
  for (const index of [0, 999, 1_000, 1_999, 2_000, 2_299])
    await store.changed({ type: 'MODIFIED', object: pod(index, '11') }, '11')
  await listed(store, '12')
  // Without a conflict: nothing was written twice, and the records of the meta are two or three.
  expect((await writes()) - before).toBeLessThanOrEqual(6 + COUNT + 3)
  expect(await held()).toEqual({ 12: COUNT })
  const { hash } = store.meta()
  await store.close()
  const next = await open('two')
  expect(next.watermark).toBe('12')
  expect(next.meta()).toMatchObject({ count: COUNT, hash })
  await next.close()
})

test('batches: one conflict holds up none but its own record, which the owner writes again', async () => {
  const store = await open('one')
  await js.publish(subject(7), JSON.stringify(pod(7, '3')))
  await listed(store, '10')
  expect(await held()).toEqual({ 10: COUNT })
  expect((await last(7))?.header?.get('Nats-Batch-Id')).toBe('')
  expect((await last(1_007))?.header?.get('Nats-Batch-Id')).not.toBe('')
  await store.close()
})

test('batches: whoever is not the owner any more writes no record over that of the heir', async () => {
  const zombie = await open('old')
  const heir = await open('new')
  await listed(heir, '20')
  await expect(listed(zombie, '10')).rejects.toBeInstanceOf(Superseded)
  await zombie.close()
  expect(await held()).toEqual({ 20: COUNT })
  await heir.close()
})

test('batches: one of unknown outcome is looked up and not repeated', async () => {
  const forgetful = batchesBy(async (...batch) => {
    await publish(...batch)
    throw new NatsError('TIMEOUT', 'TIMEOUT')
  })
  const store = await open('one', forgetful)
  await listed(store, '10')
  expect(await held()).toEqual({ 10: COUNT })
  expect((await last(0))?.header?.get('Nats-Batch-Sequence')).toBe('1') // as the batch wrote it
  expect(await writes()).toBeLessThanOrEqual(COUNT + 3)
  await store.close()
})

test('batches: what the server did not get whole is stored in no part, and then record by record', async () => {
  const lossy = batchesBy((place, payload, fence, before) => publish(place, payload, fence, before.toSpliced(5, 1)))
  const store = await open('one', lossy)
  await listed(store, '10')
  expect(await held()).toEqual({ 10: COUNT })
  expect((await last(0))?.header?.get('Nats-Batch-Id') ?? '').toBe('')
  await store.close()
})

test('batches: an answer that is not that of the whole batch is not believed', async () => {
  const alone = batchesBy((place, payload) => publish(place, payload, headers()))
  const store = await open('one', alone)
  await listed(store, '10')
  expect(await held()).toEqual({ 10: COUNT })
  expect(store.meta().count).toBe(COUNT)
  await store.close()
})

test('batches: a stream of before is changed to take them', async () => {
  await jsm.streams.delete('OBJECTS')
  await jsm.streams.add({
    name: 'OBJECTS',
    subjects: [`qm.${CLUSTER}.obj.>`, `qm.${CLUSTER}.meta.>`],
    max_msgs_per_subject: 1,
    allow_direct: true,
  })
  await js.publish(subject(1), JSON.stringify(pod(1, '1')))
  await ensureObjectsStream(jsm, CLUSTER, 1)
  expect((await jsm.streams.info('OBJECTS')).config).toMatchObject({ allow_atomic: true })
  expect((await last(1))?.seq).toBe(1)
})
