import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { Policy, Prices } from '../../src/events/plan.ts'

test('policy: the JSON Schema in the documentation is that of the policy (vitest -u writes it)', async () => {
  const schema = z.toJSONSchema(Policy, { io: 'input' })
  await expect(`${JSON.stringify(schema, undefined, 2)}\n`).toMatchFileSnapshot('../../docs/policy.schema.json')
})

test('policy: a file may say where its schema is', () => {
  expect(Policy.parse({ $schema: './policy.schema.json', aggressive: true }).aggressive).toBe(true)
  expect(Policy.safeParse({ agressive: true }).success).toBe(false)
})

const examples = [...readFileSync('docs/policy.md', 'utf8').matchAll(/^```json( prices)?\n(.*?)^```/gms)].map(
  ([, prices, text = '']) => ({
    isPrices: prices !== undefined,
    example: z.record(z.string(), z.unknown()).parse(JSON.parse(text)),
  }),
)

test('policy: every example of the documentation is one, and every field has an example', () => {
  const shown = new Set<string>()
  for (const { isPrices, example } of examples) {
    const schema = isPrices ? Prices : Policy
    expect(schema.safeParse(example).error?.issues).toBeUndefined()
    for (const field of Object.keys(example)) shown.add(`${isPrices ? 'prices' : 'policy'}.${field}`)
  }
  const fields = [
    ...Object.keys(Policy.shape).map((field) => `policy.${field}`),
    ...Object.keys(Prices.parse({ openCost: '' })).map((field) => `prices.${field}`),
  ]
  expect(fields.filter((field) => !shown.has(field))).toEqual([])
})
