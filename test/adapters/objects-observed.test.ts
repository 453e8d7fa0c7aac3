import { expect, test } from 'vitest'
import type { KindStore, ObjectStore } from '../../src/adapters/jetstream/objects.ts'
import { observedObjects } from '../../src/adapters/jetstream/objects-observed.ts'
import { written } from '../../src/adapters/kubernetes/records.ts'
import { pods } from '../../src/events/kinds.ts'
import type { Pod } from '../../src/events/kubernetes.ts'
import { Superseded } from '../../src/ports.ts'

const pod: Pod = {
  kind: 'Pod',
  metadata: { namespace: 'default', name: 'a', uid: 'u', resourceVersion: '1' },
  spec: { containers: [] },
  status: { phase: 'Running' },
}

/** A store in memory that keeps a page until it is let go. */
const memory = () => {
  let now = 1_000
  const said: string[] = []
  const pages: (() => void)[] = []
  const say = (what: string) => (): void => void said.push(what)
  const store: KindStore = {
    watermark: undefined,
    lost: new AbortController().signal,
    meta: () => ({ epoch: 'e', state: 'listing', resourceVersion: '', observedAt: 0, count: 3, hash: '' }),
    waiting: () => 2,
    malformedCount: () => 4,
    flush: async () => {},
    unavailable: async () => say('unavailable')(),
    close: async () => say('close')(),
    listing: say('listing'),
    page: () => new Promise((resolve) => pages.push(resolve)),
    listed: say('listed'),
    changed: say('changed'),
    bookmark: say('bookmark'),
    stalled: say('stalled'),
    recovered: say('recovered'),
    malformed: say('malformed'),
  }
  const lists: string[] = []
  const objects: ObjectStore = { open: async () => store }
  const observed = observedObjects(
    objects,
    (kind, ms) => lists.push(`${kind} ${ms}`),
    () => now,
  )
  const pass = (ms: number): void => {
    now += ms
  }
  return { observed, objects, said, pages, lists, pass, reading: () => observed.readings()[0] }
}

test('observed: everything reaches the store, and says how far the reading is', async () => {
  const { observed, said, lists, pass, reading } = memory()
  const store = await observed.open({ kind: pods, version: 'v1' })
  expect(reading()).toMatchObject({ kind: 'pods', state: 'listing' })
  await store.listing()
  pass(250)
  await store.listed('1')
  expect([reading()?.state, lists]).toEqual(['streaming', ['pods 250']])
  await store.changed({ type: 'ADDED', object: pod }, '2')
  await store.changed({ type: 'DELETED', object: pod }, '3')
  await store.bookmark('4')
  pass(5)
  await store.malformed('a line')
  expect(reading()).toMatchObject({ events: { ADDED: 1, MODIFIED: 0, DELETED: 1, BOOKMARK: 1 }, lists: 1, heardAt: 1_255 })
  expect(said).toEqual(['listing', 'listed', 'changed', 'changed', 'bookmark', 'malformed'])
})

test('observed: a stall counts once however often it is said, and keeps its reason', async () => {
  const { observed, reading } = memory()
  const store = await observed.open({ kind: pods, version: 'v1' })
  await store.stalled('503')
  await store.stalled('504')
  expect(reading()).toMatchObject({ state: 'stalled', reason: '504', stalls: 1 })
  await store.recovered()
  await store.stalled('503')
  expect(reading()).toMatchObject({ stalls: 2 })
})

test('observed: what the reader waits for is told apart from silence, and added up', async () => {
  const { observed, pages, pass, reading } = memory()
  const store = await observed.open({ kind: pods, version: 'v1' })
  const told = store.page([written(pod)])
  pass(400)
  expect(reading()).toMatchObject({ held: 1, heldMs: 0, heardAt: 1_000 })
  pages.shift()?.()
  await told
  expect(reading()).toMatchObject({ held: 0, heldMs: 400, heardAt: 1_400 })
})

test('observed: what was counted outlives the store', async () => {
  const { observed, reading } = memory()
  const first = await observed.open({ kind: pods, version: 'v1' })
  await first.changed({ type: 'ADDED', object: pod }, '2')
  await first.close()
  expect(reading()).toMatchObject({ state: 'closed', store: undefined, malformed: 4 })
  const second = await observed.open({ kind: pods, version: 'v1' })
  await second.changed({ type: 'ADDED', object: pod }, '3')
  expect(observed.readings()).toHaveLength(1)
  expect(reading()).toMatchObject({ state: 'streaming', events: { ADDED: 2 }, malformed: 4 })
})

test('observed: a store that does not open is not read', async () => {
  const { observed, objects, reading } = memory()
  Object.assign(objects, { open: () => Promise.reject(new Superseded('another agent')) })
  await expect(observed.open({ kind: pods, version: 'v1' })).rejects.toThrow('another agent')
  expect(reading()?.state).toBe('closed')
})
