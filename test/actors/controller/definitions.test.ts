import { expect, test } from 'vitest'
import { verbs } from '../../../src/events/verbs.ts'
import { faultsOf } from '../../../src/runtime/define.ts'
import { everyShipped } from '../../shipped.ts'

test('actions: every verb has a definition without faults, and hears Cancel unless it gives something back', () => {
  const types = new Set(everyShipped.map(({ type }) => type))
  for (const { actor, reach } of Object.values(verbs)) {
    const definition = everyShipped.find(({ type }) => type === actor)
    if (!definition) throw new Error(`${actor} is not shipped`)
    expect(faultsOf(definition, types), actor).toEqual([])
    expect(definition.oneShot, actor).toBeDefined()
    if (reach !== 'restoring') expect(Object.keys(definition.events), actor).toContain(`${actor}.Cancel`)
  }
})
