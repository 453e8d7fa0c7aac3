import type { JetStreamClient, JetStreamManager } from 'nats'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type KindStore, type Latency, type ObjectStoreOptions, objectStore } from '../../src/adapters/jetstream/objects.ts'
import { ensureObjectsStream } from '../../src/adapters/jetstream/objects-stream.ts'
import { publisher } from '../../src/adapters/jetstream/publish.ts'
import { written } from '../../src/adapters/kubernetes/records.ts'
import { pods } from '../../src/events/kinds.ts'
import type { Pod } from '../../src/events/kubernetes.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'

const CLUSTER = 'demo'
const AT = Date.UTC(2026, 0, 1, 12)
let nats: NatsForTest
let js: JetStreamClient
let jsm: JetStreamManager
beforeAll(async () => {
  nats = await natsForTest()
  js = nats.nc.jetstream()
  jsm = await nats.nc.jetstreamManager()
})
afterAll(() => nats[Symbol.asyncDispose]())
beforeEach(async () => {
  await jsm.streams.delete('OBJECTS').catch(() => {}) // the first test finds none
  await ensureObjectsStream(jsm, CLUSTER, 1)
})

const pod = (name: string, resourceVersion: string, creationTimestamp?: string): Pod => ({
  kind: 'Pod',
  metadata: { namespace: 'default', name, uid: `uid-${name}`, resourceVersion, creationTimestamp },
  spec: { containers: [] },
  status: { phase: 'Running' },
})

/** A store that has listed nothing, and changes to it. */
const opened = async (options: ObjectStoreOptions): Promise<KindStore> => {
  const store = await objectStore(publisher(nats.nc, 1_000), js, jsm, CLUSTER, 'a', { metaMs: 60_000, ...options }).open({
    kind: pods,
    version: 'v1',
  })
  await store.listing()
  await store.listed('1')
  await store.flush()
  return store
}

test('waiting: short of memory a watch waits until its versions are written, and none of them is lost', async () => {
  let most = 4_096
  const store = await opened({ mostWaiting: () => most })
  const change = (version: string) => store.changed({ type: 'MODIFIED', object: pod('a', version) }, version)
  expect([change('2'), change('3')]).toEqual([undefined, undefined])
  expect(store.waiting()).toBe(1)
  most = 1
  await change('4')
  expect(store.waiting()).toBe(0)
  await store.flush()
  expect(store.meta()).toMatchObject({ count: 1, resourceVersion: '4' })
  await store.close()
})

test('waiting: a change says how long it took since it was heard, and a new object since it was made', async () => {
  const heard: Latency[] = []
  let now = AT
  const store = await opened({ now: () => now, onStored: (_, latency) => void heard.push(latency) })
  await store.changed({ type: 'ADDED', object: pod('a', '2', new Date(AT - 1_500).toISOString()) }, '2')
  now = AT + 40
  await store.flush()
  await store.changed({ type: 'MODIFIED', object: pod('a', '3', new Date(AT - 1_500).toISOString()) }, '3')
  await store.changed({ type: 'ADDED', object: pod('b', '4', 'not a time') }, '4')
  await store.flush()
  await store.changed({ type: 'DELETED', object: pod('b', '5') }, '5')
  await store.flush()
  expect(heard).toEqual([
    { sinceHeard: 40, sinceCreated: 1_540 },
    { sinceHeard: 0, sinceCreated: undefined },
    { sinceHeard: 0, sinceCreated: undefined },
    { sinceHeard: 0, sinceCreated: undefined },
  ])
  await store.close()
})

test('waiting: what is listed is no change, and says nothing of how long it took', async () => {
  const heard: Latency[] = []
  const store = await opened({ onStored: (_, latency) => void heard.push(latency) })
  await store.listing()
  await store.page([pod('a', '2'), pod('b', '3')].map(written))
  await store.listed('3')
  await store.flush()
  expect([heard, store.meta().count]).toEqual([[], 2])
  await store.close()
})
