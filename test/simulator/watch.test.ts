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
    await expect(fetch(`${simulator.url}/api/v1/pods?watch=1`, { headers, signal: AbortSignal.timeout(50) })).rejects.toThrow(
      /abort|timeout/i,
    )
    await vi.waitUntil(() => listening.includes('began'), { timeout: 5_000 })
    expect(listening).toEqual(['began', 'ended'])
  } finally {
    await simulator.stop()
  }
})
