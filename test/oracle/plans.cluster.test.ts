import { beforeAll, expect, test } from 'vitest'
import { findOracle } from './binary.ts'
import { type Oracle, oracleAt } from './oracle.ts'
import { planAll } from './plans.ts'

const BUILD_MS = 900_000
let oracle: Oracle
beforeAll(async () => {
  oracle = oracleAt(await findOracle({ onProgress: (message) => process.stderr.write(`${message}\n`) }))
}, BUILD_MS)

// `npm run bench plans` plans 200 clusters.
test('plans: of random clusters with constraints of every kind kube-scheduler forbids no move, and leaves no pod pending where it places them itself', async () => {
  const planned = await planAll(
    oracle,
    Array.from({ length: 15 }, (_, index) => index + 1),
  )
  expect(planned.flatMap(({ seed, forbidden }) => forbidden.map((why) => `cluster ${seed}, ${why}`))).toEqual([])
  expect(planned.flatMap(({ seed, pending }) => pending.map((why) => `cluster ${seed}, ${why}`))).toEqual([])
  expect(planned.filter(({ drained }) => drained > 0).length).toBeGreaterThan(10)
})
