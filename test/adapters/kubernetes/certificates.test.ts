import { expect, test } from 'vitest'
import { certificateRequests } from '../../../src/adapters/kubernetes/certificates.ts'
import type { CertificateRequest } from '../../../src/events/certificates.ts'
import { Refused, Unavailable } from '../../../src/ports.ts'
import { until } from '../../kubernetes-client.ts'
import { type Answer, json, line, scriptedApi, status } from './scripted-api.ts'

const csr = (name: string, more: object = {}) => ({
  kind: 'CertificateSigningRequest',
  metadata: { name, uid: `uid-${name}`, resourceVersion: '5', creationTimestamp: '2026-11-30T12:00:00Z' },
  spec: {
    request: 'cGVt',
    signerName: 'kubernetes.io/kubelet-serving',
    username: 'system:node:a',
    groups: ['g'],
    usages: ['server auth'],
  },
  ...more,
})
const pages = (items: readonly unknown[], token = '') => ({
  kind: 'CertificateSigningRequestList',
  apiVersion: 'certificates.k8s.io/v1',
  metadata: { resourceVersion: '9', continue: token },
  items,
})
const reading = {
  pkcs10: async () => ({ unreadable: 'not read here' }),
  address: (text: string) => (text === '?' ? undefined : text),
}

test('certificates: read as far as they are judged; what is not there is nothing, what makes no sense is not believed', async () => {
  const conditions = [
    { type: 'Approved', status: 'True', reason: 'QuartermasterApproved' },
    { type: 'Failed', reason: 'No', message: 'why' },
  ]
  const answers: Readonly<Record<string, unknown>> = {
    a: csr('a', { status: { conditions, certificate: 'cGVt' } }),
    long: csr('long', { spec: { ...csr('long').spec, request: 'A'.repeat(30_000) } }),
    odd: { kind: 'CertificateSigningRequest', metadata: {} },
  }
  await using api = await scriptedApi(({ at }, response) => {
    const found = answers[at.pathname.split('/').at(-1) ?? '']
    json(response, found ? 200 : 404, found ?? status(404))
  })
  const requests = certificateRequests(api.client, reading)
  expect(await requests.read('a')).toMatchObject({
    uid: 'uid-a',
    createdAt: Date.parse('2026-11-30T12:00:00Z'),
    conditions: ['Approved', 'Failed'],
    approvedByUs: true,
    issued: true,
    failure: 'No: why',
    pkcs10: { unreadable: 'not read here' },
  })
  expect(await requests.read('long')).toMatchObject({ pem: '', pkcs10: { unreadable: expect.stringMatching(/longer than/) } })
  expect(await requests.read('none')).toBeUndefined()
  await expect(requests.read('odd')).rejects.toThrow(Unavailable)
  await expect(requests.read('../nodes')).rejects.toThrow(Refused)
})

test('certificates: of a node its names and addresses, and whether it is ready', async () => {
  const addresses = [
    { type: 'Hostname', address: 'a' },
    { type: 'InternalIP', address: '10.0.0.1' },
    { type: 'InternalIP', address: '?' },
    { type: 'Other', address: 'x' },
  ]
  const node = { metadata: { name: 'a' }, status: { addresses, conditions: [{ type: 'Ready', status: 'True' }] } }
  await using api = await scriptedApi((_, response) => json(response, 200, node))
  const found = await certificateRequests(api.client, reading).node('a')
  expect(found).toEqual({ name: 'a', ready: true, dnsNames: ['a'], ipAddresses: ['10.0.0.1'] })
})

test('certificates: approves exactly the version that was judged', async () => {
  const seen: unknown[] = []
  await using api = await scriptedApi((request, response) => {
    seen.push(request.method, request.url, request.headers['content-type'], JSON.parse(request.body))
    json(response, seen.length > 4 ? 409 : 200, seen.length > 4 ? status(409, 'the object has been modified') : {})
  })
  const { approve } = certificateRequests(api.client, reading)
  await approve({ name: 'a', uid: 'u', resourceVersion: '5' }, 'why')
  expect(seen).toEqual([
    'PATCH',
    '/apis/certificates.k8s.io/v1/certificatesigningrequests/a/approval',
    'application/strategic-merge-patch+json',
    {
      metadata: { uid: 'u', resourceVersion: '5' },
      status: { conditions: [{ type: 'Approved', status: 'True', reason: 'QuartermasterApproved', message: 'why' }] },
    },
  ])
  await expect(approve({ name: 'a', uid: 'u', resourceVersion: '5' }, 'why')).rejects.toThrow(Unavailable)
})

test('certificates: follows every page and then every change; cut off, it says so and lists again', async () => {
  let lists = 0
  const answer: Answer = ({ at }, response) => {
    const { searchParams } = at
    if (searchParams.has('watch')) {
      response.writeHead(200)
      response.write(line('ADDED', csr(`new-${lists}`)) + line('BOOKMARK', { metadata: {} }) + line('ADDED', { kind: 'odd' }))
      return void (lists === 1 ? setTimeout(() => response.destroy(), 50) : undefined)
    }
    if (searchParams.get('continue') === 'more') return json(response, 200, pages([csr('second')]))
    lists += 1
    json(response, 200, pages([csr('first')], 'more'))
  }
  await using api = await scriptedApi(answer)
  const told: string[] = []
  const failures: string[] = []
  const stop = new AbortController()
  const onRequest = async ({ name }: CertificateRequest): Promise<void> => void told.push(name)
  const following = certificateRequests(api.client, reading).follow(onRequest, (reason) => failures.push(reason), stop.signal)
  await until('it has listed again', async () => told.includes('new-2'))
  stop.abort()
  await following
  expect(told).toEqual(['first', 'second', 'new-1', 'first', 'second', 'new-2'])
  expect(failures).toHaveLength(1)
})
