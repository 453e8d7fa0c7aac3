import { expect, test } from 'vitest'
import type { Bed } from './bed.ts'

/** Discovery, and what is not there. */
export const describing = (bed: () => Bed): void => {
  test('api: says 404 for a kind and for an object that are not there', async () => {
    const { api, paths } = bed()
    const unknown = await api.get('/apis/apps/v1/gizmos')
    expect(unknown.status).toBe(404)
    const { status, body } = await api.get(`${paths.pods}/none`)
    expect(status).toBe(404)
    expect(body).toMatchObject({
      reason: 'NotFound',
      message: 'pods "none" not found',
      details: { name: 'none', kind: 'pods' },
    })
  })

  test('api: a group that nobody serves is 404 in plain text, not a Status', async () => {
    const { status, body, headers } = await bed().api.get('/apis/metrics.k8s.io/v1beta1/nodes')
    expect([status, body.trim()]).toEqual([404, '404 page not found'])
    expect(headers.get('content-type')).toContain('text/plain')
  })

  test('api: describes itself for clients that discover it', async () => {
    const { api } = bed()
    const core = (await api.get('/api/v1')).body
    expect(core.resources.map((each: any) => each.name)).toEqual(
      expect.arrayContaining(['nodes', 'nodes/status', 'pods', 'pods/eviction', 'pods/binding', 'configmaps', 'namespaces']),
    )
    const groups = (await api.get('/apis')).body.groups.map((each: any) => each.name)
    expect(groups).toEqual(expect.arrayContaining(['apps', 'policy', 'coordination.k8s.io', 'authorization.k8s.io']))
    const { resources } = (await api.get('/apis/policy/v1')).body
    expect(resources.find((each: any) => each.name === 'poddisruptionbudgets')).toMatchObject({
      kind: 'PodDisruptionBudget',
      namespaced: true,
      verbs: expect.arrayContaining(['get', 'list', 'watch', 'patch']),
    })
    expect((await api.get('/version')).body).toMatchObject({ major: '1', gitVersion: expect.stringMatching(/^v1\.\d+\.\d+/) })
  })

  test('api: answers in a form that the client can read, or refuses with 406', async () => {
    const { api } = bed()
    const accepting = (accept: string) => api.get('/api/v1/namespaces/default', { headers: { accept } })
    expect((await accepting('application/vnd.unheard-of')).body).toMatchObject({ code: 406, reason: 'NotAcceptable' })
    expect((await accepting('application/vnd.unheard-of, application/json')).body.kind).toBe('Namespace')
  })
}
