import { expect, test, vi } from 'vitest'
import { createSimulator } from '../../src/simulator/simulator.ts'

test('watch: a client that left while its request waited is not told anything any more', async () => {
  const simulator = await createSimulator({ isStill: true })
  const { subscribe } = simulator.store
  const listening: string[] = []
  Object.assign(simulator.store, {
    subscribe: (listener: Parameters<typeof subscribe>[0]) => {
      const unsubscribe = subscribe(listener)
      listening.push('began')
      return () => {
        listening.push('ended')
        unsubscribe()
      }
    },
  })
  try {
    simulator.faults.delay(200)
    const headers = { authorization: `Bearer ${simulator.token}` }
    const leave = (): Promise<unknown> =>
      fetch(`${simulator.url}/api/v1/pods?watch=1`, { headers, signal: AbortSignal.timeout(50) })
    // On a busy machine a client may have left before its request arrived: then another one comes.
    await vi.waitUntil(
      async () => {
        await expect(leave()).rejects.toThrow(/abort|timeout/i)
        return listening.includes('began')
      },
      { timeout: 20_000, interval: 300 },
    )
    expect(listening.slice(0, 2)).toEqual(['began', 'ended'])
  } finally {
    await simulator.stop()
  }
})
