import { expect, test } from 'vitest'
import { certificateActionId } from '../../src/commands/up/certificate-action-id.ts'
import { bornAt } from '../../src/runtime/refuse.ts'

test('id of a request’s actor: a UUIDv7 of its time, the same whenever it is asked for, another for another request', () => {
  const request = { name: 'node-csr-a', uid: 'u1', createdAt: Date.parse('2026-11-30T12:00:00Z') }
  const id = certificateActionId(request)
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(bornAt(id)).toBe(request.createdAt)
  expect(certificateActionId({ ...request })).toBe(id)
  expect(certificateActionId({ ...request, uid: 'u2' })).not.toBe(id)
  expect(certificateActionId({ ...request, createdAt: Number.NaN })).toMatch(/^00000000-0000-7/)
})
