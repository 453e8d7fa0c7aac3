import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findOracle } from './binary.ts'
import { configOf, DEFAULTS } from './defaults.ts'
import { oracleAt } from './oracle.ts'
import { askAll, plugins, undecidedOf } from './questions.ts'

/** What the whole of kube-scheduler takes to compile where nothing of it was compiled before. */
const BUILD_MS = 900_000
let program = ''
let folder = ''
beforeAll(async () => {
  program = await findOracle({ onProgress: (message) => process.stderr.write(`${message}\n`) })
  folder = mkdtempSync(join(tmpdir(), 'quartermaster-fit-'))
}, BUILD_MS)
afterAll(() => rmSync(folder, { recursive: true }))

const seeds = Array.from({ length: 12 }, (_, index) => index + 1)

// `npm run bench fit` asks many more.
test('fit: answers every question about a random cluster as the Filter plugins of kube-scheduler do', async () => {
  const asked = await askAll(oracleAt(program), seeds)
  expect(asked.wrong.slice(0, 5)).toEqual([])
  expect(asked.differences.slice(0, 5)).toEqual([])
  expect(asked.questions).toBeGreaterThan(10_000)
  expect(asked.fitting / asked.questions).toBeGreaterThan(0.4)
  expect(asked.fitting / asked.questions).toBeLessThan(0.6)
  expect(undecidedOf(asked) / asked.questions).toBeLessThan(0.01)
  expect(new Set(asked.undecided.keys())).toEqual(new Set(['DynamicResources', 'NodeDeclaredFeatures']))
  const rarely = plugins.filter((name) => (asked.only.get(name) ?? 0) < 15)
  expect(rarely, 'plugins that decide too few of the questions').toEqual([])
})

test('fit: spreads by the default constraints of a cluster whose scheduler has some, by the selectors of owners and services', async () => {
  const config = join(folder, 'defaults.json')
  writeFileSync(config, JSON.stringify(configOf(DEFAULTS)))
  const asked = await askAll(oracleAt(program, config), seeds.slice(0, 6), { defaultConstraints: DEFAULTS })
  expect(asked.wrong.slice(0, 5)).toEqual([])
  expect(asked.differences.slice(0, 5)).toEqual([])
  const without = await askAll(oracleAt(program), seeds.slice(0, 6))
  expect(asked.fitting, 'the constraints decide something').toBeLessThan(without.fitting)
})
