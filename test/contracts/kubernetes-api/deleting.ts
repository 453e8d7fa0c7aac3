import { expect, test } from 'vitest'
import { until } from '../../kubernetes-client.ts'
import type { Bed } from './bed.ts'
import { addNode, configMap, created, deployment, gatedPod, lease, podSpec } from './bed.ts'

/** Deletion, with preconditions, finalizers and owners. */
export const deleting = (bed: () => Bed): void => {
  test('deletion: its preconditions are held', async () => {
    const { api, paths } = bed()
    const { metadata } = await created(api, paths.leases, lease('going'))
    const path = `${paths.leases}/going`
    const other = await api.delete(path, { preconditions: { uid: 'other' } })
    expect(other.body).toMatchObject({ code: 409, reason: 'Conflict' })
    expect((await api.delete(path, { preconditions: { resourceVersion: '1' } })).body).toMatchObject({ code: 409 })
    expect((await api.delete(`${path}?dryRun=All`)).status).toBe(200)
    const gone = await api.delete(path, { preconditions: { uid: metadata.uid } })
    expect(gone.body).toMatchObject({ kind: 'Status', status: 'Success', details: { name: 'going', uid: metadata.uid } })
    expect((await api.get(path)).status).toBe(404)
    expect((await api.delete(path)).status).toBe(404)
  })

  test('deletion: a finalizer holds the object until it is taken away', async () => {
    const { api, paths } = bed()
    const held = { ...configMap('held'), metadata: { name: 'held', finalizers: ['example.com/hold'] } }
    const { metadata } = await created(api, paths.configMaps, held)
    const path = `${paths.configMaps}/held`
    expect((await api.delete(path)).body.metadata).toMatchObject({ uid: metadata.uid, deletionTimestamp: expect.any(String) })
    expect((await api.get(path)).body.metadata.deletionTimestamp).toBeDefined()
    expect((await api.post(paths.configMaps, held)).body).toMatchObject({ code: 409, reason: 'AlreadyExists' })
    await api.patch(path, { metadata: { finalizers: null } })
    expect((await api.get(path)).status).toBe(404)
  })

  test('deletion: a pod that was never bound goes at once', async () => {
    const { api, paths } = bed()
    await created(api, paths.pods, gatedPod('unbound'))
    expect((await api.delete(`${paths.pods}/unbound`)).status).toBe(200)
    expect((await api.get(`${paths.pods}/unbound`)).status).toBe(404)
  })

  test('deletion: the pods of a node that is gone stay for a while, and then go by force', { timeout: 240_000 }, async () => {
    const { api, paths, space, readyPods } = bed()
    const name = `${space}-lost`
    await addNode(api, name)
    const metadata = { name: 'lost', labels: { app: 'lost' } }
    await created(api, paths.pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec: { ...podSpec, nodeName: name } })
    await readyPods('lost', 1)
    expect((await api.delete(`/api/v1/nodes/${name}`)).status).toBe(200)
    expect((await api.get(`${paths.pods}/lost`)).body.metadata.deletionTimestamp).toBeUndefined()
    // A real one waits for 40 seconds whether the node comes again.
    await until('the pod is gone', async () => (await api.get(`${paths.pods}/lost`)).status === 404, { longestMs: 200_000 })
  })

  test('deletion: what an owner made goes after it', async () => {
    const { api, paths, readyPods } = bed()
    await created(api, paths.deployments, deployment('owner', 2))
    await readyPods('owner', 2)
    await api.delete(`${paths.deployments}/owner`)
    await until(
      'its pods are gone',
      async () => (await api.get(`${paths.pods}?labelSelector=app%3Downer`)).body.items.length === 0,
    )
  })
}
