import { afterEach, expect, test, vi } from 'vitest'
import { azureToken, googleToken } from '../../../src/adapters/cloud-groups/tokens.ts'
import { Unavailable } from '../../../src/ports.ts'
import { json, scriptedApi } from '../kubernetes/scripted-api.ts'

const signal = new AbortController().signal
afterEach(() => vi.unstubAllEnvs())

test("tokens: Google's come from the metadata service of the machine, once as long as they are good", async () => {
  await using api = await scriptedApi((request, response) => {
    response.setHeader('metadata-flavor', 'Google')
    if (request.at.pathname.endsWith('/token'))
      return json(response, 200, { access_token: 'google', expires_in: 3599, token_type: 'Bearer' })
    return json(response, 200, 'project')
  })
  vi.stubEnv('GCE_METADATA_HOST', api.server.replace('http://', ''))
  vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present')
  vi.stubEnv('HOME', '/nowhere') // no key of whoever runs this
  const token = googleToken()
  expect(await token(signal)).toBe('google')
  expect(await token(signal)).toBe('google')
  expect(api.asked.filter((path) => path.includes('/token'))).toHaveLength(1)
})

test("tokens: Azure's come from the machine's managed identity, that of AZURE_CLIENT_ID if it is set", async () => {
  await using api = await scriptedApi((_, response) =>
    json(response, 200, {
      access_token: 'azure',
      expires_on: String(Math.floor(Date.now() / 1_000) + 3_600),
      token_type: 'Bearer',
    }),
  )
  vi.stubEnv('AZURE_POD_IDENTITY_AUTHORITY_HOST', api.server)
  const token = azureToken({ AZURE_CLIENT_ID: '11111111-1111-1111-1111-111111111111' })
  expect(await token(signal)).toBe('azure')
  expect(await token(signal)).toBe('azure')
  expect(api.asked).toHaveLength(1)
  expect(api.asked[0]).toMatch(/resource=https%3A%2F%2Fmanagement\.azure\.com.*client_id=11111111/)
})

test("tokens: a workload's identity that nobody answers is unavailable, and who is cancelled does not wait", async () => {
  const token = azureToken({
    AZURE_FEDERATED_TOKEN_FILE: 'package.json',
    AZURE_CLIENT_ID: 'client',
    AZURE_TENANT_ID: 'tenant',
    AZURE_AUTHORITY_HOST: 'https://127.0.0.1:9/',
  })
  await expect(token(signal)).rejects.toBeInstanceOf(Unavailable)
  const reason = new Error('cancelled')
  await expect(token(AbortSignal.abort(reason))).rejects.toBe(reason)
})
