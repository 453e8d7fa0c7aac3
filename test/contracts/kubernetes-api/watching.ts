import { expect, test } from 'vitest'
import { type Reply, until } from '../../kubernetes-client.ts'
import type { Bed } from './bed.ts'
import { configMap, created, gatedPod } from './bed.ts'

const types = (events: readonly any[]): string[] => events.map(({ type }) => type)
const METADATA = { accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' }
const isBookmark = ({ type }: any): boolean => type === 'BOOKMARK'
const all = (): boolean => false
/** A watch as a list that is not well put, or that the server does not know, names the field that is in the way. */
const refused = ({ body }: Reply, field: string): void => {
  expect(body).toMatchObject({ code: 422, reason: 'Invalid' })
  expect(body.details.causes).toContainEqual(expect.objectContaining({ reason: 'FieldValueForbidden', field }))
}

/** Watches from a version on, and as a list. */
export const watching = (bed: () => Bed): void => {
  test('watch: goes on from a list, and an object that leaves the selection is deleted', async () => {
    const { api, paths } = bed()
    await created(api, paths.pods, gatedPod('watched'))
    const { resourceVersion } = (await api.get(paths.pods)).body.metadata
    const seen = api.watch(
      `${paths.pods}?watch=1&resourceVersion=${resourceVersion}&labelSelector=seen%3Dyes`,
      (events) => events.length === 3,
    )
    await api.patch(`${paths.pods}/watched`, { metadata: { labels: { seen: 'yes' } } })
    await api.patch(`${paths.pods}/watched`, { metadata: { annotations: { more: 'yes' } } })
    await api.patch(`${paths.pods}/watched`, { metadata: { labels: { seen: 'no' } } })
    const events = await seen
    expect(types(events)).toEqual(['ADDED', 'MODIFIED', 'DELETED'])
    expect(events.every((each) => each.object.kind === 'Pod' && each.object.apiVersion === 'v1')).toBe(true)
  })

  test('watch: the last event of a deleted object has the version of its deletion', async () => {
    const { api, paths } = bed()
    const { metadata } = await created(api, paths.configMaps, configMap('brief'))
    const seen = api.watch(
      `${paths.configMaps}?watch=1&resourceVersion=${metadata.resourceVersion}`,
      (events) => events.length > 0,
    )
    await api.delete(`${paths.configMaps}/brief`)
    const [last] = await seen
    expect(last).toMatchObject({ type: 'DELETED', object: { metadata: { name: 'brief', uid: metadata.uid } } })
    expect(Number(last.object.metadata.resourceVersion)).toBeGreaterThan(Number(metadata.resourceVersion))
  })

  test('watch: ends when its time is over, and has said by a bookmark how far it was', { timeout: 120_000 }, async () => {
    const { api, paths } = bed()
    const { resourceVersion } = (await api.get(paths.leases)).body.metadata
    const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=5&resourceVersion=${resourceVersion}`
    // A real one sends it two seconds before the end, unless it is too busy then.
    const bookmark = await until('a bookmark', async () => (await api.watch(`${paths.leases}?${query}`, all)).find(isBookmark))
    expect(bookmark.object).toMatchObject({ kind: 'Lease', apiVersion: 'coordination.k8s.io/v1' })
    expect(Number(bookmark.object.metadata.resourceVersion)).toBeGreaterThanOrEqual(Number(resourceVersion))
  })

  test('watch: as a list says when the initial events are over, in an object that is none', async () => {
    const { api, cluster, paths } = bed()
    const path = `${paths.pods}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true`
    if (!cluster.watchLists) return refused(await api.get(`${path}&resourceVersionMatch=NotOlderThan`), 'sendInitialEvents')
    const events = await api.watch(`${path}&resourceVersionMatch=NotOlderThan`, (seen) => seen.some(isBookmark))
    const bookmark = events.find(isBookmark).object
    expect(bookmark.metadata.annotations['k8s.io/initial-events-end']).toBe('true')
    expect(bookmark).toMatchObject({ kind: 'Pod', spec: { containers: null } })
    expect(bookmark.metadata.name).toBeUndefined()
    expect(events.filter(({ type }) => type === 'ADDED').length).toBeGreaterThanOrEqual(4)
  })

  test('watch: as a list wants a match, and without bookmarks never says that it is complete', async () => {
    const { api, cluster, paths } = bed()
    const path = `${paths.pods}?watch=1&sendInitialEvents=true&timeoutSeconds=1`
    refused(await api.get(`${path}&allowWatchBookmarks=true`), 'resourceVersionMatch')
    if (!cluster.watchLists) return
    const events = await api.watch(`${path}&resourceVersionMatch=NotOlderThan`, all)
    expect(new Set(types(events))).toEqual(new Set(['ADDED']))
  })

  test('watch: from a version of the future is silent until its time is over', async () => {
    const { api, paths } = bed()
    expect(await api.watch(`${paths.pods}?watch=1&resourceVersion=999999999&timeoutSeconds=1`, all)).toEqual([])
  })

  test('watch: gives metadata alone to who asks for no more', async () => {
    const { api, paths } = bed()
    const events = await api.watch(`${paths.pods}?watch=1&resourceVersion=0`, (seen) => seen.length > 0, METADATA)
    expect(events[0].object).toMatchObject({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' })
    expect(events[0].object.metadata.name).toBeTypeOf('string')
    expect(events[0].object.spec).toBeUndefined()
  })
}
