import { afterAll, beforeAll, expect, test } from 'vitest'
import { listText } from '../../src/adapters/kubernetes/list-text.ts'
import { catalogue } from '../../src/events/kinds.ts'
import { subjects } from '../../src/events/subjects.ts'
import { created } from '../contracts/kubernetes-api/bed.ts'
import { until } from '../kubernetes-client.ts'
import { type NatsForTest, natsForTest } from '../nats.ts'
import { controlPlaneForTest } from './for-test.ts'
import { smallPod } from './objects.ts'
import { type ImpatientAgent, impatientAgent } from './observed/agent.ts'
import { compared, untilEqual } from './observed/comparison.ts'
import { addEveryKind } from './observed/every-kind.ts'
import { heldOf } from './observed/held.ts'
import type { ControlPlane } from './start.ts'

const kinds = catalogue({ configMapNamespaces: ['kube-system'] })
const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const POOLS = 'nodepools.karpenter.sh'
const DEPLOYMENTS = 'deployments.apps'

let plane: ControlPlane
let nats: NatsForTest
let agent: ImpatientAgent
beforeAll(async () => {
  plane = await controlPlaneForTest()
  nats = await natsForTest()
  const { api } = plane
  await created(api, `${RBAC}/clusterroles`, { metadata: { name: 'agent' }, rules: rulesFor() })
  await created(api, `${RBAC}/clusterrolebindings`, {
    metadata: { name: 'agent' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'agent' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'nobody' }],
  })
  agent = await impatientAgent(plane, plane.tokenOf('nobody'), nats, kinds)
})
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]()
  await nats?.[Symbol.asyncDispose]()
  await plane?.stop()
})

/** What lets all kinds be read, one of them by these verbs alone. */
const rulesFor = (limited?: string, verbs: readonly string[] = []): readonly object[] =>
  kinds.flatMap(({ name, group, resource }) => {
    const allowed = name === limited ? verbs : ['list', 'watch']
    return allowed.length === 0 ? [] : [{ apiGroups: [group], resources: [resource], verbs: allowed }]
  })
const limit = async (kind?: string, verbs?: readonly string[]): Promise<void> => {
  expect((await plane.api.patch(`${RBAC}/clusterroles/agent`, { rules: rulesFor(kind, verbs) })).status).toBe(200)
}

const equal = (what: string) => {
  agent.demandAlive()
  return untilEqual(what, () => compared(plane.api, nats.nc, nats.cluster, kinds))
}
const told = (kind: string, state: object): Promise<unknown> =>
  until(`${kind} is ${JSON.stringify(state)}`, async () => {
    agent.demandAlive()
    return Object.entries(state).every(([field, value]) => agent.told[kind]?.[field as 'state'] === value)
  })
const held = async (filter: string) =>
  [...(await heldOf(nats.nc, filter)).values()].flatMap(({ value }) => (value === undefined ? [] : [value]))

const open = { 'x-kubernetes-preserve-unknown-fields': true, type: 'object' }
const version = (name: string, served: boolean, storage: boolean) => ({
  name,
  served,
  storage,
  schema: { openAPIV3Schema: { type: 'object', properties: { spec: open, status: open } } },
})
const definition = (versions: readonly object[]) => ({
  metadata: { name: POOLS },
  spec: {
    group: 'karpenter.sh',
    scope: 'Cluster',
    names: { plural: 'nodepools', singular: 'nodepool', kind: 'NodePool', listKind: 'NodePoolList' },
    versions,
  },
})
const addPool = (group: string, name: string): Promise<unknown> => {
  const object = { apiVersion: `karpenter.sh/${group}`, kind: 'NodePool', metadata: { name }, spec: { weight: 10 } }
  return until(
    'the API takes it',
    async () => (await plane.api.post(`/apis/karpenter.sh/${group}/nodepools`, object)).status === 201,
  )
}

test('kinds: all that an API server serves by itself streams, and the others are said not to be there', async () => {
  await addEveryKind(plane.api)
  await equal('one of each')
  const isAdded = /karpenter|argoproj|keda|autoscaling\.k8s|datadog|metrics/
  const absent = kinds.filter(({ group }) => isAdded.test(group)).map(({ name }) => name)
  const unavailable = Object.entries(agent.told).filter(([, { state }]) => state !== 'streaming')
  expect(unavailable.map(([name]) => name).toSorted()).toEqual(absent.toSorted())
  expect(listText(await agent.client.bytes('/api/v1/pods', { query: { limit: 5 } })), 'is cut into items').toBeDefined()
})

test('kinds: a custom resource is installed while the agent runs, is served at another version, goes, and comes back', async () => {
  await equal('before')
  await created(plane.api, CRDS, definition([version('v1beta1', true, true)]))
  await addPool('v1beta1', 'one')
  await told(POOLS, { state: 'streaming', version: 'v1beta1' })
  expect((await equal('installed')).counts).toMatchObject({ [POOLS]: 1 })

  const next = definition([version('v1beta1', false, false), version('v1', true, true)])
  expect((await plane.api.patch(`${CRDS}/${POOLS}`, next)).status).toBe(200)
  await told(POOLS, { state: 'streaming', version: 'v1' })
  await addPool('v1', 'two')
  expect((await equal('at another version')).counts).toMatchObject({ [POOLS]: 2 })
  const filter = subjects(nats.cluster).objects({ group: 'karpenter.sh', resource: 'nodepools' })
  expect((await held(filter)).map(({ apiVersion }) => apiVersion)).toEqual(['karpenter.sh/v1', 'karpenter.sh/v1'])

  await plane.api.delete(`${CRDS}/${POOLS}`)
  await told(POOLS, { state: 'unavailable', why: 'absent' })
  await equal('removed')
  expect(await held(filter)).toEqual([])

  await until('it is gone', async () => (await plane.api.get(`${CRDS}/${POOLS}`)).status === 404)
  await created(plane.api, CRDS, definition([version('v1', true, true)]))
  await addPool('v1', 'one')
  await told(POOLS, { state: 'streaming', version: 'v1' })
  expect((await equal('installed again')).counts).toMatchObject({ [POOLS]: 1 })
})

test('kinds: whoever loses the power over one kind says why, goes on with the others, and reads it again when it may', async () => {
  const { api } = plane
  await created(api, '/apis/apps/v1/namespaces/default/deployments', deployment('known'))
  await equal('before')
  for (const verbs of [['list'], []]) {
    const lost = verbs.length === 0 ? 'list and watch' : 'watch'
    await limit(DEPLOYMENTS, verbs)
    await told(DEPLOYMENTS, { state: 'unavailable', why: 'forbidden', reason: `no power to ${lost} ${DEPLOYMENTS}` })
    const name = `unseen-${verbs.length}`
    await created(api, '/apis/apps/v1/namespaces/default/deployments', deployment(name))
    await created(api, '/api/v1/namespaces/default/pods', smallPod(name))
    const of = subjects(nats.cluster)
    const pod = of.object({ group: '', resource: 'pods' }, 'default', name)
    await until('the pod is told', async () => (await held(pod)).length === 1)
    expect(await held(of.object({ group: 'apps', resource: 'deployments' }, 'default', name))).toEqual([])
    const [meta] = await held(of.meta({ group: 'apps', resource: 'deployments' }))
    expect(meta).toMatchObject({ state: 'unavailable', reason: `no power to ${lost} ${DEPLOYMENTS}` })

    await limit()
    await told(DEPLOYMENTS, { state: 'streaming' })
    await equal('allowed again')
  }
})

const deployment = (name: string) => ({
  metadata: { name },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: smallPod(name).spec },
  },
})
