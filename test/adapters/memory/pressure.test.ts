import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limitIn, memoryNow, oldGenerationIn, shareOf } from '../../../src/adapters/memory/limits.ts'
import { type Pressure, pressureAfter } from '../../../src/adapters/memory/pressure.ts'
import { watchMemory } from '../../../src/adapters/memory/watch.ts'

const GIB = 2 ** 30
const ranks: readonly Pressure[] = ['none', 'some', 'high']
const rank = (pressure: Pressure): number => ranks.indexOf(pressure)
const pressure = fc.constantFrom(...ranks)
const share = fc.double({ min: 0, max: 1.5, noNaN: true })

test('pressure: near the limit it is high and far from it there is none, whatever it was before', () => {
  fc.assert(
    fc.property(pressure, fc.double({ min: 0.88, max: 2, noNaN: true }), (before, near) => {
      expect(pressureAfter(before, near)).toBe('high')
    }),
  )
  fc.assert(
    fc.property(pressure, fc.double({ min: 0, max: 0.6499, noNaN: true }), (before, far) => {
      expect(pressureAfter(before, far)).toBe('none')
    }),
  )
})

test('pressure: the same look twice changes nothing', () => {
  fc.assert(
    fc.property(pressure, share, (before, seen) => {
      const after = pressureAfter(before, seen)
      expect(pressureAfter(after, seen)).toBe(after)
    }),
  )
})

test('pressure: more in use never means less pressure', () => {
  fc.assert(
    fc.property(pressure, share, share, (before, a, b) => {
      const [less, more] = [Math.min(a, b), Math.max(a, b)]
      expect(rank(pressureAfter(before, less))).toBeLessThanOrEqual(rank(pressureAfter(before, more)))
    }),
  )
})

test('pressure: a use that swings by less than eight hundredths of the limit changes it once at most', () => {
  const swings = fc.array(fc.double({ min: 0, max: 0.079, noNaN: true }), { minLength: 2, maxLength: 50 })
  fc.assert(
    fc.property(pressure, fc.double({ min: 0, max: 1, noNaN: true }), swings, (before, base, swing) => {
      const seen: Pressure[] = []
      for (const by of swing) seen.push(pressureAfter(seen.at(-1) ?? pressureAfter(before, base), base + by))
      const changes = seen.filter((now, index) => index > 0 && now !== seen[index - 1]).length
      expect(changes).toBeLessThanOrEqual(1)
    }),
    { numRuns: 2_000 },
  )
})

test('pressure: a container without a limit is told from one with it', () => {
  expect([0, undefined, 2 ** 64, 2 ** 63].map((said) => limitIn(said, 16 * GIB))).toEqual(Array(4).fill(undefined))
  expect(limitIn(GIB / 2, 16 * GIB)).toBe(GIB / 2)
})

test('pressure: V8`s limit is that of the old generation', () => {
  const MIB = GIB / 1_024
  // As node 26 says with --max-old-space-size=110, 2000 and without, on a machine of 22 GiB.
  expect([206, 2_096, 4_192].map((limit) => oldGenerationIn(limit * MIB, 22 * GIB) / MIB)).toEqual([110, 2_000, 4_096])
  expect(oldGenerationIn(262 * MIB, GIB / 2) / MIB).toBe(256)
  expect(oldGenerationIn(4_144 * MIB, 22 * GIB, '--max-semi-space-size=16 --max-old-space-size=4096') / MIB).toBe(4_096)
})

test('pressure: what counts is the limit that is nearer, the container`s or V8`s', () => {
  const memory = { containerLimit: GIB, heapLimit: 4 * GIB, resident: 0.8 * GIB, heapUsed: 0.1 * GIB }
  expect(shareOf(memory)).toBeCloseTo(0.8)
  expect(shareOf({ ...memory, heapLimit: GIB / 8 })).toBeCloseTo(0.8)
  expect(shareOf({ ...memory, heapLimit: GIB / 9 })).toBeCloseTo(0.9)
  expect(shareOf({ ...memory, containerLimit: undefined })).toBeCloseTo(0.025)
})

test('pressure: this very process has a heap, and less in use than it may', () => {
  const memory = memoryNow()
  expect(memory.resident).toBeGreaterThan(memory.heapUsed / 2)
  expect(memory.heapUsed).toBeGreaterThan(1_000_000)
  expect(shareOf(memory)).toBeGreaterThan(0)
  expect(shareOf(memory)).toBeLessThan(1)
})

test('pressure: a change is told once, with what was seen', async () => {
  let resident = 0.5 * GIB
  const told: string[] = []
  const changed = Promise.withResolvers<void>()
  const look = () => ({ containerLimit: GIB, heapLimit: 4 * GIB, resident, heapUsed: 0 })
  const watch = watchMemory(
    (next, memory) => {
      told.push(`${next} ${memory.resident / GIB}`)
      if (next === 'none') changed.resolve()
      resident = next === 'high' ? 0.7 * GIB : 0.1 * GIB
    },
    { look, everyMs: 1 },
  )
  expect(watch.pressure()).toBe('none')
  resident = 0.9 * GIB
  await changed.promise
  watch.stop()
  expect(told).toEqual(['high 0.9', 'some 0.7', 'none 0.1'])
})
