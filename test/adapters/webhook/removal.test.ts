import { expect, test } from 'vitest'
import { signatureOf, webhookRemover } from '../../../src/adapters/webhook/removal.ts'
import { Refused, Unavailable } from '../../../src/ports.ts'
import { json, scriptedApi } from '../kubernetes/scripted-api.ts'

const request = { owner: { by: 'webhook', providerId: 'aws:///z/i-1' }, node: { name: 'n1', uid: 'u1' }, action: 'a1' } as const
const remover = (url: string) => webhookRemover({ url, secret: 'secret', providerIdOf: async () => 'aws:///z/i-1' })

test('webhook: each request says what is to go, under one key, and is signed', async () => {
  const seen: { readonly headers: Record<string, unknown>; readonly body: string }[] = []
  const states = ['removing', 'removing', 'removed']
  await using api = await scriptedApi((asked, response) => {
    seen.push({ headers: asked.headers, body: asked.body })
    json(response, 200, { state: states[seen.length - 1] })
  })
  const { claim, shrink } = remover(api.server)
  expect(await claim({ name: 'n1', uid: 'u1' })).toEqual(request.owner)
  await shrink(request)
  await shrink(request)
  expect(await remover(api.server).awaitRemoved(request, new AbortController().signal)).toBe('the webhook')
  expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
    apiVersion: 'quartermaster.dev/v1',
    kind: 'NodeRemoval',
    action: 'a1',
    node: { name: 'n1', uid: 'u1', providerID: 'aws:///z/i-1' },
  })
  for (const { headers, body } of seen) {
    expect(headers['idempotency-key']).toBe('a1')
    const timestamp = String(headers['quartermaster-timestamp'])
    expect(headers['quartermaster-signature']).toBe(signatureOf('secret', timestamp, body))
    expect(JSON.stringify(headers) + body).not.toContain('"secret"')
  }
})

test.each([
  [200, { state: 'refused', message: 'at its minimum' }, Refused, /at its minimum/],
  [403, { error: 'who are you' }, Refused, /answers 403/],
  [503, {}, Unavailable, /answers 503/],
  [200, { state: 'perhaps' }, Unavailable, /without sense/],
  [200, 'nonsense', Unavailable, /without sense/],
])('webhook: an answer %i %o is an error by name', async (code, body, error, reason) => {
  await using api = await scriptedApi((_, response) => json(response, code, body))
  const asked = remover(api.server).shrink(request)
  await expect(asked).rejects.toBeInstanceOf(error)
  await expect(asked).rejects.toThrow(reason)
})

test('webhook: one that does not answer is asked again, and a node without a provider id is none of its', async () => {
  await expect(remover('http://127.0.0.1:9').shrink(request)).rejects.toBeInstanceOf(Unavailable)
  const { claim } = webhookRemover({ url: 'http://127.0.0.1:9', secret: 's', providerIdOf: async () => undefined })
  expect(await claim({ name: 'n1', uid: 'u1' })).toBeUndefined()
})
