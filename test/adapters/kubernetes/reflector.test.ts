import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import type { KubernetesClient } from '../../../src/adapters/kubernetes/client.ts'
import { kubernetesReads } from '../../../src/adapters/kubernetes/reflector.ts'
import { catalogue, pods } from '../../../src/events/kinds.ts'
import { type Answer, bookmark, json, line, list, listKindAt, notes, pod, scriptedApi, status } from './scripted-api.ts'

const served = { kind: pods, version: 'v1' }
type Watch = (response: ServerResponse, from: string) => void

/** One list after the other, one watch after the other; the last of each stays. */
const script = (lists: readonly Answer[], watches: readonly Watch[]): Answer => {
  let [listsSeen, watchesSeen] = [0, 0]
  return (request, response) => {
    const query = request.at.searchParams
    if (query.get('watch') !== 'true') return lists[Math.min(listsSeen++, lists.length - 1)]?.(request, response)
    const watch = watches[Math.min(watchesSeen++, watches.length - 1)]
    watch?.(response, query.get('resourceVersion') ?? '')
  }
}

const stream = (response: ServerResponse): ServerResponse => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.flushHeaders()
  return response
}
const open: Watch = (response) => void stream(response)

const listOf =
  (version: string, ...names: string[]): Answer =>
  (_, response) =>
    json(
      response,
      200,
      list(
        version,
        names.map((name) => pod(name, version)),
      ),
    )

const reflecting = async (
  client: KubernetesClient,
  from: string | undefined,
  until: string,
  patience = { quietMs: 5_000, idleMs: 90_000 },
): Promise<readonly string[]> => {
  const { listener, said, until: heard } = notes()
  const end = new AbortController()
  const reflection = kubernetesReads(client, { fresh: patience }).reflect(served, from, listener, end.signal)
  await Promise.race([heard(until), reflection])
  end.abort()
  await reflection
  return said
}

test('reflector: lists in pages and follows from the version of the list', async () => {
  await using api = await scriptedApi(
    script(
      [
        (_, response) => json(response, 200, list('7', [pod('a', '1')], 'next')),
        (request, response) =>
          json(response, 200, list('7', request.at.searchParams.get('continue') === 'next' ? [pod('b', '2')] : [])),
      ],
      [
        (response, from) =>
          void stream(response).write(line('MODIFIED', { ...pod('a', '8'), kind: 'Pod' }) + bookmark(`${from}9`)),
      ],
    ),
  )
  expect(await reflecting(api.client, undefined, 'bookmark')).toEqual([
    'listing',
    'page a',
    'page b',
    'listed 7',
    'MODIFIED a 8',
    'bookmark 79',
  ])
  expect(api.asked[0]).toContain('limit=500')
  expect(api.asked[2]).toMatch(/allowWatchBookmarks=true.*resourceVersion=7.*timeoutSeconds=(2[4-9]\d|300)/)
})

test('reflector: resumes without a list when it is given a version', async () => {
  await using api = await scriptedApi(script([], [(response) => void stream(response).write(line('DELETED', pod('a', '8')))]))
  expect(await reflecting(api.client, '5', 'DELETED')).toEqual(['DELETED a 8'])
})

test('reflector: lists again after a watch is answered with 410', async () => {
  await using api = await scriptedApi(
    script([listOf('9', 'b')], [(response) => json(response, 410, status(410, 'too old')), open]),
  )
  expect(await reflecting(api.client, '5', 'listed')).toEqual(['listing', 'page b', 'listed 9'])
})

test('reflector: lists again after a 410 inside a watch that was answered with 200', async () => {
  const expired: Watch = (response) => void stream(response).end(line('ERROR', status(410, 'too old resource version: 5 (9)')))
  await using api = await scriptedApi(script([listOf('9', 'b')], [expired, open]))
  expect(await reflecting(api.client, '5', 'listed')).toEqual(['listing', 'page b', 'listed 9'])
})

test('reflector: begins a fresh list when a continue token has expired', async () => {
  await using api = await scriptedApi(
    script(
      [
        (_, response) => json(response, 200, list('7', [pod('a', '1')], 'old')),
        (_, response) => json(response, 410, status(410, 'expired', { metadata: { continue: 'inconsistent' } })),
        listOf('9', 'b'),
      ],
      [open],
    ),
  )
  expect(await reflecting(api.client, undefined, 'listed')).toEqual(['listing', 'page a', 'listing', 'page b', 'listed 9'])
  expect(api.asked[2]).not.toContain('continue')
})

test('reflector: goes on from the last version after a connection that broke in the middle of a line', async () => {
  const half: Watch = (response) => {
    stream(response).write(line('ADDED', pod('a', '6')) + line('ADDED', pod('b', '7')).slice(0, 40), () => response.destroy())
  }
  await using api = await scriptedApi(
    script([], [half, (response, from) => void stream(response).write(line('ADDED', pod('b', '7')) + bookmark(`7${from}`))]),
  )
  expect(await reflecting(api.client, '5', 'bookmark 76')).toEqual(['ADDED a 6', 'ADDED b 7', 'bookmark 76'])
})

test('reflector: reads a character that is split over chunks', async () => {
  const text = Buffer.from(line('ADDED', pod('a', '6', { labels: { city: 'Zürich→東京' } })))
  const bytes: Watch = (response) => {
    const write = (at: number): void => {
      response.write(text.subarray(at, at + 3))
      if (at < text.length) setImmediate(write, at + 3)
    }
    stream(response)
    write(0)
  }
  await using api = await scriptedApi(script([], [bytes]))
  const labels: unknown[] = []
  const { listener, until } = notes()
  const end = new AbortController()
  const changed: typeof listener.changed = (change, version) => {
    labels.push(change.object.metadata.labels)
    return listener.changed(change, version)
  }
  const reflection = kubernetesReads(api.client).reflect(served, '5', { ...listener, changed }, end.signal)
  await until('ADDED')
  end.abort()
  await reflection
  expect(labels).toEqual([{ city: 'Zürich→東京' }])
})

test('reflector: leaves out an object that makes no sense, by name, and goes on', async () => {
  const bad = { ...pod('bad', '6'), spec: 'none' }
  const odd: Watch = (response) => void stream(response).write(line('ADDED', bad) + line('ADDED', pod('good', '8')))
  await using api = await scriptedApi(
    script([(_, response) => json(response, 200, list('5', [pod('x', ''), pod('y', '2')]))], [odd]),
  )
  const said = await reflecting(api.client, undefined, 'ADDED good')
  expect(said.map((note) => note.slice(0, 40))).toEqual([
    'listing',
    'malformed pods default/x: no uid or reso',
    'page y',
    'listed 5',
    'malformed pods default/bad: spec: Invali',
    'ADDED good 8',
  ])
})

test('reflector: says that an open watch is silent, and connects again', async () => {
  await using api = await scriptedApi(
    script([listOf('5')], [open, (response, from) => void stream(response).write(bookmark(`${from}1`))]),
  )
  const said = await reflecting(api.client, '5', 'bookmark 51', { quietMs: 20, idleMs: 100 })
  expect(said.filter((note) => note !== 'bookmark 5').map((note) => note.split(' ')[0])).toEqual([
    'stalled',
    'recovered',
    'bookmark',
  ])
})

test('reflector: asks the API while a watch is silent, so that its picture does not grow old', async () => {
  await using api = await scriptedApi(script([listOf('6', 'a')], [open]))
  const { listener, said, until } = notes()
  const end = new AbortController()
  const reflection = kubernetesReads(api.client, { fresh: { quietMs: 10, idleMs: 60_000 } }).reflect(
    served,
    undefined,
    listener,
    end.signal,
  )
  await until('bookmark 6')
  end.abort()
  await reflection
  expect(said).toEqual(expect.arrayContaining(['listing', 'page a', 'listed 6', 'bookmark 6']))
  expect(api.asked.some((url) => url.includes('limit=1') && !url.includes('limit=500'))).toBe(true)
})

test('reflector: lists again when the history of the API is shorter than its own', async () => {
  await using api = await scriptedApi(script([listOf('6', 'a')], [open]))
  expect(await reflecting(api.client, '900', 'listed 6', { quietMs: 10, idleMs: 60_000 })).toEqual([
    'listing',
    'listing of another history',
    'page a',
    'listed 6',
  ])
})

test('reflector: says why the API refuses, and recovers when it no longer does', async () => {
  await using api = await scriptedApi(
    script([(_, response) => json(response, 403, status(403, 'pods is forbidden')), listOf('6')], [open]),
  )
  const said = await reflecting(api.client, undefined, 'recovered')
  expect(said).toEqual([
    'listing',
    expect.stringMatching(/^stalled GET .*403 pods is forbidden: give our service account/),
    'listing',
    'listed 6',
    'recovered',
  ])
})

test('reflector: ends with the error of a listener that throws', async () => {
  await using api = await scriptedApi(script([listOf('6', 'a')], [open]))
  const { listener } = notes()
  const broken = { ...listener, page: () => Promise.reject(new Error('full')) }
  await expect(kubernetesReads(api.client).reflect(served, undefined, broken, new AbortController().signal)).rejects.toThrow(
    'full',
  )
})

const kindNamed = (name: string) => {
  const kind = catalogue().find((each) => each.name === name)
  if (!kind) throw new Error(`the catalogue has no ${name}`)
  return { kind, version: 'v1' }
}

test('reflector: what a kind has no place for is not listed, and deleted when it becomes so', async () => {
  const service = (name: string, version: string, type: string) => ({ ...pod(name, version), kind: 'Service', spec: { type } })
  await using api = await scriptedApi(
    script(
      [
        (_, response) =>
          json(response, 200, list('5', [service('a', '1', 'ClusterIP'), service('b', '2', 'ExternalName')], '', 'Service')),
      ],
      [
        (response) =>
          void stream(response).write(
            line('MODIFIED', service('a', '6', 'ExternalName')) + line('MODIFIED', service('b', '7', 'ClusterIP')),
          ),
      ],
    ),
  )
  const { listener, said, until } = notes()
  const end = new AbortController()
  const reflection = kubernetesReads(api.client).reflect(kindNamed('services'), undefined, listener, end.signal)
  await until('MODIFIED b')
  end.abort()
  await reflection
  expect(said).toEqual(['listing', 'page a', 'listed 5', 'DELETED a 6', 'MODIFIED b 7'])
})

test('reflector: the server is asked for the part of a kind that is of use, in lists and in watches', async () => {
  const events: Answer = (_, response) => json(response, 200, list('5', [], '', 'Event'))
  await using api = await scriptedApi(script([events], [open]))
  const { listener, until } = notes()
  const end = new AbortController()
  const reflection = kubernetesReads(api.client).reflect(kindNamed('events'), undefined, listener, end.signal)
  await until('listed')
  await expect.poll(() => api.asked.length).toBe(2)
  end.abort()
  await reflection
  const selector = 'fieldSelector=involvedObject.kind%3DPod%2Creason%3DEvicted'
  expect(api.asked.every((asked) => asked.includes(selector))).toBe(true)
})

test('reflector: a few kinds are listed at a time, and the others wait', async () => {
  let [under, most] = [0, 0]
  await using api = await scriptedApi((request, response) => {
    if (request.at.searchParams.get('watch') === 'true') return void stream(response)
    most = Math.max(most, ++under)
    setTimeout(() => {
      under -= 1
      json(response, 200, { ...list('5', []), kind: listKindAt(request.at.pathname) })
    }, 20)
  })
  const end = new AbortController()
  const reads = kubernetesReads(api.client)
  const told = ['services', 'jobs.batch', 'cronjobs.batch', 'statefulsets.apps', 'namespaces'].map((name) => {
    const { listener, until } = notes()
    return { ended: reads.reflect(kindNamed(name), undefined, listener, end.signal), listed: until('listed') }
  })
  await Promise.all(told.map(({ listed }) => listed))
  expect(most).toBe(2)
  end.abort()
  await Promise.all(told.map(({ ended }) => ended))
})
