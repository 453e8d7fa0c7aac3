import fc from 'fast-check'
import { expect, test } from 'vitest'
import { kubernetesLeases } from '../../../src/adapters/kubernetes/leases.ts'
import { ONLY_OBSERVES, observing } from '../../../src/adapters/kubernetes/observing.ts'
import { kubernetesWrites } from '../../../src/adapters/kubernetes/writes.ts'
import type { KubernetesWrites } from '../../../src/ports.ts'
import { json, list, pod, scriptedApi, status } from './scripted-api.ts'

const ref = { namespace: 'default', name: 'a', uid: 'uid-a' }
const writes: readonly (readonly [string, (kubernetes: KubernetesWrites) => Promise<void>])[] = [
  ['a node is not patched', (kubernetes) => kubernetes.patchNode({ name: 'n1', uid: '1' }, { spec: { unschedulable: true } })],
  ['an attachment is not deleted', (kubernetes) => kubernetes.deleteAttachment({ name: 'a', uid: '1', isBeingDeleted: false })],
  ['a pod is not evicted', (kubernetes) => kubernetes.evictPod(ref)],
  ['a pod is not deleted', (kubernetes) => kubernetes.deletePod(ref, 0)],
  ['a node is not deleted', (kubernetes) => kubernetes.deleteNode({ name: 'n1', uid: '1' })],
]

test.each(writes)('observing: %s: it is refused with the remedy, and the API is not asked', async (_, write) => {
  await using api = await scriptedApi((__, response) => json(response, 200, {}))
  await expect(write(kubernetesWrites(observing(api.client)))).rejects.toMatchObject({
    name: 'Refused',
    message: expect.stringContaining(ONLY_OBSERVES),
  })
  expect(api.asked).toEqual([])
})

test('observing: what is read, and which powers there are, is asked', async () => {
  await using api = await scriptedApi((request, response) => {
    if (request.method === 'POST') return json(response, 201, { status: { allowed: true } })
    json(response, 200, request.at.pathname.endsWith('/pods') ? list('1', [pod('a', '1')]) : pod('a', '1'))
  })
  const kubernetes = kubernetesWrites(observing(api.client))
  expect(await kubernetes.missingPowers([{ verb: 'list', group: '', resource: 'pods' }])).toEqual([])
  expect(await kubernetes.listPodsOn('n1')).toHaveLength(1)
  expect((await kubernetes.getPod('default', 'a'))?.metadata.name).toBe('a')
})

test('observing: its own leases are taken and given back, and no other is made', async () => {
  const held = { metadata: { resourceVersion: '1' }, spec: {} }
  await using api = await scriptedApi((request, response) =>
    request.method === 'GET' ? json(response, 404, status(404)) : json(response, 200, held),
  )
  const client = observing(api.client)
  const place = { namespace: 'quartermaster', cluster: 'demo' }
  const lease = await kubernetesLeases(client, place).acquire('agent', 'me', new AbortController().signal)
  await lease.release()
  const changes = api.asked.filter((asked) => !asked.startsWith('GET')).map((asked) => asked.split(' ')[0])
  expect(changes).toEqual(['POST', 'PUT'])
  const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases'
  await expect(client.request('POST', leases, { body: { metadata: { name: 'kube-scheduler' } } })).rejects.toThrow(ONLY_OBSERVES)
  await expect(client.request('PUT', `${leases}/kube-scheduler`, { body: {} })).rejects.toThrow(ONLY_OBSERVES)
})

test('observing: whatever else is asked for, nothing but a GET leaves', async () => {
  await using api = await scriptedApi((_, response) => json(response, 200, {}))
  const client = observing(api.client)
  const segment = fc.constantFrom(
    'api',
    'apis',
    'v1',
    'pods',
    'a',
    'eviction',
    'selfsubjectaccessreviews',
    'leases',
    'quartermaster-x',
  )
  const paths = fc.array(segment, { minLength: 1, maxLength: 8 }).map((segments) => `/${segments.join('/')}`)
  const methods = fc.constantFrom('POST', 'PUT', 'PATCH', 'DELETE', 'post', 'Delete', 'CONNECT')
  await fc.assert(
    fc.asyncProperty(methods, paths, async (method, path) => {
      await expect(client.request(method, path, { body: {} })).rejects.toThrow(ONLY_OBSERVES)
    }),
  )
  expect(api.asked).toEqual([])
})
