import { expect, test } from 'vitest'
import type { Bed } from './bed.ts'
import { configMap, created } from './bed.ts'

const types = (events: readonly any[]): string[] => events.map(({ type }) => type)

/** What is said of a past that is forgotten. */
export const expiring = (bed: () => Bed): void => {
  test('expired: old tokens, lists and watches are told so, and what was open breaks', { timeout: 180_000 }, async () => {
    const { api, cluster, paths } = bed()
    for (const index of [1, 2, 3]) await created(api, paths.configMaps, configMap(`past-${index}`))
    const path = `${paths.configMaps}?labelSelector=`
    const first = (await api.get(`${paths.configMaps}?limit=1`)).body.metadata
    for (const index of [1, 2, 3]) await api.patch(`${paths.configMaps}/past-${index}`, { data: { changed: 'yes' } })
    const { resourceVersion: now } = (await api.get(`${paths.configMaps}?limit=1`)).body.metadata
    const open = api
      .watch(`${path}&watch=1&resourceVersion=${now}`, () => false)
      .then(
        () => 'ended',
        () => 'broke',
      )
    await api.watch(`${path}&watch=1&resourceVersion=0`, (events) => events.length > 0) // a watch opened later is open: so is the first
    await cluster.expire()
    expect(await open).toBe('broke')

    const paged = await api.get(`${paths.configMaps}?limit=1&continue=${encodeURIComponent(first.continue)}`)
    expect(paged.body).toMatchObject({ code: 410, reason: 'Expired' })
    const rest = await api.get(`${paths.configMaps}?continue=${encodeURIComponent(paged.body.metadata.continue)}`)
    expect(rest.body.items.length).toBeGreaterThanOrEqual(2)

    const exact = await api.get(`${paths.configMaps}?resourceVersion=${first.resourceVersion}&resourceVersionMatch=Exact`)
    expect(exact.body).toMatchObject({ code: 410, reason: 'Expired' })

    const old = `${path}&watch=1&timeoutSeconds=2&resourceVersion=${first.resourceVersion}`
    const [error, ...more] = await api.watch(old, () => false)
    expect(error).toMatchObject({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } })
    expect(error.object.message).toMatch(/^too old resource version: \d+ \(\d+\)$/)
    expect(more).toEqual([])
    if (!cluster.watchLists) return
    const asList = `${old}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`
    const events = await api.watch(asList, (seen) => seen.some(({ type }) => type === 'BOOKMARK'))
    expect(types(events).filter((type) => type === 'ADDED').length).toBeGreaterThanOrEqual(3)
  })
}
