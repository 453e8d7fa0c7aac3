import { expect, test } from 'vitest'
import { coverageOf } from './coverage.ts'
import { playOf, plays } from './plays.ts'
import { random } from './random.ts'
import { simulate } from './simulate.ts'
import { counted, coverageIn, emptyTally } from './tally.ts'

const SEEDS = 40

test(`simulation: nothing is lost, doubled or stuck in ${SEEDS} worlds, each with 200 transitions and three faults`, async () => {
  const tally = emptyTally()
  for (let seed = 1; seed <= SEEDS; seed++) counted(tally, await simulate(seed, { play: playOf(seed) }))
  expect(tally.violations).toEqual([])
  expect(tally.leastTransitions).toBeGreaterThanOrEqual(200)
  expect(tally.leastFaults).toBeGreaterThanOrEqual(3)
  const { visited, all } = coverageIn(tally)
  expect(visited / all).toBeGreaterThan(0.8)
}, 120_000)

test.each(Object.keys(plays))(
  'simulation: the same seed makes the same journal, byte for byte: %s',
  async (name) => {
    const play = plays[name]
    if (!play) throw new Error(`no play ${name}`)
    const [first, again, other] = [await simulate(7, { play }), await simulate(7, { play }), await simulate(8, { play })]
    expect(again.sha256).toBe(first.sha256)
    expect(again.steps).toBe(first.steps)
    expect(other.sha256).not.toBe(first.sha256)
  },
  60_000,
)

test('random: xoshiro128** repeats itself for a seed, and spreads', () => {
  const [one, same, other] = [random(1), random(1), random(2)]
  const taken = Array.from({ length: 1_000 }, () => one.fraction())
  expect(Array.from({ length: 1_000 }, () => same.fraction())).toEqual(taken)
  expect(other.fraction()).not.toBe(taken[0])
  const mean = taken.reduce((sum, value) => sum + value, 0) / taken.length
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.05)
})

test('coverage: a state is visited with all that is above it, and what is missing is named', () => {
  const definitions = plays['made']?.definitions.filter(({ type }) => type === 'helper') ?? []
  expect(coverageOf(definitions, ['helper "ticking"', 'helper "done"'])).toEqual({
    visited: 2,
    all: 3,
    missing: ['helper.counting'],
  })
})
