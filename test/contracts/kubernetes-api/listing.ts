import { expect, test } from 'vitest'
import type { Bed } from './bed.ts'
import { configMap, created, gatedPod } from './bed.ts'

const namesOf = (body: any): string[] => body.items.map((each: any) => each.metadata.name)
const METADATA = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'

/** Lists, page by page. */
export const listing = (bed: () => Bed): void => {
  test('list: comes in pages that tell of one moment, and items carry no kind', async () => {
    const { api, paths } = bed()
    for (const index of [1, 2, 3, 4, 5]) await created(api, paths.pods, gatedPod(`page-${index}`, { page: 'y' }))
    const first = (await api.get(`${paths.pods}?limit=2`)).body
    expect(first).toMatchObject({ kind: 'PodList', apiVersion: 'v1' })
    expect(first.items).toHaveLength(2)
    expect(first.items[0].kind).toBeUndefined()
    expect(first.metadata.remainingItemCount).toBeGreaterThanOrEqual(3)
    await api.delete(`${paths.pods}/page-5`)
    const names = namesOf(first)
    for (let next = first.metadata.continue; next; ) {
      const page = (await api.get(`${paths.pods}?limit=2&continue=${encodeURIComponent(next)}`)).body
      expect(page.metadata.resourceVersion).toBe(first.metadata.resourceVersion)
      names.push(...namesOf(page))
      next = page.metadata.continue
    }
    expect(names).toEqual(expect.arrayContaining(['page-1', 'page-2', 'page-3', 'page-4', 'page-5']))
  })

  test('list: version 0 answers with everything, whatever the limit', async () => {
    const { api, paths } = bed()
    const { items, metadata } = (await api.get(`${paths.pods}?limit=1&resourceVersion=0&labelSelector=page`)).body
    expect(items.length).toBe(4)
    expect(metadata.continue).toBeUndefined()
  })

  test('list: a token that is none is refused', async () => {
    const { api, paths } = bed()
    expect((await api.get(`${paths.pods}?limit=1&continue=nonsense`)).body).toMatchObject({ code: 400, reason: 'BadRequest' })
  })

  test('list: is narrowed by labels and fields, and refuses fields it does not know', async () => {
    const { api, paths } = bed()
    const names = async (query: string) => namesOf((await api.get(`${paths.pods}?${query}`)).body)
    expect(await names('fieldSelector=metadata.name%3Dpage-2')).toEqual(['page-2'])
    expect(
      await names('labelSelector=page%20in%20(y,n),!absent&fieldSelector=spec.nodeName%3D,status.phase%3DPending'),
    ).toContain('page-1')
    expect(await names('fieldSelector=status.phase!%3DPending')).not.toContain('page-1')
    expect((await api.get(`${paths.pods}?fieldSelector=spec.colour%3Dred`)).status).toBe(400)
    expect((await api.get(`${paths.pods}?labelSelector=a%3D%3D%3Db`)).status).toBe(400)
  })

  test('list: a version of the future is a timeout that says so', async () => {
    const { api, paths } = bed()
    const { status, headers, body } = await api.get(`${paths.pods}?resourceVersion=999999999&resourceVersionMatch=NotOlderThan`)
    expect([status, headers.get('retry-after')]).toEqual([504, '1'])
    expect(body).toMatchObject({ reason: 'Timeout', details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } })
  })

  test('list: is compressed when it is large and the client can read it', async () => {
    const { api, paths } = bed()
    await created(api, paths.configMaps, configMap('large', { padding: 'x'.repeat(300_000) }))
    await created(api, paths.configMaps, configMap('small'))
    const encoding = async (path: string) =>
      (await api.get(path, { headers: { 'accept-encoding': 'gzip' } })).headers.get('content-encoding')
    expect(await encoding(paths.configMaps)).toBe('gzip')
    expect(await encoding(`${paths.configMaps}/small`)).toBeNull()
  })

  test('list: gives metadata alone to who asks for no more', async () => {
    const { api, paths } = bed()
    const { body } = await api.get(`${paths.pods}?labelSelector=page`, { headers: { accept: METADATA } })
    expect(body).toMatchObject({ kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' })
    expect(body.items[0].metadata).toMatchObject({ name: 'page-1', labels: { page: 'y' } })
    expect(body.items[0].spec).toBeUndefined()
  })
}
