import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { virtualClock } from '../../src/simulator/clock.ts'
import { evict } from '../../src/simulator/eviction.ts'
import { tell } from '../../src/simulator/log.ts'
import { hashOfWorld } from '../../src/simulator/simulator.ts'
import type { Store } from '../../src/simulator/store.ts'
import { openStore } from '../../src/simulator/store.ts'
import { deploymentDraft, nodeDraft, podDraft, START, smallWorld } from './small-world.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'simulator-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const open = (at: string, historyLength?: number): Store =>
  openStore({ folder: at, world: 'small', seed: 1, clock: virtualClock(START), historyLength, begin: () => undefined })
const fresh = (): string => mkdtempSync(join(folder, 'world-'))
const logIn = (at: string): string => join(at, 'world.log')

/** A world with some history, and what it was after each of its writes. */
const lived = (at: string): { log: Buffer; hashes: Map<number, string>; audits: Map<number, number> } => {
  const store = open(at)
  const world = { store, clock: virtualClock(START), timings: {} as never, pods: {} as never }
  const hashes = new Map([[store.resourceVersion(), hashOfWorld(store)]])
  const audits = new Map([[store.resourceVersion(), 0]])
  store.subscribe(() => {
    hashes.set(store.resourceVersion(), hashOfWorld(store))
    audits.set(store.resourceVersion(), store.audit().length)
  })
  store.create('nodes', nodeDraft('n'))
  for (const name of ['a', 'b', 'c']) store.create('pods', { ...podDraft(name, { nodeName: 'n' }), status: { phase: 'Running' } })
  evict(world, 'default', 'a', { name: 'a', preconditions: {}, dryRun: false })
  store.remove('pods', 'default', 'a')
  evict(world, 'default', 'b', { name: 'b', preconditions: {}, graceSeconds: 0, dryRun: false })
  store.close()
  return { log: readFileSync(logIn(at)), hashes, audits }
}

test('log: whatever part of it reached the disk, the world is one that was', () => {
  const { log, hashes, audits } = lived(fresh())
  const head = log.indexOf('\n') + 1
  const at = fresh()
  for (let end = head; end <= log.length; end += end % 97 === 0 ? 1 : 7) {
    writeFileSync(logIn(at), log.subarray(0, end))
    const store = open(at)
    const version = store.resourceVersion()
    expect(hashOfWorld(store)).toBe(hashes.get(version))
    expect(store.audit().length).toBe(audits.get(version))
    store.close()
  }
})

test('log: every write that was told of is there after an abrupt end, and numbering goes on', () => {
  const at = fresh()
  const { hashes } = lived(at)
  const last = Math.max(...hashes.keys())
  const store = open(at)
  expect(store.resourceVersion()).toBe(last)
  const created = store.create('nodes', nodeDraft('next'))
  expect(created.metadata.resourceVersion).toBe(String(last + 1))
  expect(new Set(store.audit().map(({ uid }) => uid)).size).toBe(2)
  store.close()
})

test('log: a line that is damaged is named with its file', () => {
  const at = fresh()
  const { log } = lived(at)
  const lines = log.toString().split('\n')
  writeFileSync(logIn(at), [lines[0], 'garbage', ...lines.slice(2)].join('\n'))
  expect(() => open(at)).toThrow(`${logIn(at)} line 2 is not JSON`)
  writeFileSync(logIn(at), [lines[0], '{"object":{}}', ''].join('\n'))
  expect(() => open(at)).toThrow('line 2 is neither an object nor a write')
  expect(() => tell('{}\n', 'file')).toThrow('file line 1 is no head')
})

test('log: a folder that holds another world is refused', () => {
  const at = fresh()
  open(at).close()
  expect(() => openStore({ folder: at, world: 'other', seed: 2, clock: virtualClock(START), begin: () => undefined })).toThrow(
    'holds the world small with seed 1, not other with seed 2',
  )
})

test('log: a watch goes on over a restart, unless the past was shortened', () => {
  const at = fresh()
  lived(at)
  const long = open(at)
  expect(long.since(1)?.map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual([
    'ADDED a',
    'ADDED b',
    'ADDED c',
    'MODIFIED a',
    'DELETED a',
    'MODIFIED b',
    'DELETED b',
  ])
  expect(long.since(7)?.[0]?.previous?.metadata.name).toBe('b')
  long.close()
  const short = open(at, 2)
  expect(short.since(1)).toBeUndefined()
  expect(short.since(6)?.length).toBe(2)
  expect(short.audit().length).toBe(2)
  short.close()
  const again = open(at)
  expect(again.oldest()).toBe(6)
  again.close()
})

test('simulator: a deletion that was pending when the process died comes to its end', async () => {
  const at = fresh()
  const begin = (store: Parameters<NonNullable<Parameters<typeof smallWorld>[0]>>[0]): void => {
    store.create('nodes', nodeDraft('n'))
    store.create('deployments', deploymentDraft('web', 2))
  }
  const first = await smallWorld(begin, { folder: at, world: 'pending' })
  first.advance(2_000)
  const [pod] = first.pods()
  if (!pod) throw new Error('there is no pod')
  evict(first.hand, 'default', pod.metadata.name, { name: pod.metadata.name, preconditions: {}, dryRun: false })
  await first.stop() // nothing was due: neither the replacement nor the end
  const second = await smallWorld(begin, { folder: at, world: 'pending' })
  second.advance(10_000)
  expect(second.pods().filter(({ status }) => status.phase === 'Running')).toHaveLength(2)
  expect(second.pods().some(({ metadata }) => metadata.uid === pod.metadata.uid)).toBe(false)
  expect(second.store.audit().map(({ uid }) => uid)).toEqual([pod.metadata.uid])
  await second.stop()
})
