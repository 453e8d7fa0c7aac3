import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { milli, quantity } from '../../src/events/quantity.ts'
import { virtualClock } from '../../src/simulator/clock.ts'
import { beginOpenb } from '../../src/simulator/openb/world.ts'
import { createSimulator, hashOfWorld } from '../../src/simulator/simulator.ts'
import { startSimulator } from '../../src/simulator/start.ts'
import type { Store } from '../../src/simulator/store.ts'
import { openStore } from '../../src/simulator/store.ts'
import { eviction } from '../contracts/kubernetes-api/bed.ts'
import { client, until } from '../kubernetes-client.ts'

const GPU = 'alibabacloud.com/gpu-milli'
let folder = ''
let store: Store
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'openb-'))
  store = openStore({ world: 'openb', seed: 1, clock: virtualClock(0), begin: beginOpenb })
})
afterAll(() => rmSync(folder, { recursive: true }))

const share = (resource: string, read: (text: string | number) => number): number => {
  const has = [...store.all('nodes')].reduce((sum, { status }) => sum + read(status.allocatable[resource] ?? 0), 0)
  const asked = [...store.all('pods')].reduce(
    (sum, { spec }) => sum + read(spec.containers[0]?.resources?.requests?.[resource] ?? 0),
    0,
  )
  return asked / has
}

test('openb: has the nodes of the trace and 4,883 of its pods', () => {
  expect([store.count('nodes'), store.count('pods')]).toEqual([1_523, 4_883])
  expect(share('cpu', milli)).toBeCloseTo(0.39, 2)
  expect(share('memory', quantity)).toBeCloseTo(0.28, 2)
  expect(share(GPU, Number)).toBeCloseTo(0.56, 2)
})

test('openb: every pod has a node that has room for it', () => {
  for (const node of store.all('nodes')) {
    const pods = [...store.all('pods')].filter(({ spec }) => spec.nodeName === node.metadata.name)
    for (const [resource, read] of [
      ['cpu', milli],
      ['memory', quantity],
      [GPU, Number],
    ] as const) {
      const asked = pods.reduce((sum, { spec }) => sum + read(spec.containers[0]?.resources?.requests?.[resource] ?? 0), 0)
      expect(asked).toBeLessThanOrEqual(read(node.status.allocatable[resource] ?? 0))
    }
  }
})

test('openb: deployments have up to 40 replicas, and two thirds of them a budget', () => {
  const sizes = [...store.all('deployments')].map(({ spec }) => spec.replicas ?? 0)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(40)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(4_883)
  expect(store.count('poddisruptionbudgets') / sizes.length).toBeCloseTo(2 / 3, 1)
})

test('openb: nodes carry zone, type, card and price', () => {
  const card = [...store.all('nodes')].find(({ metadata }) => metadata.labels?.['alibabacloud.com/gpu-card-model'] === 'T4')
  expect(card?.metadata.labels?.['node.kubernetes.io/instance-type']).toMatch(/^openb-\d+c-\d+g-\dxT4$/)
  expect(['a', 'b', 'c']).toContain(card?.metadata.labels?.['topology.kubernetes.io/zone'])
  const [cores, cards] = [quantity(card?.status.allocatable.cpu ?? 0), Number(card?.status.allocatable[GPU]) / 1000]
  expect(Number(card?.metadata.annotations?.['quartermaster.dev/hourly-price'])).toBeCloseTo(cores * 0.035 + cards * 0.35, 3)
})

test('openb: the same seed makes the same world, another seed another', () => {
  const again = openStore({ world: 'openb', seed: 1, clock: virtualClock(5_000), begin: beginOpenb })
  expect(hashOfWorld(again)).toBe(hashOfWorld(store))
  const other = openStore({ world: 'openb', seed: 2, clock: virtualClock(0), begin: beginOpenb })
  expect(hashOfWorld(other)).not.toBe(hashOfWorld(store))
})

test('openb: begins at rest, and a drained node finds every pod a place', async () => {
  const clock = virtualClock(Date.UTC(2026, 0, 1))
  const simulator = await createSimulator({ world: 'openb', begin: beginOpenb, clock })
  const start = simulator.store.resourceVersion()
  clock.advance(60_000)
  expect(simulator.store.resourceVersion()).toBe(start)
  simulator.store.remove('nodes', undefined, 'openb-node-0100')
  clock.advance(60_000)
  expect(simulator.store.count('pods')).toBe(4_883)
  expect(
    [...simulator.store.all('pods')].every(
      ({ status, spec }) => status.phase === 'Running' && spec.nodeName !== 'openb-node-0100',
    ),
  ).toBe(true)
  await simulator.stop()
})

test('start: runs in a thread, and goes on with its world when it is started again', async () => {
  const options = { folder: join(folder, 'thread'), trace: 'openb', seed: 1 } as const
  const first = await startSimulator(options)
  const api = client(first)
  const list = (await api.get('/api/v1/pods?limit=1')).body
  expect(list.metadata.remainingItemCount).toBe(4_882)
  await api.patch('/api/v1/nodes/openb-node-0000', { metadata: { labels: { kept: 'yes' } } })
  await first.stop()
  const second = await startSimulator(options)
  expect((await client(second).get('/api/v1/nodes/openb-node-0000')).body.metadata.labels.kept).toBe('yes')
  await second.stop()
  await expect(startSimulator({ ...options, seed: 2 })).rejects.toThrow('with seed 1')
})

const program = `
  const [, folder, modules] = process.argv
  const { createSimulator } = await import(modules + 'simulator.ts')
  const { beginOpenb } = await import(modules + 'openb/world.ts')
  const { url } = await createSimulator({ folder, world: 'openb', begin: beginOpenb })
  console.log(url)`
const modules = new URL('../../src/simulator/', import.meta.url).href

const startProcess = async (at: string) => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, at, modules], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
  })
  const exited = once(child, 'exit')
  const [url] = await once(child.stdout, 'data')
  return { child, exited, api: client({ url: String(url).trim(), token: 'simulated' }) }
}

test('start: a killed process forgets no eviction that it granted, and grants none of them again', async () => {
  const at = join(folder, 'killed')
  const granted: string[] = []
  for (let life = 0; life < 1; life += 1) {
    const { child, exited, api } = await startProcess(at)
    const { items } = (await api.get('/api/v1/pods?limit=60')).body
    const kill = setTimeout(() => child.kill('SIGKILL'), 80)
    for (const { metadata } of items) {
      const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}/eviction`
      const answer = await api
        .post(path, eviction(metadata.name, { preconditions: { uid: metadata.uid } }))
        .catch(() => undefined)
      if (!answer) break
      if (answer.status === 201 && !granted.includes(metadata.uid)) granted.push(metadata.uid)
    }
    clearTimeout(kill)
    child.kill('SIGKILL')
    await exited
  }
  const { child, exited, api } = await startProcess(at)
  const audit = (await api.get('/simulator/audit')).body.items.map(({ uid }: { uid: string }) => uid)
  expect(new Set(audit).size).toBe(audit.length)
  expect(audit).toEqual(expect.arrayContaining(granted))
  const pods = await until('every pod is there', async () => {
    const { body } = await api.get('/api/v1/pods')
    return body.items.length === 4_883 && body.items
  })
  expect(pods.some((pod: any) => granted.includes(pod.metadata.uid) && pod.metadata.deletionTimestamp === undefined)).toBe(false)
  child.kill('SIGKILL')
  await exited
})
