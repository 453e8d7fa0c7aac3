import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { until } from '../kubernetes-client.ts'
import { controlPlaneForTest } from './for-test.ts'
import { addNodes, addPods, podsRunning, smallPod } from './objects.ts'

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
