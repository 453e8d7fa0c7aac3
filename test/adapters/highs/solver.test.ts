import { expect, test } from 'vitest'
import { highsSolver } from '../../../src/adapters/highs/solver.ts'

// Least 2x + 3y with x + y ≥ 4 and x ≤ 3: x = 3, y = 1; one unit more of the demand costs a y.
const program = (demand: number) => ({
  cost: Float64Array.of(2, 3),
  lower: Float64Array.of(0, 0),
  upper: Float64Array.of(3, Number.POSITIVE_INFINITY),
  rowLower: Float64Array.of(demand),
  rowUpper: Float64Array.of(Number.POSITIVE_INFINITY),
  starts: Int32Array.of(0, 1, 2),
  indices: Int32Array.of(0, 0),
  values: Float64Array.of(1, 1),
})

test('highs: duals come from a thread while the one that asks waits, and can be asked for again', () => {
  const run = highsSolver.begin(program(4))
  expect([...(run.duals(60_000) ?? [])]).toEqual([3])
  expect([...(run.duals(0) ?? [])]).toEqual([3])
  run.stop()
})

test('highs: who can not wait has no answer yet; where there is no optimum there never is one', () => {
  const run = highsSolver.begin(program(4))
  expect(run.duals(0)).toBeUndefined()
  run.stop()
  const impossible = highsSolver.begin({ ...program(4), upper: Float64Array.of(1, 1) })
  expect(impossible.duals(60_000)).toBeUndefined()
  impossible.stop()
})
