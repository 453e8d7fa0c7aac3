import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { until } from '../kubernetes-client.ts'
import { controlPlaneBinaries, controlPlaneForTest } from './for-test.ts'
import { addNodes, addPods, podsRunning, smallPod } from './objects.ts'
import { startControlPlane } from './start.ts'

const START = { timeout: 300_000 }
const run = promisify(execFile)
const pods = '/api/v1/namespaces/default/pods'

test('control plane: two run at once, with nodes and pods of their own', START, async () => {
  const [one, other] = await Promise.all([controlPlaneForTest(), controlPlaneForTest()])
  await using _one = one
  await using _other = other
  const nodes = await addNodes(one.api, 3)
  await addPods(one.api, 7, nodes)
  await one.api.post(pods, smallPod('scheduled'))
  await podsRunning(one.api, 8)
  expect(nodes).toContain((await one.api.get(`${pods}/scheduled`)).body.spec.nodeName)
  expect((await other.api.get('/api/v1/nodes')).body.items).toEqual([])
  const { stdout } = await run(one.kubectl, ['--kubeconfig', one.kubeconfig('admin'), 'get', 'nodes', '-o', 'name'])
  expect(stdout.trim().split('\n')).toEqual(nodes.map((name) => `node/${name}`))
})

test('control plane: a pod may ask for a slow end', START, async () => {
  await using plane = await controlPlaneForTest()
  const nodes = await addNodes(plane.api, 1)
  const slow = smallPod('slow', { nodeName: nodes[0], terminationGracePeriodSeconds: 30 })
  const annotations = { 'pod-delete.stage.kwok.x-k8s.io/delay': '1h' }
  await plane.api.post(pods, { ...slow, metadata: { ...slow.metadata, annotations } })
  await plane.api.post(pods, smallPod('quick', { nodeName: nodes[0], terminationGracePeriodSeconds: 30 }))
  await podsRunning(plane.api, 2)
  for (const name of ['slow', 'quick']) await plane.api.delete(`${pods}/${name}`)
  await until('the quick one is gone', async () => (await plane.api.get(`${pods}/quick`)).status === 404)
  expect((await plane.api.get(`${pods}/slow`)).body.metadata.deletionTimestamp).toBeDefined()
})

test('control plane: what was stored is there after a restart, and nothing is left when it stops', START, async () => {
  const plane = await controlPlaneForTest()
  const folder = dirname(plane.kubeconfig('admin'))
  await addNodes(plane.api, 1)
  await plane.compact()
  await plane.restart('kube-apiserver')
  expect((await plane.api.get('/api/v1/nodes')).body.items).toHaveLength(1)
  await plane.stop()
  expect(existsSync(folder)).toBe(false)
  await expect(fetch(plane.url)).rejects.toThrow('fetch failed')
})

test('control plane: a program that ends by itself is started again, as a kubelet would', START, async () => {
  await using plane = await controlPlaneForTest()
  await addNodes(plane.api, 1)
  plane.crash('kube-scheduler')
  await plane.api.post(pods, smallPod('scheduled'))
  await podsRunning(plane.api, 1)
})

test('control plane: a start that fails says why, and ends what it had started', START, async () => {
  const binaries = controlPlaneBinaries()
  const programs = { ...binaries.programs, 'kube-scheduler': '/bin/false' }
  const children = (): number => process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length
  const before = children()
  await expect(startControlPlane({ binaries: { ...binaries, programs } })).rejects.toThrow(
    /^kube-scheduler ended \(1\) before the /,
  )
  // A handle outlives its process by a turn of the loop.
  await until('no program is left', async () => children() === before, { longestMs: 5_000 })
})

/** Starts one and says where it is, then waits to be killed. */
const OWNER = `
const { startControlPlane } = await import(process.argv[1])
const plane = await startControlPlane({ binaries: JSON.parse(process.argv[2]) })
console.log(JSON.stringify([plane.url, plane.kubeconfig('admin')]))
setInterval(() => {}, 1_000)
`

test('control plane: ends with its owner, also when that is killed with -9', START, async () => {
  const start = new URL('start.ts', import.meta.url).href
  const args = ['--input-type=module', '-e', OWNER, start, JSON.stringify(controlPlaneBinaries())]
  const owner = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = (await once(owner.stdout, 'data')) as [Buffer]
  const [url, kubeconfig] = JSON.parse(said.toString()) as [string, string]
  const listens = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
  expect(await listens()).toBe(true)
  owner.kill('SIGKILL')
  await until('nobody listens any more', async () => !(await listens()))
  await until('its folder is gone', async () => !existsSync(dirname(kubeconfig)))
})
