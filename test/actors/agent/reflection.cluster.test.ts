import { expect, test, vi } from 'vitest'
import { reflectAll } from '../../../src/actors/agent/reflection.ts'
import { objectStore } from '../../../src/adapters/jetstream/objects.ts'
import { ensureObjectsStream, lastOn, metaIn } from '../../../src/adapters/jetstream/objects-stream.ts'
import { publisher } from '../../../src/adapters/jetstream/publish.ts'
import { fixedAccess } from '../../../src/adapters/kubernetes/access.ts'
import { kubernetesClient } from '../../../src/adapters/kubernetes/client.ts'
import { kubernetesDiscovery } from '../../../src/adapters/kubernetes/discovery.ts'
import { listText } from '../../../src/adapters/kubernetes/list-text.ts'
import { kubernetesReads } from '../../../src/adapters/kubernetes/reflector.ts'
import type { KindNews } from '../../../src/events/agent.ts'
import { catalogue, type Kind, nodes, pods } from '../../../src/events/kinds.ts'
import { subjects } from '../../../src/events/subjects.ts'
import { controlPlaneForTest } from '../../control-plane/for-test.ts'
import { addNodes, addPods, podsRunning } from '../../control-plane/objects.ts'
import type { ControlPlane } from '../../control-plane/start.ts'
import { natsForTest } from '../../nats.ts'

const kinds = catalogue({ configMapNamespaces: ['kube-system'] })
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const ROLES = '/apis/rbac.authorization.k8s.io/v1/clusterroles'

const crd = (served: readonly string[]) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'nodepools.karpenter.sh' },
  spec: {
    group: 'karpenter.sh',
    scope: 'Cluster',
    names: { kind: 'NodePool', listKind: 'NodePoolList', plural: 'nodepools', singular: 'nodepool' },
    versions: ['v1', 'v1beta1'].map((name) => ({
      name,
      served: served.includes(name),
      storage: name === 'v1beta1',
      schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    })),
  },
})
const rules = (...groups: readonly string[]) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'reader' },
  rules: groups.map((apiGroup) => ({ apiGroups: [apiGroup], resources: ['*'], verbs: ['get', 'list', 'watch'] })),
})
const every = [...new Set(kinds.map(({ group }) => group))]

/** The agent's reading as a user who may do only what a role says, with looks every second. */
const reading = async (plane: ControlPlane) => {
  const nats = await natsForTest()
  const [js, jsm] = [nats.nc.jetstream(), await nats.nc.jetstreamManager()]
  await ensureObjectsStream(jsm, 'demo', 1)
  const client = kubernetesClient(fixedAccess({ server: plane.url, token: plane.tokenOf('nobody'), ca: plane.ca }))
  const kept: Record<string, KindNews> = {}
  const end = new AbortController()
  const means = {
    kinds,
    reads: kubernetesReads(client),
    discovery: kubernetesDiscovery(client),
    openStore: objectStore(publisher(nats.nc, 5_000), js, jsm, 'demo', 'one').open,
    pace: { lookMs: 1_000, soonMs: 500, gatherMs: 10 },
  }
  const report = async (event: { readonly type: string; readonly kinds?: unknown }) => void Object.assign(kept, event.kinds)
  const context = { key: 'k', actor: { type: 'agent', id: 'demo' }, signal: end.signal, attempt: 2, report }
  const done = reflectAll(means, { served: {}, unavailable: {}, relist: false }, context).catch((error: unknown) => {
    if (!end.signal.aborted) throw error
  })
  const meta = async (kind: Kind) => metaIn((await lastOn(jsm, subjects('demo').meta(kind)))?.data ?? new Uint8Array())
  const record = async (kind: Kind, name: string) =>
    (await lastOn(jsm, subjects('demo').object(kind, undefined, name)))?.json<{ apiVersion?: string }>()
  return {
    client,
    kept,
    meta,
    record,
    [Symbol.asyncDispose]: async () => {
      end.abort()
      await done
      await client.close()
      await nats[Symbol.asyncDispose]()
    },
  }
}
const eventually = (check: () => void | Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 60_000, interval: 100 })
const nodePools = kinds.find(({ name }) => name === 'nodepools.karpenter.sh') ?? nodes

test('reflection: on a real control plane every kind streams or is said not to be there, and kinds come and go', {
  timeout: 600_000,
}, async () => {
  await using plane = await controlPlaneForTest()
  const { api } = plane
  await addPods(api, 20, await addNodes(api, 3))
  await podsRunning(api, 20)
  await api.post(CRDS, crd(['v1beta1']))
  await api.post(ROLES, rules(...every))
  const binding = { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reader' } }
  const users = [{ kind: 'User', name: 'nobody', apiGroup: 'rbac.authorization.k8s.io' }]
  await api.post('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    ...binding,
    metadata: { name: 'reader' },
    subjects: users,
  })
  await eventually(async () => {
    const made = await api.post('/apis/karpenter.sh/v1beta1/nodepools', {
      apiVersion: 'karpenter.sh/v1beta1',
      kind: 'NodePool',
      metadata: { name: 'general' },
    })
    expect([201, 409]).toContain(made.status)
  })
  await using agent = await reading(plane)
  const { kept } = agent

  // All that the API server itself serves streams, the selectors of Events are taken, and nothing else is said to be there.
  await eventually(() => expect(Object.keys(kept).toSorted()).toEqual(kinds.map(({ name }) => name).toSorted()))
  await eventually(() => expect(Object.values(kept).filter(({ state }) => state === 'stalled')).toEqual([]))
  const absent = Object.entries(kept).filter(([, kind]) => kind.state === 'unavailable')
  expect(absent.map(([name]) => name).toSorted()).toEqual(
    kinds
      .filter(
        ({ group, name }) => /karpenter|argoproj|keda|autoscaling\.k8s|datadog|metrics/.test(group) && name !== nodePools.name,
      )
      .map(({ name }) => name)
      .toSorted(),
  )
  expect(kept).toMatchObject({ pods: { count: 20 }, nodes: { count: 3 }, [nodePools.name]: { version: 'v1beta1', count: 1 } })
  expect((await agent.record(nodePools, 'general'))?.apiVersion).toBe('karpenter.sh/v1beta1')
  expect(listText(await agent.client.bytes('/api/v1/pods', { query: { limit: 5 } }))).toBeDefined()

  // The version that is served is followed, and every record is written anew.
  await api.patch(`${CRDS}/nodepools.karpenter.sh`, { spec: crd(['v1', 'v1beta1']).spec })
  await eventually(() => expect(kept).toMatchObject({ [nodePools.name]: { state: 'streaming', version: 'v1' } }))
  expect((await agent.record(nodePools, 'general'))?.apiVersion).toBe('karpenter.sh/v1')

  // A definition that is deleted takes its objects along.
  await api.delete(`${CRDS}/nodepools.karpenter.sh`)
  await eventually(() => expect(kept).toMatchObject({ [nodePools.name]: { state: 'unavailable', why: 'absent' } }))
  await eventually(async () => expect(await agent.meta(nodePools)).toMatchObject({ state: 'unavailable', count: 0 }))

  // A power that is taken away leaves the last records, marked, and the others alone; given back, it goes on.
  await api.put(`${ROLES}/reader`, rules(...every.filter((group) => group !== 'batch')))
  await eventually(() => expect(kept).toMatchObject({ 'jobs.batch': { state: 'unavailable', why: 'forbidden' } }))
  expect(kept).toMatchObject({ pods: { state: 'streaming' } })
  await api.put(`${ROLES}/reader`, rules(...every))
  await eventually(() => expect(kept).toMatchObject({ 'jobs.batch': { state: 'streaming' } }))
  expect(await agent.meta(pods)).toMatchObject({ state: 'streaming', count: 20, version: 'v1' })
})
