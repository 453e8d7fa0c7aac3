import { expect, test } from 'vitest'
import { slimWalk } from '../../../src/adapters/kubernetes/slim.ts'
import { modelKinds } from '../../../src/events/model-kinds.ts'

test.each(Object.entries(modelKinds))(
  'redaction: leaves every field of %s that the model reads',
  (kind, { group, resource, schema }) => {
    expect(() => slimWalk({ group, resource, kind }, schema)).not.toThrow()
  },
)
