import { afterAll, beforeAll, expect, test } from 'vitest'
import { CORDONED_BY, FOUND } from '../../../src/events/controller.ts'
import { type Acting, acting, actionId, gateTo } from '../../control-plane/acting.ts'
import { watchBudgets } from '../../control-plane/budget-watch.ts'
import { controlPlaneForTest } from '../../control-plane/for-test.ts'
import { addNodes, addPods, podsRunning, smallPod } from '../../control-plane/objects.ts'
import type { ControlPlane } from '../../control-plane/start.ts'
import { counted, deploy, deployed, podsOn, pooled, protect } from '../../control-plane/workloads.ts'
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

const nodeAt = async (name: string): Promise<any> => (await plane.api.get(`/api/v1/nodes/${name}`)).body
const NODES = 2
/** Two nodes of their own for a test. */
const pool = async (name: string, count = NODES): Promise<readonly string[]> => {
  const nodes = await addNodes(plane.api, count, name)
  await pooled(plane.api, nodes, name)
  return nodes
}
const drain = (nodeName: string, more: object = {}) => ({ id: actionId(), nodeName, drainTimeoutSeconds: 120, ...more })
const outcomes = (by: Acting, id: string): readonly unknown[] =>
  by.facts(id, 'controller.StepDone').map(({ data }) => data['outcome'])
/** The scheduler does not spread: of two nodes one may have all pods. */
const fullest = async (nodes: readonly string[]): Promise<string> => {
  const counts = await Promise.all(nodes.map(async (name) => [name, (await podsOn(plane.api, name)).length] as const))
  return counts.toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? ''
}
const isEmptied = async (node: string): Promise<boolean> => (await podsOn(plane.api, node)).length === 0

test('drain: a node is emptied, its DaemonSet pods stay, and given back it is as it was found', LONG, async () => {
  const nodes = await pool('happy')
  await deploy(plane.api, 'happy', { replicas: 4, pool: 'happy' })
  await deployed(plane.api, 'happy', 4)
  const node = await fullest(nodes)
  const { spec } = smallPod('agents', { nodeSelector: { 'kubernetes.io/hostname': node } })
  await plane.api.post('/apis/apps/v1/namespaces/default/daemonsets', {
    metadata: { name: 'agents' },
    spec: { selector: { matchLabels: { app: 'agents' } }, template: { metadata: { labels: { app: 'agents' } }, spec } },
  })
  await until('the DaemonSet runs', async () =>
    (await podsOn(plane.api, node)).some(({ metadata }) => metadata.labels.app === 'agents'),
  )
  const taint = { key: 'somebodys', effect: 'PreferNoSchedule' }
  await plane.api.patch(`/api/v1/nodes/${node}`, { spec: { taints: [taint] }, metadata: { annotations: { note: 'kept' } } })
  const before = await nodeAt(node)

  const order = drain(node, { providerId: `KWOK://${node}` })
  await us.order('DrainNode', order)
  const { fact, data } = await us.ended(order.id)
  expect([fact, data['alreadyGone']]).toEqual(['controller.ActionDone', false])
  expect((await podsOn(plane.api, node)).map(({ metadata }) => metadata.labels.app)).toEqual(['agents'])
  const { spec: cordoned, metadata } = await nodeAt(node)
  expect(cordoned.unschedulable).toBe(true)
  expect(cordoned.taints.map(({ key }: any) => key).toSorted()).toEqual(['node.kubernetes.io/unschedulable', 'somebodys'])
  expect(metadata.annotations).toMatchObject({ note: 'kept', [CORDONED_BY]: order.id, [FOUND]: 'schedulable' })
  await deployed(plane.api, 'happy', 4)

  await us.order('UncordonNode', { id: actionId(), nodeName: node, action: order.id })
  await until('it is given back', async () => (await nodeAt(node)).spec.unschedulable !== true)
  const after = await nodeAt(node)
  expect([after.spec, after.metadata.annotations]).toEqual([before.spec, before.metadata.annotations])
})

test(
  'drain: a budget without room is named, the drain fails at its time, and the node is given back as it was',
  LONG,
  async () => {
    const nodes = await pool('tight')
    await deploy(plane.api, 'tight', { replicas: 2, pool: 'tight' })
    await deployed(plane.api, 'tight', 2)
    await protect(plane.api, 'tight', 'tight', { minAvailable: 2 })
    await counted(plane.api, 'tight', 2)
    const full = await fullest(nodes)
    const order = drain(full, { drainTimeoutSeconds: 8 })
    await us.order('DrainNode', order)
    const { fact, data } = await us.ended(order.id)
    expect(fact).toBe('controller.ActionFailed')
    expect(data['reason']).toMatch(/^pod default\/tight-.*The disruption budget tight needs 2 healthy pods and has 2 currently/)
    const [blocked] = us.facts(order.id, 'controller.EvictionBlocked')
    expect(blocked?.data).toMatchObject({ budget: 'tight', node: full })
    expect(us.facts(order.id, 'controller.ActionCompensated')).toHaveLength(1)
    expect((await nodeAt(full)).spec).toEqual({ providerID: `kwok://${full}` })

    // A second budget makes it an error that no time heals.
    await protect(plane.api, 'tight-too', 'tight', { minAvailable: 1 })
    await counted(plane.api, 'tight-too', 2)
    const again = drain(full)
    await us.order('DrainNode', again)
    expect((await us.ended(again.id)).data['reason']).toMatch(/more than one PodDisruptionBudget/)
    expect((await nodeAt(full)).spec.unschedulable).toBeUndefined()

    // By force after the deadline, and no sooner.
    const forced = drain(full, { drainTimeoutSeconds: 5, force: true })
    await us.order('DrainNode', forced)
    expect((await us.ended(forced.id)).fact).toBe('controller.ActionDone')
    expect(new Set(outcomes(us, forced.id))).toEqual(new Set(['deleted']))
  },
)

test('drain: the same action at the same time, and two actions on one node, evict nothing twice', LONG, async () => {
  const [node = ''] = await pool('twice', 1)
  await addPods(plane.api, 5, [node], { prefix: 'twice' })
  await podsRunning(plane.api, 5)
  const order = drain(node)
  const answers = await Promise.all([us.ask('DrainNode', order), us.ask('DrainNode', order), us.ask('DrainNode', drain(node))])
  expect(answers.some(({ ok }) => ok)).toBe(true)
  await us.ended(order.id)
  const steps = us.facts(order.id, 'controller.StepDone').map(({ data }) => data['uid'])
  expect(new Set(steps).size).toBe(steps.length)
  expect(steps).toHaveLength(5)
})

test('drain: killed with -9 in the middle it goes on at the very pods, and each is told once', LONG, async () => {
  const nodes = await pool('killed', 2)
  await deploy(plane.api, 'killed', { replicas: 12, pool: 'killed', endsIn: '4s' })
  await deployed(plane.api, 'killed', 12)
  const node = await fullest(nodes)
  const pods = (await podsOn(plane.api, node)).map(({ metadata }) => metadata.uid)
  const order = drain(node)
  await us.order('DrainNode', order)
  await until('the first is being deleted', async () =>
    (await podsOn(plane.api, node)).some(({ metadata }) => metadata.deletionTimestamp !== undefined),
  )
  await us.killAndRestart()
  expect((await us.ended(order.id)).fact).toBe('controller.ActionDone')
  expect(await isEmptied(node)).toBe(true)
  const told = us.facts(order.id, 'controller.StepDone').map(({ data }) => String(data['uid']))
  expect(new Set(told).size).toBe(told.length)
  expect(pods.filter((uid) => !told.includes(uid))).toEqual([])
})

test('drain: the API server restarted, and then silent, in the middle: it goes on', LONG, async () => {
  const nodes = await pool('away', 2)
  await deploy(plane.api, 'away', { replicas: 12, pool: 'away', startsIn: '2s' })
  await deployed(plane.api, 'away', 12)
  await protect(plane.api, 'away', 'away', { maxUnavailable: 1 })
  await counted(plane.api, 'away', 12)
  const node = await fullest(nodes)
  const order = drain(node)
  await us.order('DrainNode', order)
  await us.until('the first has left', order.id, 'controller.StepDone')
  await plane.restart('kube-apiserver')
  plane.freeze('kube-apiserver')
  await new Promise((resolve) => setTimeout(resolve, 12_000))
  plane.thaw('kube-apiserver')
  expect((await us.ended(order.id)).fact).toBe('controller.ActionDone')
  expect(await isEmptied(node)).toBe(true)
})

test('drains: many nodes at the same time under budgets: none is ever exceeded, and all come to their end', LONG, async () => {
  const [NODES_OLD, APPS, REPLICAS] = [8, 4, 20]
  const nodes = await pool('many', NODES_OLD)
  const apps = Array.from({ length: APPS }, (_, index) => `many-${index}`)
  for (const app of apps) await deploy(plane.api, app, { replicas: REPLICAS, pool: 'many', startsIn: '1s' })
  for (const app of apps) await deployed(plane.api, app, REPLICAS)
  for (const app of apps) await protect(plane.api, app, app, { maxUnavailable: 2 })
  for (const app of apps) await counted(plane.api, app, REPLICAS)
  await pool('many-new', NODES_OLD).then((fresh) => pooled(plane.api, fresh, 'many'))
  const judge = await watchBudgets(plane.api)
  const orders = nodes.map((node) => drain(node, { drainTimeoutSeconds: 240 }))
  await Promise.all(orders.map((order) => us.order('DrainNode', order)))
  const ends = await Promise.all(orders.map(({ id }) => us.ended(id)))
  await judge.stop()
  expect(ends.filter(({ fact }) => fact !== 'controller.ActionDone').map(({ data }) => data)).toEqual([])
  for (const node of nodes) expect(await isEmptied(node)).toBe(true)
  for (const app of apps) expect(judge.fewest().get(app)).toBeGreaterThanOrEqual(REPLICAS - 2)
  expect(judge.deleted()).toBeGreaterThanOrEqual(APPS * REPLICAS)
})

test('drain: an API that has too much to do is asked less, and answers in the end', LONG, async () => {
  await using gate = await gateTo(plane)
  await using them = await acting({ server: gate.url, token: plane.token })
  const [node = ''] = await pool('storm', 1)
  await addPods(plane.api, 10, [node], { prefix: 'storm' })
  const order = drain(node)
  gate.befall((method, path) => (method === 'POST' && path.endsWith('/eviction') ? 'busy' : undefined))
  await them.order('DrainNode', order)
  await them.until('the node is cordoned', order.id, 'controller.NodeCordoned')
  await until('it was told to wait', async () => gate.befallen() >= 10)
  await new Promise((resolve) => setTimeout(resolve, 10_000))
  // Ten pods, each tried three times with back-off and then every two seconds: without a measure it would be more.
  expect(gate.befallen()).toBeLessThan(150)
  gate.befall(undefined)
  expect((await them.ended(order.id)).fact).toBe('controller.ActionDone')
  expect(outcomes(them, order.id)).toHaveLength(10)
})

const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const rules = (evicts: boolean) => [
  { apiGroups: ['*'], resources: ['*'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['nodes', 'pods'], verbs: ['patch', 'delete'] },
  { apiGroups: ['storage.k8s.io'], resources: ['volumeattachments'], verbs: ['delete'] },
  ...(evicts ? [{ apiGroups: [''], resources: ['pods/eviction'], verbs: ['create'] }] : []),
]

test('drain: evictions forbidden in the middle end it with the reason, and the node is given back', LONG, async () => {
  await plane.api.post(`${RBAC}/clusterroles`, { metadata: { name: 'us' }, rules: rules(true) })
  await plane.api.post(`${RBAC}/clusterrolebindings`, {
    metadata: { name: 'us' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'us' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'nobody' }],
  })
  await using them = await acting({ server: plane.url, token: plane.tokenOf('nobody'), ca: plane.ca })
  const nodes = await pool('forbidden', 2)
  await deploy(plane.api, 'forbidden', { replicas: 8, pool: 'forbidden', startsIn: '3s' })
  await deployed(plane.api, 'forbidden', 8)
  await protect(plane.api, 'forbidden', 'forbidden', { maxUnavailable: 1 })
  await counted(plane.api, 'forbidden', 8)
  const node = await fullest(nodes)
  const order = drain(node)
  await them.order('DrainNode', order)
  await them.until('the first has left', order.id, 'controller.StepDone')
  await plane.api.patch(`${RBAC}/clusterroles/us`, { rules: rules(false) })
  const { fact, data } = await them.ended(order.id)
  expect(fact).toBe('controller.ActionFailed')
  expect(data['reason']).toMatch(/403 .*cannot create resource "pods\/eviction"/)
  expect((await nodeAt(node)).spec).toEqual({ providerID: `kwok://${node}` })
})
