import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Acting, acting, actionId, gateTo } from '../../control-plane/acting.ts'
import { controlPlaneForTest } from '../../control-plane/for-test.ts'
import { addNodes, addPods, podsRunning, smallPod } from '../../control-plane/objects.ts'
import type { ControlPlane } from '../../control-plane/start.ts'
import { podsOn } from '../../control-plane/workloads.ts'
import { until } from '../../kubernetes-client.ts'

const LONG = { timeout: 300_000 }
let plane: ControlPlane
let us: Acting

beforeAll(async () => {
  plane = await controlPlaneForTest()
  us = await acting({ server: plane.url, token: plane.token, ca: plane.ca })
}, 300_000)
afterAll(async () => {
  await us?.[Symbol.asyncDispose]()
  await plane?.stop()
})

const ATTACHMENTS = '/apis/storage.k8s.io/v1/volumeattachments'
const attach = (name: string, nodeName: string) =>
  plane.api.post(ATTACHMENTS, {
    metadata: { name },
    spec: { attacher: 'csi.example.com', nodeName, source: { persistentVolumeName: name } },
  })
const deletion = (nodeName: string) => ({ id: actionId(), nodeName })
const isGone = async (path: string): Promise<boolean> => (await plane.api.get(path)).status === 404

test('deletion: a node goes with its pods and VolumeAttachments, and nobody claims that its machine is gone', LONG, async () => {
  const [node = ''] = await addNodes(plane.api, 1, 'plain')
  await addPods(plane.api, 3, [node], { prefix: 'plain' })
  await podsRunning(plane.api, 3)
  await attach('plain', node)
  const order = { ...deletion(node), nodeUid: (await plane.api.get(`/api/v1/nodes/${node}`)).body.metadata.uid }
  await us.order('DeleteNode', order)
  expect(await us.ended(order.id)).toMatchObject({ fact: 'controller.ActionDone', data: { alreadyGone: false } })
  const [removed] = us.facts(order.id, 'controller.NodeRemoved')
  expect(removed?.data).toEqual({ action: order.id, node, by: 'node-object' })
  expect([await isGone(`/api/v1/nodes/${node}`), await isGone(`${ATTACHMENTS}/plain`)]).toEqual([true, true])
  expect(await podsOn(plane.api, node)).toEqual([])

  // Again it is success, and another machine of that name is not touched.
  const [again = ''] = await addNodes(plane.api, 1, 'plain')
  const repeated = { ...order, id: actionId() }
  await us.order('DeleteNode', repeated)
  expect(await us.ended(repeated.id)).toMatchObject({ fact: 'controller.ActionDone', data: { alreadyGone: true } })
  expect(await isGone(`/api/v1/nodes/${again}`)).toBe(false)
})

test(
  'deletion: killed with -9 at each of its requests, before the answer comes, it goes on, and nothing is told twice',
  LONG,
  async () => {
    await using gate = await gateTo(plane)
    await using them = await acting({ server: gate.url, token: plane.token })
    const [node = ''] = await addNodes(plane.api, 1, 'killed')
    await addPods(plane.api, 1, [node], { prefix: 'killed' })
    await attach('killed', node)
    const steps = [
      `GET /api/v1/nodes/${node}`,
      `DELETE /api/v1/nodes/${node}`,
      `GET /api/v1/pods?fieldSelector=spec.nodeName%3D${node}`,
      'DELETE /api/v1/namespaces/default/pods/killed',
      `GET ${ATTACHMENTS}?`,
      `DELETE ${ATTACHMENTS}/killed`,
    ]
    let [step = '', ...later] = steps
    const next = (): void => {
      step = later[0] ?? 'none'
      later = later.slice(1)
    }
    gate.befall((method, path) => (`${method} ${path}`.startsWith(step) ? 'silent' : undefined))
    const order = deletion(node)
    await them.order('DeleteNode', order)
    for (const [index, killedAt] of steps.entries()) {
      await until(`${killedAt} is asked`, async () => gate.befallen() > index)
      next()
      await them.killAndRestart()
    }
    expect((await them.ended(order.id)).fact).toBe('controller.ActionDone')
    expect(gate.befallen()).toBe(steps.length)
    expect(them.facts(order.id, 'controller.NodeRemoved')).toHaveLength(1)
    expect([await isGone(`/api/v1/nodes/${node}`), await isGone(`${ATTACHMENTS}/killed`)]).toEqual([true, true])
    expect(await podsOn(plane.api, node)).toEqual([])
  },
)

test('deletion: of a node that is gone the rest is finished: what a crash has left behind', LONG, async () => {
  await plane.api.post(
    '/api/v1/namespaces/default/pods',
    smallPod('orphan', { nodeName: 'ghost', terminationGracePeriodSeconds: 30 }),
  )
  await attach('orphan', 'ghost')
  const order = deletion('ghost')
  await us.order('DeleteNode', order)
  expect(await us.ended(order.id)).toMatchObject({ fact: 'controller.ActionDone', data: { alreadyGone: true } })
  expect([await isGone('/api/v1/namespaces/default/pods/orphan'), await isGone(`${ATTACHMENTS}/orphan`)]).toEqual([true, true])
})

const crd = async (group: string, kind: string, version: string, scope: string): Promise<void> => {
  const plural = `${kind.toLowerCase()}s`
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
  await plane.api.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: { name: `${plural}.${group}` },
    spec: { group, scope, names: { plural, kind }, versions: [{ name: version, served: true, storage: true, schema }] },
  })
  await until(`${plural} are served`, async () => (await plane.api.get(`/apis/${group}/${version}/${plural}`)).status === 200)
}

test(
  'deletion: a node of Karpenter goes by its NodeClaim, and counts as removed when Karpenter has let that go',
  LONG,
  async () => {
    await crd('karpenter.sh', 'NodeClaim', 'v1', 'Cluster')
    const claims = '/apis/karpenter.sh/v1/nodeclaims'
    const { body: claim } = await plane.api.post(claims, {
      apiVersion: 'karpenter.sh/v1',
      kind: 'NodeClaim',
      metadata: { name: 'claim', finalizers: ['karpenter.sh/termination'] },
    })
    const [node = ''] = await addNodes(plane.api, 1, 'karpenter')
    const { name, uid } = claim.metadata
    await plane.api.patch(`/api/v1/nodes/${node}`, {
      metadata: { ownerReferences: [{ apiVersion: 'karpenter.sh/v1', kind: 'NodeClaim', name, uid, blockOwnerDeletion: true }] },
    })
    const order = deletion(node)
    await us.order('DeleteNode', order)
    await until('the claim is to go', async () => (await plane.api.get(`${claims}/claim`)).body.metadata.deletionTimestamp)
    await us.killAndRestart()
    expect(us.facts(order.id, 'controller.NodeRemoved')).toEqual([])
    await plane.api.patch(`${claims}/claim`, { metadata: { finalizers: null } })
    expect((await us.ended(order.id)).fact).toBe('controller.ActionDone')
    expect(us.facts(order.id, 'controller.NodeRemoved')[0]?.data).toMatchObject({
      by: 'karpenter',
      confirmedBy: 'Karpenter, by the absence of its NodeClaim',
    })
    expect(await isGone(`/api/v1/nodes/${node}`)).toBe(true)
  },
)

test(
  'deletion: a Machine of Cluster API lowers its deployment exactly once, killed with -9 in the middle, and no minimum is undercut',
  LONG,
  async () => {
    const group = 'cluster.x-k8s.io'
    for (const kind of ['Machine', 'MachineSet', 'MachineDeployment']) await crd(group, kind, 'v1beta1', 'Namespaced')
    const at = (resource: string) => `/apis/${group}/v1beta1/namespaces/default/${resource}`
    const make = async (kind: string, name: string, owner?: any, more: object = {}): Promise<any> => {
      const ownerReferences = owner && [
        { apiVersion: owner.apiVersion, kind: owner.kind, name: owner.metadata.name, uid: owner.metadata.uid, controller: true },
      ]
      const { metadata = {}, ...rest } = more as { metadata?: object }
      const object = { apiVersion: `${group}/v1beta1`, kind, metadata: { name, ownerReferences, ...metadata }, ...rest }
      return (await plane.api.post(at(`${kind.toLowerCase()}s`), object)).body
    }
    const least = { annotations: { 'cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size': '1' } }
    const deployment = await make('MachineDeployment', 'workers', undefined, { metadata: least, spec: { replicas: 2 } })
    const set = await make('MachineSet', 'workers-1', deployment, { spec: { replicas: 2 } })
    const nodes = await addNodes(plane.api, 2, 'machine')
    for (const node of nodes) {
      await make('Machine', node, set)
      const annotations = { 'cluster.x-k8s.io/machine': node, 'cluster.x-k8s.io/cluster-namespace': 'default' }
      await plane.api.patch(`/api/v1/nodes/${node}`, { metadata: { annotations } })
    }
    const replicas = async (): Promise<number> => (await plane.api.get(`${at('machinedeployments')}/workers`)).body.spec.replicas
    const [first = '', second = ''] = nodes
    const order = deletion(first)
    await us.order('DeleteNode', order)
    await until('it is asked for', async () => (await replicas()) === 1)
    await us.killAndRestart()
    const { annotations } = (await plane.api.get(`${at('machines')}/${first}`)).body.metadata
    expect(annotations).toHaveProperty(['cluster.x-k8s.io/delete-machine'])
    await plane.api.delete(`${at('machines')}/${first}`)
    expect((await us.ended(order.id)).fact).toBe('controller.ActionDone')
    expect(await replicas()).toBe(1)
    const { metadata } = (await plane.api.get(`${at('machinedeployments')}/workers`)).body
    expect(Object.keys(metadata.annotations)).toEqual(Object.keys(least.annotations))

    const refused = deletion(second)
    await us.order('DeleteNode', refused)
    const { fact, data } = await us.ended(refused.id)
    expect([fact, data['reason']]).toEqual([
      'controller.ActionFailed',
      'machinedeployments default/workers has 1 replicas and may not have fewer than 1',
    ])
    expect(await isGone(`/api/v1/nodes/${second}`)).toBe(false)
  },
)
