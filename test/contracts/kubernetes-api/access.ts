import { expect, test } from 'vitest'
import type { Client } from '../../kubernetes-client.ts'
import type { Bed } from './bed.ts'
import { eviction, gatedPod } from './bed.ts'

const reviews = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
const review = (api: Client, resourceAttributes: object) =>
  api.post(reviews, {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes },
  })

/** Who may do what. */
export const access = (bed: () => Bed): void => {
  test('access: a wrong token is 401, and no token is somebody who may nothing', async () => {
    const { as } = bed()
    const wrong = await as('wrong').get('/api/v1/nodes')
    expect(wrong.body).toMatchObject({ kind: 'Status', status: 'Failure', reason: 'Unauthorized', code: 401 })
    const none = await as('').get('/api/v1/nodes')
    expect(none.body).toMatchObject({ kind: 'Status', reason: 'Forbidden', code: 403 })
    expect(none.body.message).toContain(
      'User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope',
    )
  })

  test('access: tells whether a power is there', async () => {
    const { api, as, cluster } = bed()
    const asked = { verb: 'create', resource: 'pods', subresource: 'eviction' }
    const granted = await review(api, asked)
    expect([granted.status, granted.body.status.allowed]).toEqual([201, true])
    const denied = await review(as(cluster.nobodysToken), asked)
    expect([denied.status, denied.body.status.allowed]).toEqual([201, false])
  })

  test('access: what is not allowed is 403 and names who, what and where', async () => {
    const { api, as, cluster, paths, space } = bed()
    const nobody = as(cluster.nobodysToken)
    await api.post(paths.pods, gatedPod('guarded'))
    const evicted = await nobody.post(`${paths.pods}/guarded/eviction`, eviction('guarded'))
    expect(evicted.body).toMatchObject({ code: 403, reason: 'Forbidden', details: { name: 'guarded', kind: 'pods' } })
    expect(evicted.body.message).toContain(`cannot create resource "pods/eviction" in API group "" in the namespace "${space}"`)
    const watched = await nobody.get(`${paths.pods}?watch=1`)
    expect(watched.body.message).toContain(`cannot watch resource "pods" in API group "" in the namespace "${space}"`)
  })
}
