import { expect, test } from 'vitest'
import type { Access, Credentials } from '../../../src/adapters/kubernetes/access.ts'
import { kubernetesClient } from '../../../src/adapters/kubernetes/client.ts'
import { openSessions } from '../../../src/adapters/kubernetes/sessions.ts'
import { Refused, Unavailable } from '../../../src/ports.ts'
import { json, scriptedApi, status } from './scripted-api.ts'

/** Access whose credentials are numbered by how often they were asked for. */
const numbered = (server: string, next: (count: number) => Promise<Credentials> = async (count) => bearer(String(count))) => {
  const asked = { times: 0 }
  const credentials = (): Promise<Credentials> => {
    asked.times += 1
    return next(asked.times)
  }
  const access: Access = { server, credentials }
  return { access, asked }
}
const bearer = (token: string): Credentials => ({ headers: { authorization: `Bearer ${token}` } })

test('sessions: many requests that are refused at once renew the credentials once, and then succeed', async () => {
  await using api = await scriptedApi((request, response) =>
    request.headers.authorization === 'Bearer 2' ? json(response, 200, {}) : json(response, 401, status(401, 'expired')),
  )
  const { access, asked } = numbered(api.server)
  const client = kubernetesClient(access)
  await Promise.all(Array.from({ length: 40 }, () => client.request('GET', '/api')))
  expect(asked.times).toBe(2)
  await client.close()
})

test('sessions: credentials that stay refused are not renewed with every request', async () => {
  await using api = await scriptedApi((_, response) => json(response, 401, status(401, 'who?')))
  const { access, asked } = numbered(api.server)
  const client = kubernetesClient(access)
  for (let count = 0; count < 20; count++) await expect(client.request('GET', '/api')).rejects.toBeInstanceOf(Refused)
  expect(asked.times).toBe(2)
  expect(api.asked).toHaveLength(21)
  await client.close()
})

test('sessions: are renewed by time, after a refusal at once, and after another one not sooner than in five seconds', async () => {
  let now = 0
  const { access, asked } = numbered('http://api')
  const sessions = openSessions(access, () => now)
  const first = await sessions.session()
  now = 29_999
  expect(await sessions.session()).toBe(first)
  now = 30_000
  const second = await sessions.session()
  expect(second).not.toBe(first)
  expect(await sessions.session(first)).toBe(second)
  const third = await sessions.session(second)
  expect(await sessions.session(third)).toBe(third)
  now = 35_000
  expect(await sessions.session(third)).not.toBe(third)
  expect(asked.times).toBe(4)
  await sessions.close()
})

test('sessions: credentials that can not be had are not asked for again within a second, and no connections are lost over it', async () => {
  let now = 0
  const { access, asked } = numbered('http://api', async (count) => {
    if (count === 2) throw new Error('the plugin failed')
    return bearer(String(count))
  })
  const sessions = openSessions(access, () => now)
  const { agent } = await sessions.session()
  now = 30_000
  for (let count = 0; count < 9; count++) await expect(sessions.session()).rejects.toThrow('the plugin failed')
  expect(asked.times).toBe(2)
  now = 31_000
  expect((await sessions.session()).agent).toBe(agent)
  await sessions.close()
})

test('sessions: credentials that never come hold a request up for its own time, and no longer', async () => {
  const { access } = numbered('http://127.0.0.1:1', () => new Promise(() => {}))
  const client = kubernetesClient(access, undefined, 20)
  await expect(client.request('GET', '/api')).rejects.toBeInstanceOf(Unavailable)
  await expect(client.open('/api')).rejects.toThrow('no answer within 20 ms')
  await client.close()
})
