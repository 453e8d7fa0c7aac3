import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Policy } from '../../src/events/plan.ts'
import { findOracle } from './binary.ts'
import { GPU } from './clusters/things.ts'
import { oracleAt } from './oracle.ts'
import { scoreAll } from './scores.ts'

const BUILD_MS = 900_000
let program = ''
let folder = ''
beforeAll(async () => {
  program = await findOracle({ onProgress: (message) => process.stderr.write(`${message}\n`) })
  folder = mkdtempSync(join(tmpdir(), 'quartermaster-scores-'))
}, BUILD_MS)
afterAll(() => rmSync(folder, { recursive: true }))

const seeds = Array.from({ length: 12 }, (_, index) => index + 1)
const configured = (pluginConfig: readonly object[], more: object = {}): string => {
  const file = join(folder, 'scheduler.json')
  const profile = { pluginConfig, ...more }
  const head = { apiVersion: 'kubescheduler.config.k8s.io/v1', kind: 'KubeSchedulerConfiguration' }
  writeFileSync(file, JSON.stringify({ ...head, profiles: [profile] }))
  return file
}

// `npm run bench scores` asks many more.
test('scores: every plugin gives every node what kube-scheduler gives it, and the same nodes are best', async () => {
  const { choices, differences, misjudged, felt } = await scoreAll(oracleAt(program), seeds, Policy.parse({}))
  expect(differences.slice(0, 3)).toEqual([])
  expect(misjudged).toEqual([])
  expect(choices).toBeGreaterThan(500)
  const rarely = Object.keys(SCORERS).filter((name) => (felt.get(name) ?? 0) < 20)
  expect(rarely, 'plugins that make too little difference').toEqual([])
})
const SCORERS = {
  TaintToleration: 3,
  NodeAffinity: 2,
  NodeResourcesFit: 1,
  PodTopologySpread: 2,
  InterPodAffinity: 2,
  NodeResourcesBalancedAllocation: 1,
}

const resources = [
  { name: 'cpu', weight: 3 },
  { name: 'memory', weight: 1 },
  { name: GPU, weight: 5 },
  { name: 'ephemeral-storage', weight: 2 },
]
const shape = [
  { utilization: 0, score: 2 },
  { utilization: 40, score: 9 },
  { utilization: 100, score: 0 },
]
test.each([
  ['that packs', { type: 'MostAllocated', resources }],
  ['that follows a shape', { type: 'RequestedToCapacityRatio', resources, requestedToCapacityRatio: { shape } }],
] as const)('scores: of a profile %s too, with other weights, resources and arguments', async (_, scoringStrategy) => {
  const balancedResources = resources.map(({ name }) => ({ name, weight: 1 }))
  const config = configured(
    [
      { name: 'NodeResourcesFit', args: { scoringStrategy } },
      { name: 'NodeResourcesBalancedAllocation', args: { resources: balancedResources } },
      { name: 'InterPodAffinity', args: { hardPodAffinityWeight: 7, ignorePreferredTermsOfExistingPods: true } },
    ],
    { plugins: { score: { disabled: [{ name: 'NodeAffinity' }], enabled: [{ name: 'NodeResourcesFit', weight: 4 }] } } },
  )
  const scheduler = {
    scoringStrategy,
    balancedResources,
    hardPodAffinityWeight: 7,
    ignorePreferredTermsOfExistingPods: true,
    weights: { NodeAffinity: 0, NodeResourcesFit: 4 },
  }
  const policy = Policy.parse({ scheduler })
  const { choices, differences, misjudged } = await scoreAll(oracleAt(program, config), seeds.slice(0, 6), policy)
  expect(differences.slice(0, 3)).toEqual([])
  expect(misjudged).toEqual([])
  expect(choices).toBeGreaterThan(250)
})
