import { expect, test } from 'vitest'
import type { Leases } from '../../src/runtime/inbox.ts'
import { story } from './world.ts'

test('host: with its lease it aborts what is under way at once, also while NATS does not let go of its consumers', async () => {
  const aborted: string[] = []
  const { process, clock, inbox } = story(({ effect }, { signal }) => {
    signal.addEventListener('abort', () => aborted.push(effect))
    return new Promise(() => {})
  })
  // Stopping a consumer asks the server, and the server is silent.
  const { consume } = inbox
  const consumeForEver = (...args: Parameters<typeof consume>): Promise<void> => {
    void consume(...args)
    return new Promise(() => {})
  }
  Object.assign(inbox, { consume: consumeForEver })
  const lost = new AbortController()
  let given = 0
  const leases: Leases = {
    acquire: (_, __, signal) =>
      given++ < 2
        ? Promise.resolve({ lost: lost.signal, quietAt: 0, release: async () => {} })
        : new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  }
  const host = await process('a', { leases })
  inbox.publish('worker', 'Begin', { node: 'n1' })
  await clock.advance(100)
  expect(host.actors().length).toBeGreaterThan(0)
  lost.abort()
  await clock.advance(0)
  expect(aborted).toContain('cordon')
  expect(host.actors()).toEqual([])
})
