import { expect, test } from 'vitest'
import { until } from '../../kubernetes-client.ts'
import type { Bed } from './bed.ts'
import { configMap, created, lease } from './bed.ts'

/** Create, replace and patch. */
export const writing = (bed: () => Bed): void => {
  test('writes: a second object of the same name is refused, and so is a stale one', async () => {
    const { api, paths } = bed()
    const one = lease('twice', { holderIdentity: 'a', leaseDurationSeconds: 15 })
    const first = await api.post(paths.leases, one)
    expect(first.status).toBe(201)
    expect((await api.post(paths.leases, one)).body).toMatchObject({ code: 409, reason: 'AlreadyExists' })
    const next = await api.put(`${paths.leases}/twice`, { ...first.body, spec: { ...first.body.spec, holderIdentity: 'b' } })
    expect(next.status).toBe(200)
    expect(Number(next.body.metadata.resourceVersion)).toBeGreaterThan(Number(first.body.metadata.resourceVersion))
    const stale = await api.put(`${paths.leases}/twice`, first.body)
    expect(stale.body).toMatchObject({ code: 409, reason: 'Conflict' })
    expect(stale.body.message).toContain('the object has been modified')
  })

  test('writes: what changes nothing is no new version', async () => {
    const { api, paths } = bed()
    const { metadata } = await created(api, paths.configMaps, configMap('same', { a: '1' }))
    const again = await api.patch(`${paths.configMaps}/same`, { data: { a: '1' } })
    expect([again.status, again.body.metadata.resourceVersion]).toEqual([200, metadata.resourceVersion])
  })

  test('writes: a dry run answers as the write would, and stores nothing', async () => {
    const { api, paths } = bed()
    expect((await api.post(`${paths.configMaps}?dryRun=All`, configMap('dry'))).status).toBe(201)
    expect((await api.get(`${paths.configMaps}/dry`)).status).toBe(404)
    await created(api, paths.configMaps, configMap('wet', { a: '1' }))
    expect((await api.patch(`${paths.configMaps}/wet?dryRun=All`, { data: { a: '2' } })).body.data.a).toBe('2')
    expect((await api.get(`${paths.configMaps}/wet`)).body.data.a).toBe('1')
  })

  test('writes: a lease wants six digits of a second', async () => {
    const { api, paths } = bed()
    expect((await api.post(paths.leases, lease('micro', { renewTime: '2026-01-01T00:00:00.123Z' }))).status).toBe(400)
    expect((await api.post(paths.leases, lease('micro', { renewTime: '2026-01-01T00:00:00.123456Z' }))).status).toBe(201)
  })

  test('writes: an event wants a type, an action, a name that is free and, if it is about the cluster, a namespace for that', async () => {
    const { api, paths, space } = bed()
    const path = '/apis/events.k8s.io/v1/namespaces/default/events'
    const event = (name: string, fields: object = {}) => ({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name, namespace: 'default' },
      eventTime: '2026-01-01T00:00:00.123456Z',
      type: 'Warning',
      reason: 'Tested',
      action: 'Test',
      note: 'a contract',
      regarding: { kind: 'Node', name: 'some-node' },
      reportingController: 'quartermaster.dev/contract',
      reportingInstance: 'contract-1',
      ...fields,
    })
    const name = `contract-${Date.now()}`
    expect((await api.post(path, event(name))).body).toMatchObject({ type: 'Warning', reason: 'Tested', action: 'Test' })
    expect((await api.post(path, event(name))).body).toMatchObject({ code: 409, reason: 'AlreadyExists' })
    expect((await api.get(`${path}/${name}`)).body.regarding).toMatchObject({ kind: 'Node', name: 'some-node' })
    expect((await api.post(path, event(`${name}-type`, { type: 'Odd' }))).status).toBe(422)
    expect((await api.post(path, event(`${name}-action`, { action: '' }))).status).toBe(422)
    const elsewhere = { kind: 'Pod', namespace: 'kube-system', name: 'some-pod' }
    expect((await api.post(path, event(`${name}-pod`, { regarding: elsewhere }))).status).toBe(201)
    const here = { metadata: { name, namespace: space } }
    expect((await api.post(paths.events, event(name, here))).status).toBe(422)
    expect((await api.post(paths.events, event(name, { ...here, regarding: elsewhere }))).status).toBe(201)
    expect((await api.delete(`${path}/${name}`)).status).toBe(200)
    expect((await api.delete(`${path}/${name}-pod`)).status).toBe(200)
  })

  test('writes: a patch merges, a JSON patch tests first, and other types are refused', async () => {
    const { api, node } = bed()
    const path = `/api/v1/nodes/${node}`
    const merged = await api.patch(path, { metadata: { labels: { added: 'yes' } } })
    expect(merged.body.metadata.labels).toMatchObject({ added: 'yes', contract: 'node' })
    const removed = await api.patch(path, { metadata: { labels: { added: null } } })
    expect(removed.body.metadata.labels.added).toBeUndefined()
    const wrong = [
      { op: 'test', path: '/metadata/uid', value: 'other' },
      { op: 'add', path: '/spec/unschedulable', value: true },
    ]
    expect((await api.patch(path, wrong, 'json-patch+json')).status).toBe(422)
    const right = [
      { op: 'test', path: '/metadata/uid', value: merged.body.metadata.uid },
      { op: 'add', path: '/metadata/labels/x', value: 'y' },
    ]
    expect((await api.patch(path, right, 'json-patch+json')).body.metadata.labels.x).toBe('y')
    expect((await api.patch(path, {}, 'unheard-of+json')).body).toMatchObject({ code: 415, reason: 'UnsupportedMediaType' })
    expect((await api.patch(`${path}-none`, {})).status).toBe(404)
  })

  test('writes: a strategic patch joins lists by their key', async () => {
    const { api, node } = bed()
    const condition = { type: 'Contract', status: 'True', reason: 'Test' }
    const path = `/api/v1/nodes/${node}/status`
    const before = (await api.get(`/api/v1/nodes/${node}`)).body.status.conditions.map(({ type }: any) => type)
    const { body } = await api.patch(path, { status: { conditions: [condition] } }, 'strategic-merge-patch+json')
    const after = body.status.conditions.map(({ type }: any) => type)
    expect(after.toSorted()).toEqual([...before, 'Contract'].toSorted())
  })

  test('writes: a patch and a replacement that name a version or a UID are held to it', async () => {
    const { api, node } = bed()
    const path = `/api/v1/nodes/${node}`
    const patch = { metadata: { resourceVersion: '1', labels: { never: 'set' } } }
    expect((await api.patch(path, patch)).status).toBe(409)
    const other = (await api.patch(path, { metadata: { uid: 'other', labels: { never: 'set' } } })).body
    expect(other).toMatchObject({ code: 422, reason: 'Invalid', details: { kind: 'Node', name: node } })
    expect(other.details.causes).toContainEqual(expect.objectContaining({ reason: 'FieldValueInvalid', field: 'metadata.uid' }))
    const { body } = await api.get(path)
    expect(body.metadata.labels.never).toBeUndefined()
    const replaced = await api.put(path, { ...body, metadata: { ...body.metadata, uid: 'other' } })
    expect(replaced.body).toMatchObject({ code: 409, reason: 'Conflict' })
  })

  test('writes: the status is written apart from the rest', async () => {
    const { api, node } = bed()
    const path = `/api/v1/nodes/${node}`
    const spec = await api.patch(path, { status: { nodeInfo: { kernelVersion: 'contract' } } })
    expect(spec.body.status.nodeInfo?.kernelVersion).not.toBe('contract')
    const status = await api.patch(`${path}/status`, { spec: { unschedulable: true } })
    expect([status.status, status.body.spec.unschedulable]).toEqual([200, undefined])
  })

  test('writes: an object that is no good is refused with its causes', async () => {
    const { api, paths } = bed()
    const empty = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'empty' }, spec: { containers: [] } }
    const { status, body } = await api.post(paths.pods, empty)
    expect(status).toBe(422)
    expect(body).toMatchObject({ reason: 'Invalid', details: { kind: 'Pod', name: 'empty' } })
    expect(body.details.causes[0]).toMatchObject({ reason: 'FieldValueRequired', field: 'spec.containers' })
    expect((await api.post(paths.pods, { ...empty, kind: 'Node' })).status).toBe(400)
    expect((await api.call('POST', paths.pods, '{"kind":')).status).toBe(400)
    const elsewhere = await api.post('/api/v1/namespaces/nowhere/configmaps', configMap('lost'))
    expect(elsewhere.body).toMatchObject({ code: 404, details: { name: 'nowhere', kind: 'namespaces' } })
  })

  test('writes: the cordon taint comes after the patch, from the controller', async () => {
    const { api, node } = bed()
    const path = `/api/v1/nodes/${node}`
    const taints = (body: any): string[] => (body.spec.taints ?? []).map((each: any) => each.key)
    const cordoned = await api.patch(path, { spec: { unschedulable: true } })
    expect(taints(cordoned.body)).not.toContain('node.kubernetes.io/unschedulable')
    await until('the taint is there', async () => taints((await api.get(path)).body).includes('node.kubernetes.io/unschedulable'))
    await api.patch(path, { spec: { unschedulable: null } })
    await until('the taint is gone', async () => !taints((await api.get(path)).body).includes('node.kubernetes.io/unschedulable'))
  })
}
