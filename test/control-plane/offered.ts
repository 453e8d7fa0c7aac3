import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Bed } from '../contracts/kubernetes-api/bed.ts'
import { addNode, configMap, created, deployment } from '../contracts/kubernetes-api/bed.ts'
import { until } from '../kubernetes-client.ts'
import { makeRequest } from './identity.ts'
import type { ControlPlane } from './start.ts'

const CERTIFICATES = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const RBAC = '/apis/rbac.authorization.k8s.io/v1'

/** What a real control plane offers and the simulated cluster refuses; docs/simulated-cluster.md lists it. */
export const offeredByKubernetes = (bed: () => Bed, plane: () => ControlPlane): void => {
  test('apply: a field has a manager, another one is refused, and force takes it over', async () => {
    const { api, paths } = bed()
    const apply = (manager: string, value: string, more = '') =>
      api.patch(
        `${paths.configMaps}/applied?${manager === '' ? '' : `fieldManager=${manager}`}${more}`,
        configMap('applied', { key: value }),
        'apply-patch+yaml',
      )
    expect([(await apply('one', '1')).status, (await apply('one', '1')).status]).toEqual([201, 200])
    const refused = (await apply('two', '2')).body
    expect(refused).toMatchObject({ code: 409, reason: 'Conflict' })
    expect(refused.details.causes).toEqual([
      { reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.key' },
    ])
    expect((await apply('two', '2', '&force=true')).body.data.key).toBe('2')
    expect((await apply('', '3')).status).toBe(422)
  })

  test('writes: an unknown field is dropped with a warning, or refused where that is asked for', async () => {
    const { api, paths } = bed()
    const odd = { ...configMap('odd'), colour: 'red' }
    const strict = await api.post(`${paths.configMaps}?fieldValidation=Strict`, odd)
    expect(strict.body).toMatchObject({ code: 400, reason: 'BadRequest' })
    const { status, headers, body } = await api.post(paths.configMaps, odd)
    expect([status, body.colour]).toEqual([201, undefined])
    expect(headers.get('warning')).toMatch(/unknown field .*colour/)
  })

  test('access: a power is there as soon as a role is bound', async () => {
    const { api, as, cluster } = bed()
    const rules = [{ apiGroups: [''], resources: ['nodes'], verbs: ['list'] }]
    await created(api, `${RBAC}/clusterroles`, { metadata: { name: 'sees-nodes' }, rules })
    const nobody = as(cluster.nobodysToken)
    expect((await nobody.get('/api/v1/nodes')).status).toBe(403)
    await created(api, `${RBAC}/clusterrolebindings`, {
      metadata: { name: 'sees-nodes' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'sees-nodes' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'nobody' }],
    })
    await until('the power is there', async () => (await nobody.get('/api/v1/nodes')).status === 200)
  })

  /** Makes a request for a certificate. @returns its name and the key */
  const requested = async (subject: string, signerName: string, usages: readonly string[]) => {
    const name = `request-${randomBytes(4).toString('hex')}`
    const { key, request } = makeRequest(subject)
    const spec = { request: Buffer.from(request).toString('base64'), signerName, usages }
    const answer = await bed().api.post(CERTIFICATES, {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name },
      spec,
    })
    return { name, key, answer }
  }
  const approve = async (name: string) => {
    const { body } = await bed().api.get(`${CERTIFICATES}/${name}`)
    const condition = { type: 'Approved', status: 'True', reason: 'Test', message: 'approved by the test' }
    return bed().api.put(`${CERTIFICATES}/${name}/approval`, {
      ...body,
      status: { ...body.status, conditions: [...(body.status.conditions ?? []), condition] },
    })
  }
  const status = async (name: string) => (await bed().api.get(`${CERTIFICATES}/${name}`)).body.status

  test('certificates: a request that is approved is signed, and the certificate works', async () => {
    const client = 'kubernetes.io/kube-apiserver-client'
    const { name, key } = await requested('/CN=somebody', client, ['client auth'])
    expect((await status(name)).certificate).toBeUndefined()
    expect((await approve(name)).status).toBe(200)
    const pem = await until('it is signed', async () => (await status(name)).certificate as string | undefined)
    const somebody = plane().withCertificate(Buffer.from(pem, 'base64').toString(), key)
    const { body } = await somebody.get('/api/v1/nodes')
    expect(body).toMatchObject({ code: 403, message: expect.stringContaining('User "somebody" cannot list') })
  })

  test('certificates: nobody becomes an administrator, and a server without a name fails', async () => {
    const { answer } = await requested('/O=system:masters/CN=root', 'kubernetes.io/kube-apiserver-client', ['client auth'])
    expect(answer.status).toBe(403)
    const usages = ['digital signature', 'server auth']
    const kubelet = await requested('/O=system:nodes/CN=system:node:x', 'kubernetes.io/kubelet-serving', usages)
    await approve(kubelet.name)
    const failed = await until('it is judged', async () =>
      ((await status(kubelet.name)).conditions ?? []).find(({ type }: any) => type === 'Failed'),
    )
    expect(failed.reason).toBe('SignerValidationFailure')
  })

  test('volumes: an attachment is what the test says it is', async () => {
    const { api, node: name } = bed()
    const path = '/apis/storage.k8s.io/v1/volumeattachments'
    const spec = { attacher: 'csi.example.com', nodeName: name, source: { persistentVolumeName: 'volume' } }
    await created(api, path, { apiVersion: 'storage.k8s.io/v1', kind: 'VolumeAttachment', metadata: { name: 'attached' }, spec })
    expect((await api.patch(`${path}/attached/status`, { status: { attached: true } })).body.status.attached).toBe(true)
    await api.delete(`${path}/attached`)
  })

  test('nodes: a NoExecute taint moves the pods, and says so in an event', async () => {
    const { api, paths, space, readyPods } = bed()
    await created(api, paths.deployments, deployment('chased', 1))
    const [pod] = await readyPods('chased', 1)
    const from = pod.spec.nodeName
    await addNode(api, `${space}-refuge`)
    await api.patch(`/api/v1/nodes/${from}`, { spec: { taints: [{ key: 'chased', effect: 'NoExecute' }] } })
    await until('it runs elsewhere', async () => (await readyPods('chased', 1))[0].spec.nodeName !== from)
    await until('the event is told', async () => {
      const { items } = (await api.get(`${paths.core}/events?fieldSelector=reason%3DTaintManagerEviction`)).body
      return items.some(({ involvedObject }: any) => involvedObject.name === pod.metadata.name)
    })
    await api.patch(`/api/v1/nodes/${from}`, { spec: { taints: null } })
    await api.delete(`${paths.deployments}/chased`)
    await api.delete(`/api/v1/nodes/${space}-refuge`)
  })

  test('openapi: the index names each group with the hash of its description', async () => {
    const { paths } = (await bed().api.get('/openapi/v3')).body
    expect(paths['apis/apps/v1'].serverRelativeURL).toMatch(/^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]+$/)
  })
}
