import { expect, test } from 'vitest'
import { bed } from './bed.ts'
import { shopDefinitions, shopSelf } from './shop.ts'

const MINUTE = 60_000
const till = { type: 'till', id: 'one' }

/** A timer of an hour; the process lives for 20 minutes, is away for 30, and comes back. */
const afterOutage = async (policy?: 'remaining' | 'restart') => {
  const world = bed(shopDefinitions(policy ? { policy } : {}), shopSelf)
  const first = await world.process('a')
  await world.inbox.call('shop', 'Open', { name: 'one' })
  await world.clock.advance(20 * MINUTE)
  await world.inbox.call('till', 'Pay', { amount: 1 }, 'pay', 'one') // the last that was heard of it
  await first.stop()
  await world.clock.advance(30 * MINUTE)
  await world.process('b')
  const dueIn = async (): Promise<number> => {
    let waited = 0
    for (; world.journal.of(till).at(-1)?.to === 'open'; waited++) await world.clock.advance(MINUTE)
    return waited
  }
  return dueIn()
}

test.each([
  [undefined, 10],
  ['remaining', 40],
  ['restart', 60],
] as const)('timers: %s: after an outage it is due in %i minutes', async (policy, minutes) => {
  expect(await afterOutage(policy)).toBe(minutes)
})
