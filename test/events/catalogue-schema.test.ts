import { expect, test } from 'vitest'
import { z } from 'zod'
import { Catalogue } from '../../src/events/catalogue.ts'

test('catalogue: its JSON Schema is the one in docs', async () => {
  const schema = z.toJSONSchema(Catalogue, { io: 'input' })
  await expect(`${JSON.stringify(schema, undefined, 2)}\n`).toMatchFileSnapshot('../../docs/catalogue.schema.json')
})
