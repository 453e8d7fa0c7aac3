import fc from 'fast-check'
import { expect, test } from 'vitest'
import { allowed, scaled } from '../../src/simulator/budget.ts'

const table = [
  { spec: { minAvailable: 2 }, pods: 3, replicas: 3, healthy: 3, desired: 2, allows: 1 },
  { spec: { minAvailable: 2 }, pods: 3, replicas: 3, healthy: 2, desired: 2, allows: 0 },
  { spec: { minAvailable: 5 }, pods: 3, replicas: 3, healthy: 3, desired: 5, allows: 0 },
  { spec: { minAvailable: '80%' }, pods: 5, replicas: 5, healthy: 5, desired: 4, allows: 1 },
  { spec: { minAvailable: '80%' }, pods: 4, replicas: 4, healthy: 4, desired: 4, allows: 0 },
  { spec: { minAvailable: '0%' }, pods: 4, replicas: 4, healthy: 4, desired: 0, allows: 4 },
  { spec: { maxUnavailable: 1 }, pods: 1, replicas: 1, healthy: 1, desired: 0, allows: 1 },
  { spec: { maxUnavailable: 1 }, pods: 9, replicas: 10, healthy: 9, desired: 9, allows: 0 },
  { spec: { maxUnavailable: '25%' }, pods: 5, replicas: 5, healthy: 5, desired: 3, allows: 2 },
  { spec: { maxUnavailable: '100%' }, pods: 5, replicas: 5, healthy: 5, desired: 0, allows: 5 },
  { spec: { maxUnavailable: 9 }, pods: 5, replicas: 5, healthy: 5, desired: 0, allows: 5 },
  { spec: { maxUnavailable: 1 }, pods: 0, replicas: 0, healthy: 0, desired: 0, allows: 0 },
]
test.each(table)(
  'budget: $spec with $healthy of $replicas healthy allows $allows',
  ({ spec, pods, replicas, healthy, desired, allows }) => {
    expect(allowed(spec, pods, replicas, healthy)).toMatchObject({ desiredHealthy: desired, disruptionsAllowed: allows })
  },
)

test('budget: refuses what is neither a number nor a percentage', () => {
  expect(() => scaled('half', 4)).toThrow('neither a number nor a percentage')
})

const limit = fc.oneof(
  fc.nat(60),
  fc.nat(100).map((percent) => `${percent}%`),
)
test('budget: never allows to fall below what is to stay, and a spent disruption counts as one', () => {
  fc.assert(
    fc.property(limit, fc.boolean(), fc.nat(50), fc.nat(50), (value, isMinimum, replicas, healthy) => {
      const spec = isMinimum ? { minAvailable: value } : { maxUnavailable: value }
      const now = allowed(spec, replicas, replicas, healthy)
      if (now.disruptionsAllowed === 0) return
      expect(healthy - now.disruptionsAllowed).toBe(now.desiredHealthy)
      expect(allowed(spec, replicas, replicas, healthy - 1).disruptionsAllowed).toBe(now.disruptionsAllowed - 1)
    }),
  )
})

test('budget: a percentage rounds up', () => {
  fc.assert(
    fc.property(fc.nat(100), fc.nat(1000), (percent, total) => {
      const amount = scaled(`${percent}%`, total)
      expect(amount * 100).toBeGreaterThanOrEqual(percent * total)
      expect((amount - 1) * 100).toBeLessThan(Math.max(percent * total, 1))
    }),
  )
})
