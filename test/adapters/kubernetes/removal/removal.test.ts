import { expect, test } from 'vitest'
import { nodeObjectAlone, nodeRemoval } from '../../../../src/actors/controller/removal.ts'
import { clusterApi } from '../../../../src/adapters/kubernetes/removal/cluster-api.ts'
import { clusterAutoscaler, goTime } from '../../../../src/adapters/kubernetes/removal/cluster-autoscaler.ts'
import { karpenter } from '../../../../src/adapters/kubernetes/removal/karpenter.ts'
import { Gone, type NodeOwner, type Power, powerInWords, Refused, Unavailable } from '../../../../src/ports.ts'
import { json, scriptedApi, status } from '../scripted-api.ts'

const node = { name: 'n1', uid: 'u1' }
type Objects = Record<string, any>
/** Whoever asks has every power. */
const all = async (): Promise<readonly Power[]> => []
const signal = new AbortController().signal

/** An API that holds objects by their path and merges patches into them, minding UID and version. */
const store = async (objects: Objects) => {
  let version = 100
  const api = await scriptedApi((request, response) => {
    const path = request.at.pathname
    const found = objects[path]
    if (!found) return json(response, 404, status(404, 'not found'))
    if (request.method === 'GET') return json(response, 200, found)
    const body = JSON.parse(request.body)
    if (request.method === 'DELETE') {
      if (body.preconditions?.uid !== found.metadata.uid) return json(response, 409, status(409, 'Precondition failed: UID'))
      delete objects[path]
      return json(response, 200, {})
    }
    const { resourceVersion, uid, annotations = {} } = body.metadata
    if (uid !== found.metadata.uid) return json(response, 409, status(409, 'Precondition failed: UID'))
    if (resourceVersion !== undefined && resourceVersion !== found.metadata.resourceVersion)
      return json(response, 409, status(409, 'the object has been modified'))
    const merged = Object.entries({ ...found.metadata.annotations, ...annotations }).filter(([, value]) => value !== null)
    objects[path] = {
      ...found,
      metadata: { ...found.metadata, annotations: Object.fromEntries(merged), resourceVersion: String(++version) },
      spec: { ...found.spec, ...body.spec },
    }
    return json(response, 200, objects[path])
  })
  return { ...api, objects, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() }
}
const meta = (uid: string, more: object = {}) => ({ uid, resourceVersion: '1', ...more })
const ownedBy = (kind: string, name: string, uid: string, apiVersion = 'cluster.x-k8s.io/v1beta1') => ({
  ownerReferences: [{ apiVersion, kind, name, uid, controller: true }],
})
const claimPath = '/apis/karpenter.sh/v1/nodeclaims/c1'
const withClaim = (pool: object = {}): Objects => ({
  '/api/v1/nodes/n1': {
    metadata: meta('u1', { labels: { 'karpenter.sh/nodepool': 'pool' }, ...ownedBy('NodeClaim', 'c1', 'cu', 'karpenter.sh/v1') }),
  },
  [claimPath]: { metadata: meta('cu') },
  '/apis/karpenter.sh/v1/nodepools/pool': { metadata: meta('pu'), spec: pool },
})

test('karpenter: the NodeClaim that owns the node is deleted by UID, and its absence is the proof', async () => {
  await using api = await store(withClaim())
  const remover = karpenter(api.client)
  const owner = await remover.claim(node)
  expect(owner).toEqual({ by: 'karpenter', nodeClaim: 'c1', uid: 'cu', version: 'v1' })
  const request = { owner: owner as NodeOwner, node, action: 'a1' }
  await remover.shrink(request)
  await expect(remover.shrink(request)).rejects.toBeInstanceOf(Gone)
  expect(await remover.awaitRemoved(request, signal)).toMatch(/Karpenter/)
})

test('karpenter: a NodePool that keeps its number is refused; a node without a NodeClaim, or another one, is not claimed', async () => {
  await using fixed = await store(withClaim({ replicas: 3 }))
  await expect(karpenter(fixed.client).claim(node)).rejects.toThrow(/NodePool pool keeps 3 nodes.*lower its replicas/)
  await using plain = await store({ '/api/v1/nodes/n1': { metadata: meta('u1') } })
  expect(await karpenter(plain.client).claim(node)).toBeUndefined()
  await expect(karpenter(plain.client).claim({ name: 'n1', uid: 'other' })).rejects.toBeInstanceOf(Gone)
})

const CAPI = '/apis/cluster.x-k8s.io/v1beta1/namespaces/ns'
const group = (replicas: number, more: object = {}) => ({ metadata: meta('du', more), spec: { replicas } })
const withMachine = (deployment: object, changes: Objects = {}): Objects => ({
  '/api/v1/nodes/n1': {
    metadata: meta('u1', { annotations: { 'cluster.x-k8s.io/machine': 'm1', 'cluster.x-k8s.io/cluster-namespace': 'ns' } }),
  },
  '/apis/cluster.x-k8s.io': { preferredVersion: { version: 'v1beta1' } },
  [`${CAPI}/machines/m1`]: { metadata: meta('mu', ownedBy('MachineSet', 's', 'su')) },
  [`${CAPI}/machinesets/s`]: { metadata: meta('su', ownedBy('MachineDeployment', 'd', 'du')), spec: { replicas: 3 } },
  [`${CAPI}/machinedeployments/d`]: deployment,
  ...changes,
})
const machineOwner = {
  by: 'cluster-api',
  version: 'v1beta1',
  namespace: 'ns',
  machine: 'm1',
  uid: 'mu',
  group: { resource: 'machinedeployments', name: 'd', uid: 'du' },
} as const
const request = { owner: machineOwner, node, action: 'a1' }

test('cluster-api: the Machine is marked, its deployment lowered by one exactly once, and nothing is left behind', async () => {
  await using api = await store(withMachine(group(3)))
  const remover = clusterApi(api.client)
  expect(await remover.claim(node)).toEqual(machineOwner)
  await remover.mark?.(request)
  await remover.mark?.(request)
  expect(api.objects[`${CAPI}/machines/m1`].metadata.annotations).toEqual({
    'cluster.x-k8s.io/delete-machine': 'quartermaster/a1',
  })
  for (let again = 0; again < 3; again++) await remover.shrink(request)
  expect(api.objects[`${CAPI}/machinedeployments/d`].spec.replicas).toBe(2)
  delete api.objects[`${CAPI}/machines/m1`]
  expect(await remover.awaitRemoved(request, signal)).toMatch(/Cluster API/)
  await remover.tidy?.(request)
  expect(api.objects[`${CAPI}/machinedeployments/d`].metadata.annotations).toEqual({})
})

test('cluster-api: two machines of a deployment at the same time make it smaller by two', async () => {
  const second = { ...request, owner: { ...machineOwner, machine: 'm2', uid: 'mu2' } }
  const machines = { [`${CAPI}/machines/m2`]: { metadata: meta('mu2', ownedBy('MachineSet', 's', 'su')) } }
  await using api = await store(withMachine(group(5), machines))
  const { shrink } = clusterApi(api.client)
  const patiently = async (asked: typeof request): Promise<void> => {
    for (;;)
      try {
        return await shrink(asked)
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error
      }
  }
  await Promise.all([patiently(request), patiently(second as typeof request), patiently(request)])
  expect(api.objects[`${CAPI}/machinedeployments/d`].spec.replicas).toBe(3)
})

test.each([
  [
    'at its minimum',
    withMachine(group(3, { annotations: { 'cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size': '3' } })),
    /has 3 replicas and may not have fewer than 3/,
  ],
  [
    'of a control plane',
    withMachine(group(3), { [`${CAPI}/machines/m1`]: { metadata: meta('mu', ownedBy('KubeadmControlPlane', 'k', 'ku')) } }),
    /belongs to KubeadmControlPlane k/,
  ],
  [
    'whose number the topology says',
    withMachine(
      group(3, {
        labels: {
          'topology.cluster.x-k8s.io/owned': '',
          'cluster.x-k8s.io/cluster-name': 'c',
          'topology.cluster.x-k8s.io/deployment-name': 'workers',
        },
      }),
      {
        [`${CAPI}/clusters/c`]: {
          spec: { topology: { workers: { machineDeployments: [{ name: 'workers', replicas: 3 }] } } },
        },
      },
    ),
    /the topology of Cluster ns\/c wants 3 replicas of workers/,
  ],
])('cluster-api: refused %s', async (_, objects, reason) => {
  await using api = await store(objects)
  const claim = clusterApi(api.client).claim(node)
  await expect(claim).rejects.toBeInstanceOf(Refused)
  await expect(claim).rejects.toThrow(reason)
})

test('cluster-api: a mark is taken back only if it is ours, and a machine that goes by itself makes nothing smaller', async () => {
  await using api = await store(withMachine(group(3)))
  const remover = clusterApi(api.client)
  const machine = `${CAPI}/machines/m1`
  await remover.mark?.(request)
  await remover.unmark?.({ ...request, action: 'another' })
  expect(api.objects[machine].metadata.annotations).not.toEqual({})
  await remover.unmark?.(request)
  expect(api.objects[machine].metadata.annotations).toEqual({})
  api.objects[machine].metadata.deletionTimestamp = '2026-01-01T00:00:00Z'
  await expect(remover.shrink(request)).rejects.toBeInstanceOf(Gone)
  expect(api.objects[`${CAPI}/machinedeployments/d`].spec.replicas).toBe(3)
})

const CONFIG_MAP = '/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status'
const goNow = (ms: number): string => `${new Date(ms).toISOString().replace('T', ' ').replace('Z', '000000')} +0000 UTC`
const withAutoscaler = (updatedAt: number, annotations = {}): Objects => ({
  '/api/v1/nodes/n1': { metadata: meta('u1', { annotations }) },
  [CONFIG_MAP]: { metadata: meta('x', { annotations: { 'cluster-autoscaler.kubernetes.io/last-updated': goNow(updatedAt) } }) },
})

test('cluster-autoscaler: a living one gets the node, a dead one does not, and its marker is respected', async () => {
  await using living = await store(withAutoscaler(Date.now()))
  const remover = clusterAutoscaler(living.client)
  expect(await remover.claim(node)).toEqual({ by: 'cluster-autoscaler' })
  delete living.objects['/api/v1/nodes/n1']
  expect(await remover.awaitRemoved({ owner: { by: 'cluster-autoscaler' }, node, action: 'a' }, signal)).toMatch(/cloud provider/)
  await using dead = await store(withAutoscaler(Date.now() - 3_600_000))
  expect(await clusterAutoscaler(dead.client).claim(node)).toBeUndefined()
  await using none = await store({})
  expect(await clusterAutoscaler(none.client).claim(node)).toBeUndefined()
  await using marked = await store(withAutoscaler(Date.now(), { 'cluster-autoscaler.kubernetes.io/scale-down-disabled': 'true' }))
  await expect(clusterAutoscaler(marked.client).claim(node)).rejects.toBeInstanceOf(Refused)
})

test('cluster-autoscaler: the time is read as Go writes it', () => {
  expect(goTime('2020-11-16 12:12:12.123456789 +0000 UTC')).toBe(Date.UTC(2020, 10, 16, 12, 12, 12))
  expect(goTime('2020-11-16 14:12:12 +0200 CEST m=+0.1')).toBe(Date.UTC(2020, 10, 16, 12, 12, 12))
  expect(goTime('nonsense')).toBeNaN()
})

test('removal: the first that knows the owner removes it; what nobody knows is refused with the remedy', async () => {
  await using api = await store(withClaim())
  const removal = nodeRemoval([karpenter(api.client), nodeObjectAlone], all)
  expect(await removal.ownerOf(node)).toMatchObject({ by: 'karpenter' })
  await using plain = await store({ '/api/v1/nodes/n1': { metadata: meta('u1') } })
  expect(await nodeRemoval([karpenter(plain.client), nodeObjectAlone], all).ownerOf(node)).toEqual({ by: 'node-object' })
  const none = nodeRemoval([karpenter(plain.client)], all)
  await expect(none.ownerOf(node)).rejects.toThrow(/nothing that we know owns the machine of node n1.*webhook/)
  const changed = none.awaitRemoved.bind(none, { owner: { by: 'webhook', providerId: 'p' }, node, action: 'a' }, signal)
  expect(changed).toThrow(/its settings have changed since/)
})

test('removal: a power that is missing is said when the owner is asked for, which is before anything is emptied', async () => {
  const asked: string[] = []
  const lacking =
    (verb: string) =>
    async (powers: readonly Power[]): Promise<readonly Power[]> => {
      asked.push(...powers.map(powerInWords))
      return powers.filter((power) => power.verb === verb)
    }
  await using claimed = await store(withClaim())
  await expect(nodeRemoval([karpenter(claimed.client)], lacking('delete')).ownerOf(node)).rejects.toThrow(
    'the machine of node n1 is removed by way of karpenter, and this process may not delete nodeclaims.karpenter.sh: grant it',
  )
  await using machine = await store(withMachine(group(3)))
  const refusal = nodeRemoval([clusterApi(machine.client)], lacking('patch')).ownerOf(node)
  await expect(refusal).rejects.toThrow(
    /may not patch machines\.cluster\.x-k8s\.io in ns, patch machinedeployments\.cluster\.x-k8s\.io in ns: grant it/,
  )
  await expect(refusal).rejects.toBeInstanceOf(Refused)
  expect(asked).toEqual([
    'get nodeclaims.karpenter.sh',
    'delete nodeclaims.karpenter.sh',
    'patch machines.cluster.x-k8s.io in ns',
    'patch machinedeployments.cluster.x-k8s.io in ns',
  ])
  expect(await nodeRemoval([nodeObjectAlone], lacking('delete')).ownerOf(node)).toEqual({ by: 'node-object' })
})
