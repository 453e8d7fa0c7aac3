import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { kubernetesWrites } from '../../../src/adapters/kubernetes/writes.ts'
import { Blocked, Gone, Refused, Unavailable } from '../../../src/ports.ts'
import { json, list, pod, scriptedApi, status } from './scripted-api.ts'

const web = { namespace: 'default', name: 'web', uid: 'u1' }
const budget = { details: { causes: [{ reason: 'DisruptionBudget', message: 'needs 5' }] } }
const failure = async (code: number, body: unknown, headers = {}): Promise<unknown> => {
  await using api = await scriptedApi((_, response) => json(response, code, body, headers))
  return await kubernetesWrites(api.client)
    .evictPod(web)
    .catch((error: unknown) => error)
}

test('writes: evicts with the UID as precondition and our token', async () => {
  const seen: unknown[] = []
  await using api = await scriptedApi((request, response) => {
    seen.push(request.method, request.url, JSON.parse(request.body), request.headers.authorization)
    json(response, 201, status(201))
  })
  await kubernetesWrites(api.client).evictPod(web)
  expect(seen).toEqual([
    'POST',
    '/api/v1/namespaces/default/pods/web/eviction',
    {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { namespace: 'default', name: 'web' },
      deleteOptions: { preconditions: { uid: 'u1' } },
    },
    'Bearer secret',
  ])
})

test('writes: names every refusal of an eviction', async () => {
  expect(await failure(404, status(404, 'no such pod'))).toBeInstanceOf(Gone)
  expect(await failure(409, status(409, 'Precondition failed: UID in precondition: u1, UID in object meta: u2'))).toBeInstanceOf(
    Gone,
  )
  expect(await failure(409, status(409, 'the object has been modified'))).toBeInstanceOf(Unavailable)
  expect(await failure(429, status(429, 'needs 5', budget))).toMatchObject({ name: 'Blocked', retryAfterMs: undefined })
  expect(await failure(429, status(429, 'still being processed', budget), { 'retry-after': '10' })).toMatchObject({
    retryAfterMs: 10_000,
  })
  expect(await failure(429, status(429, 'too many requests'))).not.toBeInstanceOf(Blocked)
  expect(await failure(429, status(429, 'too many requests'))).toBeInstanceOf(Unavailable)
  expect(
    await failure(
      500,
      status(500, 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.'),
    ),
  ).toBeInstanceOf(Refused)
  expect(await failure(503, 'not JSON')).toBeInstanceOf(Unavailable)
  expect(await failure(400, status(400, 'bad name'))).toBeInstanceOf(Refused)
  expect(String(await failure(403, status(403, 'no')))).toMatch(/POST .*eviction.*the verb create/)
})

test('writes: asks for new credentials once when the API does not know ours', async () => {
  let asked = 0
  await using api = await scriptedApi((_, response) => json(response, ++asked === 1 ? 401 : 201, status(401)))
  await kubernetesWrites(api.client).evictPod(web)
  expect(asked).toBe(2)
  expect(await failure(401, status(401, 'Unauthorized'))).toBeInstanceOf(Refused)
})

test('writes: patches a node only if it is still the one that was meant', async () => {
  let body: unknown
  await using api = await scriptedApi((request, response) => {
    body = JSON.parse(request.body)
    json(response, 422, status(422, 'Invalid', { details: { causes: [{ field: 'metadata.uid', reason: 'FieldValueInvalid' }] } }))
  })
  const patched = kubernetesWrites(api.client).patchNode(
    { name: 'n1', uid: 'u1' },
    { spec: { unschedulable: true }, metadata: { labels: { a: 'b' } } },
  )
  await expect(patched).rejects.toBeInstanceOf(Gone)
  expect(body).toEqual({ spec: { unschedulable: true }, metadata: { labels: { a: 'b' }, uid: 'u1' } })
})

test('writes: never puts a name into a path that would mean another object', async () => {
  await using api = await scriptedApi((_, response) => json(response, 200, status(200)))
  const writes = kubernetesWrites(api.client)
  for (const name of ['', '.', '..', 'a/b', '../pods', 'a?b', 'a%2Fb'])
    await expect(writes.deleteNode({ name, uid: 'u' })).rejects.toBeInstanceOf(Refused)
  expect(api.asked).toEqual([])
})

test('writes: reads every pod on a node, page by page, without what nobody needs', async () => {
  await using api = await scriptedApi((request, response) =>
    json(
      response,
      200,
      request.at.searchParams.get('continue') ? list('7', [pod('b', '2')]) : list('7', [pod('a', '1')], 'next'),
    ),
  )
  const pods = await kubernetesWrites(api.client).listPodsOn('n1')
  expect(pods.map(({ metadata }) => metadata.name)).toEqual(['a', 'b'])
  expect(JSON.stringify(pods)).not.toContain('hunter2')
})

test('writes: keeps of the annotations only those that some actor reads, and a value only if it makes sense', async () => {
  const annotations = {
    'kubectl.kubernetes.io/last-applied-configuration': 'hunter2',
    'karpenter.sh/do-not-disrupt': 'true',
    'cluster-autoscaler.kubernetes.io/safe-to-evict': 'hunter2',
    token: 'x',
  }
  await using api = await scriptedApi((_, response) => json(response, 200, pod('a', '1', { annotations })))
  const read = await kubernetesWrites(api.client).getPod('default', 'a')
  expect(read?.metadata.annotations).toEqual({
    'karpenter.sh/do-not-disrupt': 'true',
    'cluster-autoscaler.kubernetes.io/safe-to-evict': '<redacted>',
  })
})

test('writes: reads an answer that is compressed, and nothing where there is nothing', async () => {
  await using api = await scriptedApi((request, response) => {
    if (request.url?.endsWith('/b')) return json(response, 404, status(404))
    response.writeHead(200, { 'content-encoding': 'gzip' })
    response.end(gzipSync(JSON.stringify(pod('a', '1'))))
  })
  const writes = kubernetesWrites(api.client)
  expect((await writes.getPod('default', 'a'))?.metadata.uid).toBe('uid-a')
  expect(await writes.getPod('default', 'b')).toBeUndefined()
})

test('writes: an API that does not answer is unavailable, and an abort is an abort', async () => {
  await using api = await scriptedApi((request) => void request.socket.destroy())
  const writes = kubernetesWrites(api.client)
  await expect(writes.getNode('n1')).rejects.toBeInstanceOf(Unavailable)
  await expect(api.client.request('GET', '/slow', { timeoutMs: 1 })).rejects.toBeInstanceOf(Unavailable)
  await expect(writes.getNode('n1', AbortSignal.abort(new Error('held')))).rejects.toThrow('held')
})

test('writes: says which powers are missing', async () => {
  await using api = await scriptedApi((request, response) =>
    json(response, 201, { status: { allowed: JSON.parse(request.body).spec.resourceAttributes.verb === 'list' } }),
  )
  const [can, cannot] = [
    { verb: 'list', group: '', resource: 'pods' },
    { verb: 'create', group: '', resource: 'pods', subresource: 'eviction' },
  ]
  expect(await kubernetesWrites(api.client).missingPowers([can, cannot])).toEqual([cannot])
})

test('writes: a node is changed only in the version that was read, and nothing else of it', async () => {
  const taint = { key: 'a', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' }
  const metadata = { name: 'n1', uid: 'u1', resourceVersion: '7' }
  let [code, body]: [number, unknown] = [200, undefined]
  await using api = await scriptedApi((request, response) => {
    if (request.method === 'GET') return json(response, 200, { metadata, spec: { taints: [taint] } })
    body = [request.headers['content-type'], JSON.parse(request.body)]
    json(response, code, status(code, 'the object has been modified'))
  })
  const { changeNode } = kubernetesWrites(api.client)
  const node = { kind: 'Node', metadata, spec: {}, status: { allocatable: {} } } as const
  const added = { key: 'b', effect: 'NoSchedule', is: 'added' } as const
  await changeNode(node, { annotations: { note: null }, unschedulable: true, taint: added })
  expect(body).toEqual([
    'application/merge-patch+json',
    {
      metadata: { uid: 'u1', resourceVersion: '7', annotations: { note: null } },
      spec: { unschedulable: true, taints: [taint, { key: 'b', effect: 'NoSchedule' }] },
    },
  ])
  code = 409
  await expect(changeNode(node, { annotations: {} })).rejects.toBeInstanceOf(Unavailable)
  const [older, other] = [{ resourceVersion: '6' }, { uid: 'u2' }].map((more) => ({
    ...node,
    metadata: { ...metadata, ...more },
  }))
  await expect(changeNode(older as typeof node, { annotations: {} })).rejects.toBeInstanceOf(Unavailable)
  await expect(changeNode(other as typeof node, { annotations: {} })).rejects.toBeInstanceOf(Gone)
})

const attachment = (name: string, nodeName: string, more: object = {}) => ({
  metadata: { name, uid: `uid-${name}`, ...more },
  spec: { nodeName, source: { persistentVolumeName: `pv-${name}` } },
})

test('writes: the VolumeAttachments of many nodes are one list, of which everybody gets his', async () => {
  const items = [attachment('a', 'n1'), attachment('b', 'n2', { deletionTimestamp: '2026-01-01T00:00:00Z' })]
  await using api = await scriptedApi((_, response) => json(response, 200, { kind: 'VolumeAttachmentList', metadata: {}, items }))
  const { attachmentsOf } = kubernetesWrites(api.client)
  const [one, two, three] = await Promise.all(['n1', 'n2', 'n3'].map((node) => attachmentsOf(node)))
  expect(one).toEqual([{ name: 'a', uid: 'uid-a', volume: 'pv-a', isBeingDeleted: false }])
  expect(two).toEqual([{ name: 'b', uid: 'uid-b', volume: 'pv-b', isBeingDeleted: true }])
  expect(three).toEqual([])
  expect(api.asked).toHaveLength(1)
})

test('writes: an API without VolumeAttachments has none, and one without sense is not believed', async () => {
  let answer: readonly [number, unknown] = [404, '404 page not found']
  await using api = await scriptedApi((_, response) => json(response, ...answer))
  expect(await kubernetesWrites(api.client).attachmentsOf('n1')).toEqual([])
  answer = [200, { kind: 'VolumeAttachmentList', metadata: {}, items: [{ metadata: {} }] }]
  await expect(kubernetesWrites(api.client).attachmentsOf('n1')).rejects.toBeInstanceOf(Unavailable)
})

test('writes: a claim names its volume, if it has one', async () => {
  const claims: Record<string, unknown> = { bound: { spec: { volumeName: 'pv' } }, pending: { spec: {} } }
  await using api = await scriptedApi((request, response) => {
    const claim = claims[request.at.pathname.split('/').at(-1) ?? '']
    json(response, claim ? 200 : 404, claim ?? status(404))
  })
  const { volumeOf } = kubernetesWrites(api.client)
  expect(await Promise.all(['bound', 'pending', 'none'].map((name) => volumeOf('default', name)))).toEqual([
    'pv',
    undefined,
    undefined,
  ])
})
