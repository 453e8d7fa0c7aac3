import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { openCost } from '../../../src/adapters/opencost/prices.ts'

const servers: { close: () => void }[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})
/** A server that gives this answer to everything, and remembers what it was asked. */
const answering = async (answer: unknown, status = 200): Promise<{ url: string; asked: string[] }> => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(typeof answer === 'string' ? answer : JSON.stringify(answer))
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** With the fields that OpenCost writes of a node (core/pkg/opencost/asset_json.go). */
const node = (name: string, over: object = {}) => ({
  type: 'Node',
  properties: { category: 'Compute', provider: 'AWS', service: 'Kubernetes', cluster: 'prod', name, providerID: `i-${name}` },
  labels: { label_node_kubernetes_io_instance_type: 'm5.large' },
  window: { start: '2026-11-29T00:00:00Z', end: '2026-11-30T00:00:00Z' },
  start: '2026-11-29T00:00:00Z',
  end: '2026-11-30T00:00:00Z',
  minutes: 1440,
  nodeType: 'm5.large',
  cpuCores: 2,
  ramBytes: 8192000000,
  cpuCoreHours: 48,
  ramByteHours: 196608000000,
  GPUHours: 0,
  cpuBreakdown: { idle: 0.9, other: 0, system: 0.01, user: 0.09 },
  ramBreakdown: { idle: 0.5, other: 0, system: 0.1, user: 0.4 },
  preemptible: 0,
  discount: 0,
  cpuCost: 1.6,
  gpuCost: 0,
  gpuCount: 0,
  ramCost: 0.7,
  adjustment: 0.1,
  totalCost: 2.4,
  ...over,
})
const disk = { type: 'Disk', properties: { name: 'pvc-1', cluster: 'prod' }, minutes: 1440, bytes: 1e9, totalCost: 0.02 }
const keyed = (...assets: readonly { properties: { name: string } }[]) =>
  Object.fromEntries(assets.map((asset, index) => [`AWS/__undefined__/prod/${index}/${asset.properties.name}`, asset]))

test('opencost: a node costs for an hour what its minutes cost, and other assets cost nothing', async () => {
  const { url, asked } = await answering({ code: 200, data: keyed(node('a'), node('b', { minutes: 30, totalCost: 0.3 }), disk) })
  expect((await openCost(url).prices()).nodes).toEqual({ a: 0.1, b: 0.6 })
  const { pathname, searchParams } = new URL(asked[0] ?? '', url)
  expect([pathname, searchParams.get('window'), searchParams.get('filter')]).toEqual(['/assets', '24h', 'assetType:"node"'])
})

test('opencost: Kubecost answers under /model, in a list', async () => {
  const { url, asked } = await answering({ code: 200, data: [keyed(node('a')), null] })
  expect((await openCost(`${url}/model/`).prices()).nodes).toEqual({ a: 0.1 })
  expect(asked[0]).toMatch(/^\/model\/assets\?/)
})

test('opencost: of nodes of one name the last counts, and one of no minute has no price', async () => {
  const old = node('a', { end: '2026-11-29T02:00:00Z', minutes: 120, totalCost: 8 })
  const { url } = await answering({ code: 200, data: keyed(node('a'), old, node('c', { minutes: 0, totalCost: 0 })) })
  expect((await openCost(url).prices()).nodes).toEqual({ a: 0.1 })
})

test('opencost: of several clusters one has to be named', async () => {
  const other = node('b', { properties: { name: 'b', cluster: 'test' } })
  const { url } = await answering({ code: 200, data: keyed(node('a'), other) })
  await expect(openCost(url).prices()).rejects.toThrow(/several clusters \(prod, test\): name one/)
  expect((await openCost(`${url}?cluster=test`).prices()).nodes).toEqual({ b: 0.1 })
  await expect(openCost(`${url}?cluster=none`).prices()).rejects.toThrow(/no node of the cluster "none"/)
})

test.each([
  [{ code: 200, data: { x: node('a', { minutes: 'many' }) } }, 'data["x"].minutes'],
  [{ code: 200, data: { x: node('a', { totalCost: -1 }) } }, 'data["x"].totalCost'],
  [{ code: 200, data: { x: node('a', { properties: { cluster: 'prod' } }) } }, 'data["x"].properties.name'],
  [{ code: 200, data: [{ x: node('a', { end: 5 }) }] }, 'data.0["x"].end'],
  [{ code: 200 }, 'data:'],
  [{ code: 400, data: {}, message: 'Invalid window' }, 'it refuses (400): Invalid window'],
  [{ code: 200, data: {} }, 'no node'],
  ['<html>', 'no JSON'],
])('opencost: refuses %j, and names %s', async (answer, place) => {
  const { url } = await answering(answer)
  await expect(openCost(url).prices()).rejects.toThrow(place)
})

test('opencost: says who does not answer, or how', async () => {
  const { url } = await answering('no Prometheus', 503)
  await expect(openCost(url).prices()).rejects.toThrow(/answers 503: no Prometheus/)
  await expect(openCost('http://127.0.0.1:1').prices()).rejects.toThrow(/127\.0\.0\.1:1.* does not answer/)
  expect(() => openCost('localhost:9003')).toThrow(/is no address of OpenCost/)
})

test('opencost: an address with a password is refused, and the password is not said', () => {
  let said = ''
  try {
    openCost('http://us:hush@127.0.0.1:9003')
  } catch (error) {
    said = String(error)
  }
  expect(said).toMatch(/127\.0\.0\.1:9003 has a user or a password in it/)
  expect(said).not.toMatch(/hush/)
})
