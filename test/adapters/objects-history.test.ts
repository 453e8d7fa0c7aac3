import { setTimeout as sleep } from 'node:timers/promises'
import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { headers, type JetStreamClient, type JetStreamManager } from 'nats'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type HistoryOptions, isFrameDue, recordHistory } from '../../src/adapters/jetstream/objects-history.ts'
import { packBlock, parts, unpackBlock } from '../../src/adapters/jetstream/objects-history-block.ts'
import { kindsThen } from '../../src/adapters/jetstream/objects-history-kinds.ts'
import { NotKept, pictureAt } from '../../src/adapters/jetstream/objects-history-picture.ts'
import { ensureHistoryStream, historyOn, marksIn } from '../../src/adapters/jetstream/objects-history-stream.ts'
import { DELETED, ensureObjectsStream } from '../../src/adapters/jetstream/objects-stream.ts'
import { objectsSum } from '../../src/adapters/jetstream/objects-sum.ts'
import { subjects } from '../../src/events/subjects.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'

const CLUSTER = 'demo'
let nats: NatsForTest
let js: JetStreamClient
let jsm: JetStreamManager
beforeAll(async () => {
  nats = await natsForTest()
  js = nats.nc.jetstream({ timeout: 2_000 })
  jsm = await nats.nc.jetstreamManager({ timeout: 2_000 })
})
afterAll(() => nats[Symbol.asyncDispose]())
beforeEach(async () => {
  for (const name of ['OBJECTS', 'HISTORY']) await jsm.streams.delete(name).catch(() => {}) // the first test finds none
  await ensureObjectsStream(jsm, CLUSTER, 1)
  await ensureHistoryStream(jsm, CLUSTER, 1, 2 ** 30)
})

/** Writes to OBJECTS as an agent does, and remembers what was there at which time. */
const cluster = () => {
  const now = new Map<string, Map<string, string>>()
  const then: { readonly at: number; readonly whole: Readonly<Record<string, Readonly<Record<string, string>>>> }[] = []
  let version = 0
  const tokens = (kind: string): string =>
    kind.includes('.')
      ? kind.replace(/^(\w+)\.(.+)$/, (_, resource, group) => `${group.replaceAll('.', '_')}.${resource}`)
      : `core.${kind}`
  const remember = async (): Promise<void> => {
    const { time } = await jsm.streams.getMessage('OBJECTS', { last_by_subj: '>' })
    then.push({ at: time.getTime(), whole: Object.fromEntries([...now].map(([kind, its]) => [kind, Object.fromEntries(its)])) })
    await sleep(3) // so that no two have one time
  }
  return {
    then,
    whole: () => then.at(-1)?.whole ?? {},
    put: async (kind: string, name: string): Promise<void> => {
      const resourceVersion = `${++version}`
      now.set(kind, (now.get(kind) ?? new Map()).set(name, resourceVersion))
      const object = { kind, metadata: { name, namespace: 'default', uid: `uid-${name}`, resourceVersion } }
      await js.publish(`qm.${CLUSTER}.obj.${tokens(kind)}.default.${name}`, JSON.stringify(object))
      await remember()
    },
    remove: async (kind: string, name: string): Promise<void> => {
      const deleted = headers()
      deleted.set(DELETED, '1')
      now.get(kind)?.delete(name)
      await js.publish(`qm.${CLUSTER}.obj.${tokens(kind)}.default.${name}`, new Uint8Array(0), { headers: deleted })
      await remember()
    },
    count: async (kind: string): Promise<void> => {
      const sum = objectsSum()
      for (const [name, resourceVersion] of now.get(kind) ?? []) sum.add(`uid-${name}`, resourceVersion)
      const meta = { epoch: 'one', state: 'streaming', resourceVersion: `${version}`, observedAt: Date.now() }
      await js.publish(`qm.${CLUSTER}.meta.${tokens(kind)}`, JSON.stringify({ ...meta, count: sum.count(), hash: sum.hash() }))
      await sleep(3)
    },
  }
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
let ids = 0
const recording = (options: HistoryOptions = {}) => {
  const end = new AbortController()
  const said: string[] = []
  const log = { ...silent, warn: (fields: object) => void said.push(JSON.stringify(fields)) }
  const wanted = { gatherMs: 20, idleMs: 20, pauseMs: 0, ...options }
  const { ended } = recordHistory(
    { nc: nats.nc, js, jsm, cluster: CLUSTER, log, newId: () => `${++ids}`, options: wanted },
    end.signal,
  )
  const stop = async (): Promise<void> => {
    end.abort()
    await ended
  }
  return { said, stop, [Symbol.asyncDispose]: stop }
}

/** What the history says there was, by kind and name: the resourceVersion. */
const readAt = async (time: number) => {
  const picture = await pictureAt(nats.nc, jsm, CLUSTER, time)
  const found: Record<string, Record<string, string>> = {}
  for (const { kind, version, isThen } of (await Array.fromAsync(picture.seen())).flat())
    if (isThen && version.subject.startsWith('obj.')) {
      const { name, resourceVersion } = (
        JSON.parse(Buffer.from(version.payload).toString()) as { metadata: { name: string; resourceVersion: string } }
      ).metadata
      expect(found[kind]?.[name]).toBeUndefined()
      found[kind] = { ...found[kind], [name]: resourceVersion }
    }
  return { picture, found }
}
const filled = (whole: object): object =>
  Object.fromEntries(Object.entries(whole).filter(([, its]) => Object.keys(its).length > 0))
const recorded = async (until: number): Promise<void> => {
  await expect
    .poll(async () => (await pictureAt(nats.nc, jsm, CLUSTER, Date.now() + 1_000).catch(() => undefined))?.until, {
      timeout: 10_000,
    })
    .toBeGreaterThanOrEqual(until)
}

test('history: at every moment of a random life the cluster is what it was, over key frames and restarts', {
  timeout: 120_000,
}, async () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        what: fc.constant('put' as const),
        kind: fc.constantFrom('pods', 'widgets.example.com'),
        name: fc.constantFrom('a', 'b', 'c', 'd'),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        what: fc.constant('remove' as const),
        kind: fc.constantFrom('pods', 'widgets.example.com'),
        name: fc.constantFrom('a', 'b', 'c', 'd'),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        what: fc.constant('count' as const),
        kind: fc.constantFrom('pods', 'widgets.example.com'),
        name: fc.constant(''),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ what: 'restart' as const, kind: '', name: '' }) },
    { weight: 1, arbitrary: fc.constant({ what: 'wait' as const, kind: '', name: '' }) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      for (const name of ['OBJECTS', 'HISTORY']) await jsm.streams.purge(name)
      const { then, put, remove, count } = cluster()
      let recorder = recording({ frameMs: 50 })
      await expect.poll(async () => (await marksIn(nats.nc, CLUSTER)).length).toBeGreaterThan(0)
      for (const { what, kind, name } of steps) {
        if (what === 'put') await put(kind, name)
        else if (what === 'remove') await remove(kind, name)
        else if (what === 'count') await count(kind)
        else if (what === 'wait') await sleep(60)
        else {
          await sleep(30) // what is overwritten while nobody records is not kept
          await recorder.stop()
          recorder = recording({ frameMs: 50 })
          await sleep(30)
        }
      }
      await put('pods', 'last')
      await recorded(then.at(-1)?.at ?? 0)
      await recorder.stop()
      for (const { at, whole } of then) expect(filled((await readAt(at)).found)).toEqual(filled(whole))
    }),
    { numRuns: 12 },
  )
})

test('history: says how old each kind is, whether it is whole, and what is not kept', async () => {
  const before = Date.now()
  await sleep(5)
  await using recorder = recording()
  await expect.poll(async () => (await marksIn(nats.nc, CLUSTER)).length).toBe(1)
  const { then, put, count } = cluster()
  await put('pods', 'a')
  await put('deployments.apps', 'web')
  await count('pods')
  await put('pods', 'b')
  const at = then.at(-1)?.at ?? 0
  await recorded(at)
  const kinds = await kindsThen((await readAt(at)).picture)
  expect(kinds).toMatchObject([
    { kind: 'deployments.apps', count: 1, agrees: false },
    { kind: 'pods', count: 2, agrees: true, said: { state: 'streaming', count: 1 } },
  ])
  expect(kinds[0]?.said).toBeUndefined()
  await expect(readAt(before)).rejects.toThrow(/is not kept: its history begins at \d{4}-/)
  await expect(readAt(before)).rejects.toBeInstanceOf(NotKept)
  expect(recorder.said).toEqual([])
})

test('history: a kind that is read in one namespace is counted there, and what is measured again and again is not kept', async () => {
  await using _ = recording()
  await expect.poll(async () => (await marksIn(nats.nc, CLUSTER)).length).toBe(1)
  const { then, put } = cluster()
  await put('configmaps', 'settings')
  await put('pods.metrics.k8s.io', 'a')
  const sum = objectsSum()
  sum.add('uid-settings', '1')
  const meta = { epoch: 'one', state: 'streaming', resourceVersion: '1', observedAt: 1, count: 1, hash: sum.hash() }
  await js.publish(`qm.${CLUSTER}.meta.core.configmaps.default`, JSON.stringify(meta))
  await sleep(3) // so that no two have one time
  await put('pods', 'a')
  const at = then.at(-1)?.at ?? 0
  await recorded(at)
  expect(await kindsThen((await readAt(at)).picture)).toMatchObject([
    { kind: 'namespaces/default/configmaps', count: 1, agrees: true },
    { kind: 'pods', count: 1, agrees: false },
  ])
})

test('history: after a block that nobody can read it begins anew', async () => {
  await js.publish(subjects(CLUSTER).history('changes'), 'nonsense')
  const { then, put } = cluster()
  await put('pods', 'a')
  await using recorder = recording()
  await recorded(then[0]?.at ?? 0)
  expect((await readAt(Date.now())).found).toEqual({ pods: { a: '1' } })
  expect(recorder.said).toEqual([])
})

test('history: a version that was overwritten while nobody recorded is missing, and the picture says so', async () => {
  const { then, put, count } = cluster()
  const first = recording()
  await expect.poll(async () => (await marksIn(nats.nc, CLUSTER)).length).toBe(1)
  await put('pods', 'a')
  await put('pods', 'b')
  await recorded(then[1]?.at ?? 0)
  await first.stop()
  await put('pods', 'a')
  await count('pods')
  const lost = Date.now()
  await sleep(5)
  await put('pods', 'a')
  await count('pods')
  await put('pods', 'c')
  await using _second = recording()
  await recorded(then.at(-1)?.at ?? 0)
  const agrees = async (time: number) => (await kindsThen((await readAt(time)).picture)).map((kind) => kind.agrees)
  // The count of then was overwritten too: nothing is claimed that nobody can check.
  expect(await agrees(lost)).toEqual([false])
  expect(await agrees(then.at(-1)?.at ?? 0)).toEqual([true])
})

test('history: another OBJECTS is another beginning: nothing of the one before is left', async () => {
  const { put } = cluster()
  const first = recording()
  await expect.poll(async () => (await marksIn(nats.nc, CLUSTER)).length).toBe(1)
  await put('pods', 'old')
  const old = Date.now()
  await recorded(old - 1_000)
  await first.stop()
  await jsm.streams.delete('OBJECTS')
  await ensureObjectsStream(jsm, CLUSTER, 1)
  await sleep(5)
  const second = recording()
  const { then, put: again } = cluster()
  await again('pods', 'new')
  await recorded(then[0]?.at ?? 0)
  await second.stop()
  expect((await readAt(then[0]?.at ?? 0)).found).toEqual({ pods: { new: '1' } })
  expect((await readAt(old)).found).toEqual({ pods: { old: '1' } })
})

test('history: of two that record one waits, and nothing is recorded twice', async () => {
  const { then, put } = cluster()
  const first = recording()
  await expect.poll(async () => (await marksIn(nats.nc, CLUSTER)).length).toBe(1)
  const second = recording()
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
    await put('pods', name)
    await sleep(25)
  }
  await recorded(then.at(-1)?.at ?? 0)
  await Promise.all([first.stop(), second.stop()])
  const seqs: number[] = []
  for await (const { data, seq } of historyOn(nats.nc, subjects(CLUSTER).history('changes'), 0))
    for (const { seq: each } of (await unpackBlock(`${seq}`, data)).versions) seqs.push(each)
  expect(seqs).toEqual(Array.from({ length: 8 }, (_, index) => index + 1))
})

test('history: goes on over a kill -9 of the server, and says nothing that it did not read', { timeout: 60_000 }, async () => {
  await using server = await natsForTest()
  const [itsJsm, itsJs] = [await server.nc.jetstreamManager({ timeout: 2_000 }), server.nc.jetstream({ timeout: 2_000 })]
  await ensureObjectsStream(itsJsm, CLUSTER, 1)
  await ensureHistoryStream(itsJsm, CLUSTER, 1, 2 ** 30)
  const end = new AbortController()
  const options = { gatherMs: 20, idleMs: 20, pauseMs: 0 }
  const of = { nc: server.nc, js: itsJs, jsm: itsJsm, cluster: CLUSTER, log: silent, newId: () => `${++ids}`, options }
  const { ended } = recordHistory(of, end.signal)
  const put = (name: string, resourceVersion: string) =>
    itsJs.publish(
      `qm.${CLUSTER}.obj.core.pods.default.${name}`,
      JSON.stringify({ kind: 'Pod', metadata: { name, namespace: 'default', uid: name, resourceVersion } }),
    )
  await expect.poll(async () => (await marksIn(server.nc, CLUSTER)).length).toBe(1)
  for (let index = 0; index < 200; index++) await put(`p${index}`, `${index}`)
  await server.crash()
  for (let index = 200; index < 400; index++) await put(`p${index}`, `${index}`)
  const names = async (): Promise<number> => {
    const picture = await pictureAt(server.nc, itsJsm, CLUSTER, Date.now() + 1_000)
    const found = new Set<string>()
    for (const { version, isThen } of (await Array.fromAsync(picture.seen())).flat()) if (isThen) found.add(version.subject)
    return found.size
  }
  const there = (await itsJsm.streams.info('OBJECTS')).state.messages
  await expect.poll(names, { timeout: 20_000 }).toBe(there)
  end.abort()
  await ended
})

test('history: when its room is full the oldest goes, and the first whole frame is the beginning', async () => {
  await jsm.streams.delete('HISTORY')
  await ensureHistoryStream(jsm, CLUSTER, 1, 12_000)
  const { then, put } = cluster()
  await using _ = recording()
  for (let index = 0; index < 250; index++) await put('pods', `p${index % 40}`)
  await recorded(then.at(-1)?.at ?? 0)
  const { state } = await jsm.streams.info('HISTORY')
  expect(state.first_seq).toBeGreaterThan(1)
  expect(await readAt(then[0]?.at ?? 0).catch((error: unknown) => error)).toBeInstanceOf(NotKept)
  expect((await readAt(then.at(-1)?.at ?? 0)).found).toEqual(filled(then.at(-1)?.whole ?? {}))
})

test('history: frames of a week take half of the room at most, and some are always within it', () => {
  const [hour, gib] = [3_600_000, 2 ** 30]
  const isDue = (hours: number, changesBytes: number, frameBytes: number, room = 2 * gib) =>
    isFrameDue({ ms: hours * hour, changesBytes }, frameBytes, room, hour)
  expect([isDue(0.9, 0, 1e6), isDue(1, 0, 1e6)]).toEqual([false, true])
  const interval = (7 * 24 * 20e6) / gib
  expect([isDue(interval - 0.1, 0, 20e6), isDue(interval + 0.1, 0, 20e6)]).toEqual([false, true])
  expect([isDue(0, gib / 4 - 1, 20e6), isDue(0, gib / 4, 20e6)]).toEqual([false, true])
  expect([isDue(23, 0, gib), isDue(24, 0, gib)]).toEqual([false, true])
  expect([isDue(0.9, gib, 1e6, -1), isDue(1, 0, gib, -1)]).toEqual([false, true])
})

test('history: a block that is none of ours is refused by name', async () => {
  await expect(unpackBlock('HISTORY 7', Buffer.from('nonsense'))).rejects.toThrow('HISTORY 7: can not be decompressed')
  const version = {
    subject: 'obj.core.pods.default.a',
    seq: 1,
    time: 2,
    uid: 'u',
    resourceVersion: '3',
    payload: Buffer.from('{}'),
  }
  const block = { created: 'then', after: 0, through: 1, versions: [version, { ...version, seq: 4, payload: undefined }] }
  expect(await unpackBlock('HISTORY 7', await packBlock(block))).toEqual(block)
  const other = zstdCompressSync(
    `${JSON.stringify({ format: 1, created: '', after: 0, through: 1, versions: [['obj', 1, 2, '', '', 9]] })}\n{}`,
  )
  await expect(unpackBlock('HISTORY 8', other)).rejects.toThrow('HISTORY 8: is ')
})

test('history: parts are cut by size, and lose nothing', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 900 * 1024 }), { maxLength: 30 })
  fc.assert(
    fc.property(sizes, (lengths) => {
      const versions = lengths.map((length, seq) => ({
        subject: 'obj.a',
        seq,
        time: 0,
        uid: '',
        resourceVersion: '',
        payload: new Uint8Array(length),
      }))
      const cut = parts(versions)
      expect(cut.flat().map(({ seq }) => seq)).toEqual(versions.map(({ seq }) => seq))
      for (const part of cut)
        expect(part.length === 1 || part.reduce((sum, { payload }) => sum + (payload?.length ?? 0), 0) <= 512 * 1024).toBe(true)
    }),
    { numRuns: 50 },
  )
})
