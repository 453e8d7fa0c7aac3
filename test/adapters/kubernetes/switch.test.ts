import { expect, test } from 'vitest'
import { configMapSwitch } from '../../../src/adapters/kubernetes/switch.ts'
import { json, scriptedApi, status } from './scripted-api.ts'

const reading = async (code: number, body: unknown): Promise<unknown> => {
  const asked: unknown[] = []
  await using api = await scriptedApi((request, response) => {
    asked.push(request.url)
    json(response, code, body)
  })
  const answer = await configMapSwitch(api.client, 'qm').readSwitch()
  expect(asked).toEqual(['/api/v1/namespaces/qm/configmaps/quartermaster-brake'])
  return answer
}
const saying = (data: unknown) => reading(200, { kind: 'ConfigMap', metadata: { name: 'quartermaster-brake' }, data })

test.each([
  ['rollback', { policy: 'rollback' }],
  [' finish ', { policy: 'finish' }],
  ['true', { policy: 'rollback' }],
  ['HOLD!', { policy: 'rollback' }],
  ['false', undefined],
  ['released', undefined],
  ['', undefined],
])('switch: hold "%s" is read as %o', async (hold, expected) => {
  expect(await saying({ hold })).toEqual(expected)
})

test('switch: the reason is told, and is not longer than a reason may be', async () => {
  expect(await saying({ hold: 'finish', reason: 'x'.repeat(900) })).toEqual({ policy: 'finish', reason: 'x'.repeat(500) })
})

test('switch: no ConfigMap, or one without data, holds nothing', async () => {
  expect(await reading(404, status(404, 'not found'))).toBeUndefined()
  expect(await saying(undefined)).toBeUndefined()
})

test('switch: one that makes no sense stops things rather than letting them go on', async () => {
  expect(await saying({ hold: 7 })).toEqual({ policy: 'rollback' })
})

test('switch: one that may not be read says nothing', async () => {
  await expect(reading(403, status(403, 'no'))).rejects.toThrow()
})
