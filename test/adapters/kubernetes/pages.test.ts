import { expect, test } from 'vitest'
import { fixedAccess } from '../../../src/adapters/kubernetes/access.ts'
import { kubernetesClient } from '../../../src/adapters/kubernetes/client.ts'
import { kubernetesReads } from '../../../src/adapters/kubernetes/reflector.ts'
import { PAGE } from '../../../src/adapters/kubernetes/whole-list.ts'
import { pods } from '../../../src/events/kinds.ts'
import { json, list, notes, pod, scriptedApi, status } from './scripted-api.ts'

/**
 * Three pages of one pod each; says which was asked for and told, in order. With `ahead` a page is told when the next is
 * asked for, otherwise it is only given a moment for that.
 */
const listing = async (pageSize: () => number, ahead: boolean): Promise<readonly string[]> => {
  const steps: string[] = []
  const asked = Array.from({ length: 3 }, () => Promise.withResolvers<void>())
  await using api = await scriptedApi(({ at }, response) => {
    if (at.searchParams.has('watch')) return void response.writeHead(200).flushHeaders()
    const page = Number(at.searchParams.get('continue') ?? 0)
    steps.push(`asked ${page} limit ${at.searchParams.get('limit')}`)
    asked[page]?.resolve()
    json(response, 200, list('9', [pod(`p${page}`, '9')], page < 2 ? `${page + 1}` : ''))
  })
  const { listener, until } = notes()
  const end = new AbortController()
  let told = 0
  const slow = {
    ...listener,
    page: async (objects: Parameters<typeof listener.page>[0]) => {
      if (ahead) await asked[++told]?.promise
      else await new Promise((resolve) => setTimeout(resolve, 20))
      steps.push(`told ${objects.map(({ metadata }) => metadata.name).join(' ')}`)
      await listener.page(objects)
    },
  }
  const reading = kubernetesReads(api.client, undefined, pageSize).reflect(
    { kind: pods, version: 'v1' },
    undefined,
    slow,
    end.signal,
  )
  await until('listed')
  end.abort()
  await reading
  return steps
}

test('pages: with memory to spare the next page is read while the one before is told', async () => {
  expect(await listing(() => PAGE, true)).toEqual([
    'asked 0 limit 500',
    'asked 1 limit 500',
    'told p0',
    'asked 2 limit 500',
    'told p1',
    'told p2',
  ])
})

test('pages: short of memory they are smaller and one after the other, also in a list that has begun', async () => {
  const sizes = [PAGE, 100, 25]
  expect(await listing(() => sizes.shift() ?? 25, false)).toEqual([
    'asked 0 limit 500',
    'told p0',
    'asked 1 limit 100',
    'told p1',
    'asked 2 limit 25',
    'told p2',
  ])
})

test('answers: each is told with its verb and code, and one that never came without', async () => {
  const late = new AbortController()
  await using api = await scriptedApi(({ at }, response) => {
    if (at.pathname === '/late') late.abort(new Error('no more'))
    else if (at.pathname === '/missing') json(response, 404, status(404))
    else json(response, 200, {})
  })
  const heard: string[] = []
  const server = api.server
  const client = kubernetesClient(fixedAccess({ server, token: 't' }), (verb, code) => void heard.push(`${verb} ${code}`))
  await client.request('GET', '/one')
  await client.request('GET', '/many', { query: { limit: 1 } })
  await client.request('PATCH', '/one', { body: {} })
  await expect(client.request('DELETE', '/missing')).rejects.toThrow()
  const watch = await client.open('/many', { query: { watch: true } })
  await watch.dump()
  await expect(client.request('GET', '/late', { signal: late.signal })).rejects.toThrow('no more')
  await client.close()
  expect(heard).toEqual(['get 200', 'list 200', 'patch 200', 'delete 404', 'watch 200', 'get undefined'])
})

test('answers: from afar they are asked for compressed, from within the cluster and of a watch never', async () => {
  const heard: string[] = []
  await using api = await scriptedApi(({ headers }, response) => {
    heard.push(`${headers['accept-encoding']}`)
    json(response, 200, {})
  })
  for (const isNear of [false, true]) {
    const client = kubernetesClient(fixedAccess({ server: api.server, token: 't', isNear }))
    await client.request('GET', '/many', { query: { limit: 1 } })
    await (await client.open('/many', { query: { watch: true } })).dump()
    await client.close()
  }
  expect(heard).toEqual(['gzip', 'identity', 'identity', 'identity'])
})
