import { expect, test } from 'vitest'
import { z } from 'zod'
import { Policy } from '../../src/events/plan.ts'

test('policy: the JSON Schema in the documentation is that of the policy (vitest -u writes it)', async () => {
  const schema = z.toJSONSchema(Policy, { io: 'input' })
  await expect(`${JSON.stringify(schema, undefined, 2)}\n`).toMatchFileSnapshot('../../docs/policy.schema.json')
})

test('policy: a file may say where its schema is', () => {
  expect(Policy.parse({ $schema: './policy.schema.json', aggressive: true }).aggressive).toBe(true)
  expect(Policy.safeParse({ agressive: true }).success).toBe(false)
})
