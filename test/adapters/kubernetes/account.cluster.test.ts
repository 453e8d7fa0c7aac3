import { afterAll, beforeAll, expect, test } from 'vitest'
import { guardAccount, OBJECTS_ACCOUNT } from '../../../src/actors/controller/guard-account.ts'
import { fixedAccess } from '../../../src/adapters/kubernetes/access.ts'
import { accountAccess } from '../../../src/adapters/kubernetes/account.ts'
import { type KubernetesClient, kubernetesClient } from '../../../src/adapters/kubernetes/client.ts'
import { kubernetesObjects } from '../../../src/adapters/kubernetes/objects.ts'
import { Guard } from '../../../src/events/guard.ts'
import { controlPlaneForTest } from '../../control-plane/for-test.ts'
import type { ControlPlane } from '../../control-plane/start.ts'
import { until } from '../../kubernetes-client.ts'

let plane: ControlPlane
let own: KubernetesClient
let granted: KubernetesClient
const PLACE = { namespace: 'quartermaster', serviceAccount: 'quartermaster' }
const map = (namespace: string, name: string) => ({ group: '', version: 'v1', resource: 'configmaps', namespace, name })
const manifest = ({ name, namespace }: ReturnType<typeof map>, data: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data,
})

beforeAll(async () => {
  plane = await controlPlaneForTest()
  const access = fixedAccess({ server: plane.url, token: plane.token, ca: plane.ca })
  own = kubernetesClient(access)
  granted = kubernetesClient(accountAccess(own, access, PLACE.namespace, OBJECTS_ACCOUNT))
  for (const name of ['quartermaster', 'web'])
    await plane.api.post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
}, 120_000)
afterAll(async () => {
  await granted?.close()
  await own?.close()
  await plane?.stop()
}, 60_000)

/** Where kubectl would post it. */
const pathOf = ({ apiVersion, kind, metadata: { namespace } }: any): string => {
  const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`
  return `${root}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${kind.toLowerCase()}s`
}

test('the account of the guard: missing it says how it is made; made, it may do what is listed and nothing else', async () => {
  const objects = kubernetesObjects(granted)
  const made = map('web', 'made')
  await expect(objects.create(made, manifest(made))).rejects.toThrow(
    /no service account quartermaster\/quartermaster-objects: make it with/,
  )
  const rules = [{ verbs: ['Create', 'Patch'], group: '', resource: 'configmaps', namespaces: ['web'], names: ['made'] }]
  for (const item of guardAccount(Guard.parse({ objects: rules }), PLACE)) {
    const { status, body } = await plane.api.post(pathOf(item), item)
    expect([status, body.message]).toEqual([201, undefined])
  }
  const uid = await until('the rights are known', () => objects.create(made, manifest(made, { a: '1' })).catch(() => undefined))
  await objects.patch(made, 'merge', { metadata: { uid }, data: { a: '2' } })
  expect((await objects.read(made))?.body['data']).toEqual({ a: '2' })
  // Kubernetes can't limit `create` by name; everything else it does.
  const other = map('web', 'other')
  await objects.create(other, manifest(other))
  await expect(objects.read(other)).rejects.toThrow(/403/)
  await expect(objects.remove(made, uid)).rejects.toThrow(/403/)
  await expect(objects.create(map('default', 'made'), manifest(map('default', 'made')))).rejects.toThrow(/403/)
  await expect(objects.read({ group: '', version: 'v1', resource: 'nodes', name: 'any' })).rejects.toThrow(/403/)
})
