import fc from 'fast-check'
import { headers, type JetStreamClient, type JetStreamManager, NatsError } from 'nats'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type KindStore, type ObjectStoreOptions, objectStore } from '../../src/adapters/jetstream/objects.ts'
import { readObjects } from '../../src/adapters/jetstream/objects-reader.ts'
import { DELETED, ensureObjectsStream, lastOn, metaIn } from '../../src/adapters/jetstream/objects-stream.ts'
import { objectsSum } from '../../src/adapters/jetstream/objects-sum.ts'
import { type Publish, publisher } from '../../src/adapters/jetstream/publish.ts'
import { written } from '../../src/adapters/kubernetes/records.ts'
import { kubernetesReads } from '../../src/adapters/kubernetes/reflector.ts'
import { catalogue, type Kind, pods } from '../../src/events/kinds.ts'
import type { KubernetesObject, Pod } from '../../src/events/kubernetes.ts'
import { subjects } from '../../src/events/subjects.ts'
import { type KindMeta, Superseded } from '../../src/ports.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'
import { json, line, list, pod as rawPod, scriptedApi } from './kubernetes/scripted-api.ts'

const CLUSTER = 'demo'
let nats: NatsForTest
let js: JetStreamClient
let jsm: JetStreamManager
let publish: Publish
beforeAll(async () => {
  nats = await natsForTest()
  js = nats.nc.jetstream({ timeout: 1_000 })
  jsm = await nats.nc.jetstreamManager({ timeout: 1_000 })
  publish = publisher(nats.nc, 1_000)
})
afterAll(() => nats[Symbol.asyncDispose]())
beforeEach(async () => {
  await jsm.streams.delete('OBJECTS').catch(() => {}) // the first test finds none
  await ensureObjectsStream(jsm, CLUSTER, 1)
})

const pod = (name: string, resourceVersion: string, uid = `uid-${name}`): Pod => ({
  kind: 'Pod',
  metadata: { namespace: 'default', name, uid, resourceVersion },
  spec: { containers: [] },
  status: { phase: 'Running' },
})
const subject = (name: string): string => subjects(CLUSTER).object(pods, 'default', name)
const open = (epoch: string, options: ObjectStoreOptions = {}): Promise<KindStore> =>
  objectStore(publish, js, jsm, CLUSTER, epoch, { metaMs: 60_000, ...options }).open({ kind: pods, version: 'v1' })
const listed = async (store: KindStore, version: string, pods: readonly Pod[]): Promise<void> => {
  await store.listing()
  await store.page(pods.map(written))
  await store.listed(version)
  await store.flush()
}

/** What a reader sees, until the test has seen enough. */
const reading = (kinds: readonly Kind[] = [pods]) => {
  const objects = new Map<string, string>()
  const metas: KindMeta[] = []
  const troubles: string[] = []
  const deleted: string[] = []
  const told: string[] = []
  const end = new AbortController()
  let isReady = false
  const done = readObjects(
    js,
    jsm,
    CLUSTER,
    kinds,
    {
      onObject: (_, { metadata, apiVersion }: KubernetesObject) => {
        objects.set(metadata.name, metadata.resourceVersion)
        told.push(`${metadata.name} ${apiVersion}`)
      },
      onDeleted: (_, __, name) => {
        deleted.push(name)
        objects.delete(name)
      },
      onReady: () => {
        isReady = true
      },
      onMeta: (_, meta) => void metas.push(meta),
      onTrouble: (reason) => void troubles.push(reason),
    },
    end.signal,
  )
  return {
    objects,
    metas,
    troubles,
    deleted,
    told,
    isReady: () => isReady,
    [Symbol.asyncDispose]: async () => {
      end.abort()
      await done
    },
  }
}
const kindNamed = (name: string): Kind => {
  const kind = catalogue().find((each) => each.name === name)
  if (!kind) throw new Error(`the catalogue has no ${name}`)
  return kind
}
const eventually = async (check: () => void): Promise<void> => {
  await vi.waitFor(check, { timeout: 5_000, interval: 10 })
}

test('objects: writes what is listed and changed, and resumes from the watermark', async () => {
  const store = await open('one')
  expect(store.watermark).toBeUndefined()
  await listed(store, '10', [pod('a', '1'), pod('b', '2')])
  await store.changed({ type: 'MODIFIED', object: pod('a', '11') }, '11')
  await store.changed({ type: 'DELETED', object: pod('b', '12') }, '12')
  await store.flush()
  await store.close()
  expect(store.meta()).toMatchObject({ epoch: 'one', state: 'streaming', resourceVersion: '12', count: 1 })
  const next = await open('two')
  expect(next.watermark).toBe('12')
  expect(next.meta()).toMatchObject({ epoch: 'two', state: 'stalled', count: 1, hash: store.meta().hash })
  await next.close()
})

test('objects: a second list rewrites nothing that is unchanged, and buries what is gone', async () => {
  const store = await open('one')
  await listed(store, '10', [pod('a', '1'), pod('b', '2'), pod('c', '3')])
  const before = await lastOn(jsm, subject('a'))
  await listed(store, '20', [pod('a', '1'), pod('c', '13')])
  expect((await lastOn(jsm, subject('a')))?.seq).toBe(before?.seq)
  const buried = await lastOn(jsm, subject('b'))
  expect([buried?.header?.get(DELETED), buried?.data.length]).toEqual(['1', 0])
  expect((await lastOn(jsm, subject('c')))?.json<Pod>().metadata.resourceVersion).toBe('13')
  expect(store.meta().count).toBe(2)
  await store.close()
})

test('objects: what the watch repeats after a resume does not bring an old version back', async () => {
  const store = await open('one')
  await listed(store, '10', [pod('a', '9', 'second')])
  await store.changed({ type: 'ADDED', object: pod('a', '3', 'first') }, '3')
  await store.changed({ type: 'DELETED', object: pod('a', '5', 'first') }, '5')
  await store.flush()
  expect((await lastOn(jsm, subject('a')))?.json<Pod>().metadata).toMatchObject({ uid: 'second', resourceVersion: '9' })
  await store.close()
})

test('objects: purges tombstones by sequence once they are old', async () => {
  let now = Date.now()
  const store = await open('one', { metaMs: 20, tombstoneMs: 3_600_000, now: () => now })
  await listed(store, '10', [pod('a', '1')])
  await store.changed({ type: 'DELETED', object: pod('a', '11') }, '11')
  await store.flush()
  now += 3_600_001
  await expect.poll(() => lastOn(jsm, subject('a')), { timeout: 5_000 }).toBeUndefined()
  await store.changed({ type: 'ADDED', object: pod('a', '12') }, '12')
  await store.flush()
  expect(store.meta().count).toBe(1)
  await store.close()
})

test('objects: an agent whose place was taken stops, and overwrites nothing', async () => {
  const zombie = await open('old')
  await listed(zombie, '10', [pod('a', '1')])
  const heir = await open('new')
  await heir.changed({ type: 'MODIFIED', object: pod('a', '12') }, '12')
  await heir.flush()
  await zombie.changed({ type: 'MODIFIED', object: pod('a', '11') }, '11')
  await expect(zombie.flush()).rejects.toBeInstanceOf(Superseded)
  expect(zombie.lost.reason).toBeInstanceOf(Superseded)
  expect(() => zombie.bookmark('13')).toThrow(/another agent/)
  expect((await lastOn(jsm, subject('a')))?.json<Pod>().metadata.resourceVersion).toBe('12')
  expect(metaIn((await lastOn(jsm, subjects(CLUSTER).meta(pods)))?.data ?? new Uint8Array())?.epoch).toBe('new')
  await heir.close()
})

test('objects: the owner writes again over the last words of a zombie', async () => {
  const store = await open('one')
  await listed(store, '10', [pod('a', '1')])
  await js.publish(subject('a'), JSON.stringify(pod('a', '11')))
  await store.changed({ type: 'MODIFIED', object: pod('a', '12') }, '12')
  await store.flush()
  expect((await lastOn(jsm, subject('a')))?.json<Pod>().metadata.resourceVersion).toBe('12')
  await store.close()
})

test('objects: a list buries what a zombie wrote after the claim', async () => {
  const store = await open('one')
  await js.publish(subject('ghost'), JSON.stringify(pod('ghost', '1')))
  await listed(store, '10', [pod('a', '1')])
  expect((await lastOn(jsm, subject('ghost')))?.header?.get(DELETED)).toBe('1')
  expect(store.meta().count).toBe(1)
  await store.close()
})

test('objects: a write of unknown outcome is looked up and not repeated', async () => {
  const landed: string[] = []
  const forgetful: Publish = async (place, payload, fence) => {
    const stored = await publish(place, payload, fence)
    if (!place.includes('.obj.')) return stored
    landed.push(place)
    throw new NatsError('TIMEOUT', 'TIMEOUT')
  }
  const store = await objectStore(forgetful, js, jsm, CLUSTER, 'one').open({ kind: pods, version: 'v1' })
  await listed(store, '10', [pod('a', '1'), pod('b', '2')])
  expect(landed.toSorted()).toEqual([subject('a'), subject('b')])
  expect(store.meta().count).toBe(2)
  await store.close()
})

test('objects: waits for a frozen server, and the newest version of each object wins', async () => {
  const impatient = nats.nc.jetstream({ timeout: 200 })
  const store = await objectStore(publisher(nats.nc, 200), impatient, jsm, CLUSTER, 'one').open({ kind: pods, version: 'v1' })
  await listed(store, '10', [pod('a', '1')])
  nats.freeze()
  for (let version = 11; version < 60; version++)
    await store.changed({ type: 'MODIFIED', object: pod('a', String(version)) }, String(version))
  await new Promise((resolve) => setTimeout(resolve, 600))
  nats.thaw()
  await store.flush()
  expect((await lastOn(jsm, subject('a')))?.json<Pod>().metadata.resourceVersion).toBe('59')
  expect(store.meta()).toMatchObject({ count: 1, resourceVersion: '59' })
  await store.close()
})

test('objects: writer and reader go on after the server was killed', async () => {
  const store = await objectStore(publisher(nats.nc, 200), js, jsm, CLUSTER, 'one').open({ kind: pods, version: 'v1' })
  await listed(store, '10', [pod('a', '1'), pod('b', '2')])
  await using reader = reading()
  await eventually(() => expect(reader.isReady()).toBe(true))
  const again = nats.crash()
  await store.changed({ type: 'MODIFIED', object: pod('a', '11') }, '11')
  await store.changed({ type: 'DELETED', object: pod('b', '12') }, '12')
  await again
  await store.flush()
  await vi.waitFor(() => expect(Object.fromEntries(reader.objects)).toEqual({ a: '11' }), { timeout: 10_000 })
  await store.close()
})

test('objects: a reader is ready when count and hash agree, and follows', async () => {
  const store = await open('one')
  await listed(store, '10', [pod('a', '1'), pod('b', '2')])
  await using reader = reading()
  await eventually(() => expect(reader.isReady()).toBe(true))
  expect([...reader.objects]).toEqual([
    ['a', '1'],
    ['b', '2'],
  ])
  await store.changed({ type: 'DELETED', object: pod('a', '11') }, '11')
  await store.stalled('gone')
  await eventually(() => expect(reader.metas.at(-1)?.state).toBe('stalled'))
  expect([...reader.objects.keys()]).toEqual(['b'])
  expect(reader.troubles).toEqual([])
  await store.close()
})

test('objects: a reader is not ready before the agent has said what there is', async () => {
  await using reader = reading()
  await js.publish(subject('a'), JSON.stringify(pod('a', '1')))
  await eventually(() => expect(reader.objects.size).toBe(1))
  expect(reader.isReady()).toBe(false)
  const store = await open('one')
  await eventually(() => expect(reader.isReady()).toBe(true))
  await store.close()
})

test('objects: a reader reports a lasting disagreement, and forgets what is no more', async () => {
  const store = await open('one')
  await listed(store, '10', [pod('a', '1'), pod('b', '2')])
  await using reader = reading()
  await eventually(() => expect(reader.isReady()).toBe(true))
  await js.publish(subject('b'), '', { headers: tombstone() })
  await store.flush()
  await store.flush()
  await eventually(() => expect(reader.troubles[0]).toMatch(/pods: the agent says 2 objects/))
  await store.changed({ type: 'MODIFIED', object: pod('b', '12') }, '12')
  await store.flush()
  await eventually(() => expect(reader.objects.get('b')).toBe('12'))
  await store.close()
})

test('objects: a reader names records that make no sense or hold another object', async () => {
  await using reader = reading()
  await js.publish(subject('a'), JSON.stringify(pod('b', '1')))
  await js.publish(subject('c'), '{"kind":"Pod"')
  await eventually(() => expect(reader.troubles).toHaveLength(2))
  expect(reader.troubles).toEqual([
    expect.stringContaining('holds another object: default/b'),
    expect.stringContaining('is no pods'),
  ])
  expect(reader.objects.size).toBe(0)
})

test('objects: the sum does not depend on the order', () => {
  const versions = fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 30 })
  fc.assert(
    fc.property(versions, versions, (kept, gone) => {
      const [one, two] = [objectsSum(), objectsSum()]
      for (const [uid, version] of [...gone, ...kept]) one.add(uid, version)
      for (const [uid, version] of gone) one.remove(uid, version)
      for (const [uid, version] of kept.toReversed()) two.add(uid, version)
      expect([one.count(), one.hash()]).toEqual([two.count(), two.hash()])
    }),
  )
})

type Step = { readonly act: 'put' | 'delete' | 'relist' | 'reopen'; readonly name: string }
const step = fc.record({
  act: fc.constantFrom<Step['act']>('put', 'put', 'put', 'delete', 'relist', 'reopen'),
  name: fc.constantFrom('a', 'b', 'c', 'd.e', 'f_g'),
})

test('objects: any sequence of changes ends as the set that the cluster has', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      await jsm.streams.purge('OBJECTS')
      const model = new Map<string, Pod>()
      let [version, epoch] = [100, 0]
      let store = await open(`e${epoch}`)
      await listed(store, String(version), [])
      await using reader = reading()
      for (const { act, name } of steps) {
        version += 1
        const object = pod(name, String(version))
        if (act === 'put') {
          model.set(name, object)
          await store.changed({ type: 'MODIFIED', object }, String(version))
        } else if (act === 'delete' && model.delete(name)) await store.changed({ type: 'DELETED', object }, String(version))
        else if (act === 'relist') await listed(store, String(version), [...model.values()])
        else if (act === 'reopen') {
          await store.close()
          store = await open(`e${++epoch}`)
          await listed(store, String(version), [...model.values()])
        }
      }
      await store.flush()
      const expected = [...model].map(([name, { metadata }]) => [name, metadata.resourceVersion]).toSorted()
      await eventually(() => expect([...reader.objects].toSorted()).toEqual(expected))
      await eventually(() => expect(reader.isReady()).toBe(true))
      await eventually(() => expect(reader.metas.at(-1)).toMatchObject({ count: model.size, hash: store.meta().hash }))
      expect(reader.troubles).toEqual([])
      await store.close()
    }),
    { numRuns: 12 },
  )
})

test('objects: a reflector writes to the store as it is', async () => {
  await using api = await scriptedApi((request, response) => {
    if (request.at.searchParams.get('watch') !== 'true')
      return json(response, 200, list('5', [rawPod('a', '1'), rawPod('b', '2')]))
    response.writeHead(200)
    response.write(line('MODIFIED', rawPod('b', '6')) + line('ADDED', rawPod('c', '7')))
  })
  const store = await open('one')
  const end = new AbortController()
  const reflection = kubernetesReads(api.client).reflect({ kind: pods, version: 'v1' }, store.watermark, store, end.signal)
  await using reader = reading()
  await eventually(() => expect(Object.fromEntries(reader.objects)).toEqual({ a: '1', b: '6', c: '7' }))
  await store.flush()
  await eventually(() => expect(reader.metas.at(-1)).toMatchObject({ state: 'streaming', resourceVersion: '7', count: 3 }))
  end.abort()
  await reflection
  await store.close()
})

const tombstone = () => {
  const deleted = headers()
  deleted.set(DELETED, '1')
  return deleted
}

const nodePool = (name: string, resourceVersion: string, version: string) => ({
  kind: 'NodePool',
  apiVersion: `karpenter.sh/${version}`,
  metadata: { name, uid: `uid-${name}`, resourceVersion },
})
const nodePools = kindNamed('nodepools.karpenter.sh')

test('objects: a kind that is forbidden keeps its records, marked, and goes on from where it was', async () => {
  const store = await open('one')
  await listed(store, '10', [pod('a', '1')])
  await using reader = reading()
  await eventually(() => expect(reader.isReady()).toBe(true))
  await store.unavailable('no power to list pods', false)
  await eventually(() => expect(reader.metas.at(-1)).toMatchObject({ state: 'unavailable', reason: 'no power to list pods' }))
  expect([...reader.objects.keys()]).toEqual(['a'])
  await store.close()
  const later = await open('two')
  expect(later.watermark).toBe('10')
  await later.bookmark('11')
  await later.flush()
  await eventually(() => expect(reader.metas.at(-1)).toMatchObject({ state: 'streaming', epoch: 'two' }))
  expect(reader.metas.at(-1)).not.toHaveProperty('reason')
  await later.close()
})

test('objects: a kind that is gone is emptied, what a zombie wrote too', async () => {
  const store = await open('one')
  await listed(store, '10', [pod('a', '1'), pod('b', '2')])
  await js.publish(subject('ghost'), JSON.stringify(pod('ghost', '1')))
  await store.unavailable('the API serves no pods', true)
  await using reader = reading()
  await eventually(() => expect(reader.metas.at(-1)).toMatchObject({ state: 'unavailable', count: 0, resourceVersion: '' }))
  expect(reader.objects.size).toBe(0)
  expect((await lastOn(jsm, subject('ghost')))?.header?.get(DELETED)).toBe('1')
  await store.close()
})

test('objects: at another version of its group every record is written anew, once', async () => {
  const at = (version: string, epoch: string) =>
    objectStore(publish, js, jsm, CLUSTER, epoch, { metaMs: 60_000 }).open({ kind: nodePools, version })
  const place = subjects(CLUSTER).object(nodePools, undefined, 'general')
  const relist = async (store: KindStore, version: string): Promise<void> => {
    await store.listing()
    await store.page([written(nodePool('general', '1', version))])
    await store.listed('10')
    await store.flush()
  }
  const old = await at('v1beta1', 'one')
  await relist(old, 'v1beta1')
  await old.close()
  await using reader = reading([nodePools])
  await eventually(() => expect(reader.isReady()).toBe(true))
  const store = await at('v1', 'two')
  expect(store.watermark).toBeUndefined()
  await relist(store, 'v1')
  const first = await lastOn(jsm, place)
  expect(first?.json<{ apiVersion: string }>().apiVersion).toBe('karpenter.sh/v1')
  await relist(store, 'v1')
  expect((await lastOn(jsm, place))?.seq).toBe(first?.seq)
  await eventually(() => expect(reader.told).toEqual(['general karpenter.sh/v1beta1', 'general karpenter.sh/v1']))
  expect(reader.troubles).toEqual([])
  await store.close()
  const next = await at('v1', 'three')
  expect(next.watermark).toBe('10')
  await next.close()
})

test('objects: kinds limited to a namespace are read apart, and one reader follows several', async () => {
  const [first, second] = catalogue({ configMapNamespaces: ['kube-system', 'web'] }).filter(
    ({ resource }) => resource === 'configmaps',
  )
  if (!first || !second) throw new Error('the catalogue has no ConfigMaps')
  const map = (namespace: string, name: string) => ({
    kind: 'ConfigMap',
    metadata: { namespace, name, uid: `uid-${name}`, resourceVersion: '1' },
  })
  const stores = await Promise.all(
    [first, second].map((kind) =>
      objectStore(publish, js, jsm, CLUSTER, 'one', { metaMs: 60_000 }).open({ kind, version: 'v1' }),
    ),
  )
  for (const [index, store] of stores.entries()) {
    await store.listing()
    await store.page([written(map(index === 0 ? 'kube-system' : 'web', `m${index}`))])
    await store.listed('10')
    await store.flush()
  }
  await using reader = reading([first, second])
  await eventually(() => expect(reader.isReady()).toBe(true))
  expect([...reader.objects.keys()].toSorted()).toEqual(['m0', 'm1'])
  await stores[0]?.listing()
  await stores[0]?.listed('11')
  await stores[0]?.flush()
  await eventually(() => expect([...reader.objects.keys()]).toEqual(['m1']))
  await Promise.all(stores.map((store) => store.close()))
})
