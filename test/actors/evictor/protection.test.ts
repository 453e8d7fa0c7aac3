import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { planCluster } from '../../../src/actors/evictor/plan.ts'
import { readSnapshot } from '../../../src/commands/snapshot.ts'
import { LabelSelector } from '../../../src/events/kubernetes.ts'
import type { ModelObject } from '../../../src/events/model-kinds.ts'
import { type Plan, Policy, Prices } from '../../../src/events/plan.ts'
import { selects } from '../../../src/events/selector.ts'
import { randomCluster } from '../../oracle/clusters/cluster.ts'
import { APPS, NAMESPACES } from '../../oracle/clusters/things.ts'
import { modelOf, NOW } from './cluster.ts'
import { appOf, apps, carriedOut, nodesOf, podsOf, worlds, ZONE } from './zoned.ts'

/** What a plan may not lower (or raise, written with a minus), by name, judged from the objects alone. */
type Protected = Readonly<Record<string, number>>

const placed = (objects: readonly ModelObject[]): ReadonlyMap<string, readonly string[]> => {
  const zones = new Map(nodesOf(objects).map(({ metadata }) => [metadata.name, metadata.labels?.[ZONE] ?? '']))
  const there = podsOf(objects).filter(({ spec }) => zones.has(spec.nodeName ?? ''))
  return Map.groupBy(
    there.map((pod) => `${appOf(pod)} ${zones.get(pod.spec.nodeName ?? '')}`),
    (key) => key.split(' ')[0] ?? '',
  )
}
const skew = (objects: readonly ModelObject[], app: string): number => {
  const isSpread = podsOf(objects).some((pod) => appOf(pod) === app && pod.spec.topologySpreadConstraints)
  const zones = [...new Set(nodesOf(objects).map(({ metadata }) => metadata.labels?.[ZONE] ?? ''))]
  const counts = zones.map((zone) => (placed(objects).get(app) ?? []).filter((key) => key === `${app} ${zone}`).length)
  return isSpread ? Math.max(2, Math.max(...counts) - Math.min(...counts)) : 0 // its maxSkew is 2
}
const together = (objects: readonly ModelObject[], app: string): number => {
  const kin = podsOf(objects).filter((pod) => appOf(pod) === app && pod.spec.affinity)
  return kin.length - new Set(kin.map(({ spec }) => spec.nodeName)).size
}
const protectedOf = (objects: readonly ModelObject[]): Protected =>
  Object.fromEntries([
    ...apps.flatMap((app) => [
      [`replicas of ${app}`, (placed(objects).get(app) ?? []).length],
      [`skew of ${app}`, -skew(objects, app)],
      [`replicas of ${app} that share a node`, -together(objects, app)],
    ]),
    ...['x', 'y'].map((zone) => [
      `nodes of ${zone}, as far as the policy keeps them`,
      Math.min(1, nodesOf(objects).filter(({ metadata }) => metadata.labels?.[ZONE] === zone).length),
    ]),
    ['nodes, as far as the policy keeps them', Math.min(2, nodesOf(objects).length)],
  ])

const policies = fc.record({
  aggressive: fc.boolean(),
  minNodes: fc.constant(2),
  maxNodes: fc.constantFrom(undefined, 2),
  headroom: fc.record({
    percent: fc.constantFrom(0, 25),
    largestPod: fc.boolean(),
    rolloutSurge: fc.constantFrom('none', 'one', 'all'),
    autoscaledPeaks: fc.boolean(),
    zoneLoss: fc.boolean(),
    minNodesPerZone: fc.constant(1),
  }),
})
const price = { instances: [], spend: [{ hourly: 0.3, discount: 0.25 }] }
const missing = ({ unmet = [] }: Plan): ReadonlyMap<string, number> => new Map(unmet.map(({ what, pods }) => [what, pods]))

test('protection: a plan lowers nothing that is protected, whatever the policy', () => {
  let emptied = 0
  fc.assert(
    fc.property(worlds, policies, (objects, settings) => {
      const policy = Policy.parse(settings)
      const prices = Prices.parse({ commitments: price })
      const planFor = (what: readonly ModelObject[]) => planCluster(modelOf(...what), policy, prices, { now: NOW })
      const plan = planFor(objects)
      const result = carriedOut(objects, plan)
      const [before, after] = [protectedOf(objects), protectedOf(result)]
      for (const [name, amount] of Object.entries(before))
        expect([name, after[name]]).toEqual([name, Math.max(amount, after[name] ?? -1e9)])
      // Of what may come nothing finds less room in the cluster that the plan makes, built anew.
      const next = planFor(result)
      for (const [what, pods] of missing(next)) expect([what, pods]).toEqual([what, Math.min(pods, missing(plan).get(what) ?? 0)])
      expect(plan.after.hourlyCost).toBeLessThanOrEqual(plan.before.hourlyCost + 1e-9)
      expect(plan.after.hourlyCost).toBeGreaterThanOrEqual(0.3)
      expect(next.before.hourlyCost).toBeCloseTo(plan.after.hourlyCost, 5)
      emptied += plan.drains.length
    }),
    { numRuns: 120 },
  )
  expect(emptied).toBeGreaterThan(20)
})

const Item = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().default(''),
    labels: z.record(z.string(), z.string()).default({}),
    ownerReferences: z.array(z.looseObject({ uid: z.string(), kind: z.string() })).default([]),
  }),
  spec: z.looseObject({ nodeName: z.string().optional(), selector: LabelSelector.optional().catch(undefined) }).default({}),
  status: z.looseObject({ disruptionsAllowed: z.number().optional() }).default({}),
})

const budgets = NAMESPACES.flatMap((namespace) =>
  APPS.map((app, index) => ({
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { namespace, name: `all-${app}` },
    spec: { selector: { matchLabels: { app } } },
    status: { disruptionsAllowed: 1 + index, expectedPods: 9, desiredHealthy: 6, currentHealthy: 9 },
  })),
)

test('protection: under constraints of every kind each owner and each budget keeps its pods, wave by wave', () => {
  const folder = mkdtempSync(join(tmpdir(), 'quartermaster-protection-'))
  let evictions = 0
  try {
    for (let seed = 1; seed <= 6; seed += 1) {
      const { list } = randomCluster(seed, { nodes: 25, asked: 50 })
      const file = join(folder, 'cluster.json')
      const all = [...list.items, ...budgets]
      writeFileSync(file, JSON.stringify({ ...list, items: all }))
      const policy = Policy.parse({ aggressive: true, protectedNamespaces: ['shop'], maxEvictions: 40 })
      const { drains } = planCluster(readSnapshot(file, policy).model, policy, Prices.parse({}), { now: NOW })
      const items = all.map((item) => Item.parse(item))
      const gone = new Set(drains.map(({ node }) => node))
      const moves = drains.flatMap(({ wave, node, moves: all }) => all.map((move) => ({ ...move, wave, node })))
      const to = new Map(moves.map((move) => [`${move.namespace}/${move.name}`, move.to]))
      const pods = items.filter(({ kind }) => kind === 'Pod')
      for (const { metadata, spec } of pods) {
        const key = `${metadata.namespace}/${metadata.name}`
        const isOfNode = metadata.ownerReferences.some(({ kind }) => kind === 'DaemonSet' || kind === 'Node')
        const isLost = gone.has(spec.nodeName ?? '') && !gone.has(to.get(key) ?? 'nowhere') && !to.has(key)
        if (isLost && !isOfNode)
          expect([key, metadata]).toEqual([key, expect.objectContaining({ deletionTimestamp: expect.anything() })])
      }
      expect([...to].filter(([, node]) => gone.has(node))).toEqual([])
      expect(moves.filter(({ namespace }) => namespace === 'shop')).toEqual([])
      expect(moves.length).toBeLessThanOrEqual(40)
      for (const { metadata, spec, status } of items.filter(({ kind }) => kind === 'PodDisruptionBudget')) {
        const isMeant = ({ namespace, name }: { namespace: string; name: string }): boolean => {
          const pod = pods.find((each) => each.metadata.namespace === namespace && each.metadata.name === name)
          return namespace === metadata.namespace && selects(spec.selector, pod?.metadata.labels)
        }
        for (const [wave, together] of Map.groupBy(moves.filter(isMeant), (move) => move.wave)) {
          const nodes = new Set(together.map(({ node }) => node)).size
          // One node may take more than is allowed at once: its pods go one after the other.
          if (nodes > 1)
            expect([seed, wave, metadata.name, together.length <= (status.disruptionsAllowed ?? 0)]).toEqual([
              seed,
              wave,
              metadata.name,
              true,
            ])
        }
      }
      evictions += moves.length
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  expect(evictions).toBeGreaterThan(20)
})
