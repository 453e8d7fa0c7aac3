import fc from 'fast-check'
import { expect, test } from 'vitest'
import { surgeOf } from '../../../src/actors/evictor/headroom/rollout-surge.ts'
import { planCluster } from '../../../src/actors/evictor/plan.ts'
import { verifyDrains } from '../../../src/actors/evictor/verify.ts'
import { highsSolver } from '../../../src/adapters/highs/solver.ts'
import { Deployment, type Node, type Pod } from '../../../src/events/kubernetes.ts'
import type { ModelObject } from '../../../src/events/model-kinds.ts'
import { Policy, Prices } from '../../../src/events/plan.ts'
import { contents, modelOf, NOW, node, pod, web } from './cluster.ts'
import { openbObjects } from './openb.ts'
import { appOf, apps, carriedOut, nodesOf, podsOf, worlds, ZONE } from './zoned.ts'

const prices = Prices.parse({})
const planFor = (objects: readonly ModelObject[], policy: object = {}) =>
  planCluster(modelOf(...objects), Policy.parse({ aggressive: true, ...policy }), prices, { now: NOW })

// What shares nothing with the planner: tries every way to put pods onto nodes, by cpu, number, zone and anti-affinity.
const cpuOf = ({ spec }: Pod): number => Number.parseInt(String(spec.containers[0]?.resources?.requests?.cpu), 10)
const sizeOf = ({ status }: Node): number => 1000 * Number(status.allocatable.cpu)
const zoneOf = ({ metadata }: Node): string => metadata.labels?.[ZONE] ?? ''
const fits = (objects: readonly ModelObject[], more: readonly Pod[]): boolean => {
  const [first, ...rest] = more
  if (!first) return true
  return nodesOf(objects).some((to) => {
    const there = podsOf(objects).filter(({ spec }) => spec.nodeName === to.metadata.name)
    if (there.reduce((sum, each) => sum + cpuOf(each), cpuOf(first)) > sizeOf(to) || there.length >= 10) return false
    if (first.spec.nodeSelector && zoneOf(to) !== 'x') return false
    if (first.spec.affinity && there.some((each) => appOf(each) === appOf(first))) return false
    return fits([...objects, { ...first, spec: { ...first.spec, nodeName: to.metadata.name } }], rest)
  })
}
const bySize = (objects: readonly ModelObject[]): readonly Pod[] => podsOf(objects).toSorted((a, b) => cpuOf(b) - cpuOf(a))
const more = (objects: readonly ModelObject[], app: string, count: number): readonly Pod[] => {
  const like = bySize(objects).find((each) => appOf(each) === app)
  return like ? Array.from({ length: Math.max(0, count) }, () => like) : []
}
const freeIn = (objects: readonly ModelObject[], zones: readonly string[]): number =>
  nodesOf(objects)
    .filter((each) => zones.includes(zoneOf(each)))
    .reduce((sum, each) => sum + sizeOf(each), 0) - loadOf(objects, zones, () => true)
const loadOf = (objects: readonly ModelObject[], zones: readonly string[], counts: (pod: Pod) => boolean): number => {
  const at = new Map(nodesOf(objects).map((each) => [each.metadata.name, zoneOf(each)]))
  const there = podsOf(objects).filter(({ spec }) => zones.includes(at.get(spec.nodeName ?? '') ?? ''))
  return there.filter(counts).reduce((sum, each) => sum + cpuOf(each), 0)
}
const inZone = (objects: readonly ModelObject[], zone: string): number =>
  nodesOf(objects).filter((each) => zoneOf(each) === zone).length
const replicas = (objects: readonly ModelObject[], app: string): number =>
  podsOf(objects).filter((each) => appOf(each) === app).length
const others = (zone: string): readonly string[] => (zone === 'x' ? ['y'] : ['x'])

/** Whether the cluster has the headroom, by each policy. */
const kinds: Readonly<Record<string, { policy: object; holds: (objects: readonly ModelObject[]) => boolean }>> = {
  percent: {
    policy: { percent: 30 },
    holds: (objects) => freeIn(objects, ['x', 'y']) >= 0.3 * loadOf(objects, ['x', 'y'], () => true),
  },
  'largest pod': {
    policy: { largestPod: true },
    holds: (objects) =>
      fits(
        objects,
        bySize(objects)
          .slice(0, 1)
          .map(({ spec: { affinity: _, ...spec }, ...each }) => ({ ...each, spec })),
      ),
  },
  'surge of any': {
    policy: { rolloutSurge: 'one' },
    holds: (objects) => apps.every((app) => fits(objects, more(objects, app, Math.ceil(replicas(objects, app) / 4)))),
  },
  'surge of all': {
    policy: { rolloutSurge: 'all' },
    holds: (objects) =>
      fits(
        objects,
        apps.flatMap((app) => more(objects, app, Math.ceil(replicas(objects, app) / 4))),
      ),
  },
  peaks: {
    policy: { autoscaledPeaks: true },
    holds: (objects) => fits(objects, more(objects, 'a', 4 - replicas(objects, 'a'))),
  },
  'nodes of x': { policy: { minNodesPerZone: 2 }, holds: (objects) => inZone(objects, 'x') >= 2 },
  'nodes of y': { policy: { minNodesPerZone: 2 }, holds: (objects) => inZone(objects, 'y') >= 2 },
  ...Object.fromEntries(
    ['x', 'y'].map((zone) => [
      `loss of ${zone}`,
      {
        policy: { zoneLoss: true },
        holds: (objects: readonly ModelObject[]) => {
          const canLeave = ({ spec }: Pod): boolean => !spec.nodeSelector || zone !== 'x'
          const { length } = nodesOf(objects).filter((each) => zoneOf(each) !== zone)
          return length === 0 || loadOf(objects, [zone], canLeave) <= freeIn(objects, others(zone))
        },
      },
    ]),
  ),
}

test.each(Object.entries(kinds))('headroom: %s is left by every plan where it was there before', (_, { policy, holds }) => {
  let broken = 0
  fc.assert(
    fc.property(worlds, (objects) => {
      const plan = planFor(objects, { headroom: policy })
      if ((plan.unmet ?? []).length > 0 || !holds(objects)) return
      expect(holds(carriedOut(objects, plan))).toBe(true)
      if (!holds(carriedOut(objects, planFor(objects)))) broken += 1
    }),
    { numRuns: 70, seed: 1 },
  )
  expect(broken).toBeGreaterThan(0) // without it some plans leave none
})

test('headroom: the bound is that of plans that leave it, and never above one; the model is left as it was', () => {
  const everything = {
    percent: 20,
    largestPod: true,
    rolloutSurge: 'all',
    autoscaledPeaks: true,
    zoneLoss: true,
    minNodesPerZone: 1,
  }
  let raised = 0
  fc.assert(
    fc.property(worlds, (objects) => {
      const model = modelOf(...objects)
      const before = contents(model)
      const policy = Policy.parse({ aggressive: true, headroom: everything })
      const options = { now: NOW, solver: highsSolver }
      const plan = planCluster(model, policy, prices, options)
      expect(contents(model)).toEqual(before)
      expect(plan.bound.hourlyCost).toBeLessThanOrEqual(plan.after.hourlyCost + 1e-6)
      const without = planCluster(model, Policy.parse({ aggressive: true }), prices, options)
      if (plan.bound.hourlyCost > without.bound.hourlyCost + 1e-6) raised += 1
    }),
    { numRuns: 7, seed: 1 },
  )
  expect(raised).toBeGreaterThan(0)
})

test('headroom: none at all is the same as not to speak of it', () => {
  const objects = openbObjects(60, 500)
  expect({ ...planFor(objects, { headroom: {} }), solveMillis: 0 }).toEqual({ ...planFor(objects), solveMillis: 0 })
})

const pair = [node('a'), node('b'), web(), pod('p', 'a'), pod('q', 'b'), pod('r', 'b')]

test('headroom: a node that is kept for it says for what', () => {
  const { drains, kept } = planFor(pair, { headroom: { percent: 50 } })
  expect(drains).toEqual([])
  expect(kept[0]?.reasons[0]).toMatchObject({ code: 'Headroom' })
  expect(kept[0]?.reasons[0]?.message).toMatch(/^the policy's headroom takes up the room: /)
})

test('headroom: what has no room now is said, and stands in the way of nothing', () => {
  const full = [node('a'), node('b'), web(), pod('p', 'a'), pod('q', 'b', { requests: { cpu: '3' } })]
  const { unmet, drains } = planFor(full, { headroom: { largestPod: true, percent: 400 } })
  expect(unmet).toMatchObject([{ pods: expect.any(Number), of: 8 }])
  expect(drains.length).toBeLessThanOrEqual(1)
})

test('headroom: a drain that would leave none by now is refused before it begins', () => {
  const plan = planFor(pair)
  const verdict = (policy: object) => verifyDrains(modelOf(...pair), plan, ['a'], Policy.parse(policy), NOW)
  expect(verdict({}).nodes).toEqual(['a'])
  const { nodes, refused } = verdict({ headroom: { percent: 50 } })
  expect(nodes).toEqual([])
  expect(refused[0]?.reason).toMatch(/^the policy's headroom: 50 % more/)
})

test.each([
  [{ replicas: 10 }, 3],
  [{ replicas: 10, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '10%' } } }, 1],
  [{ replicas: 3, strategy: { rollingUpdate: { maxSurge: 2 } } }, 2],
  [{ replicas: 3, strategy: { rollingUpdate: { maxSurge: 0 } } }, 0],
  [{ replicas: 3, strategy: { type: 'Recreate' } }, 0],
  [{ replicas: 0 }, 0],
  [{ replicas: 3, strategy: { rollingUpdate: { maxSurge: 'much' } } }, 0],
])('headroom: the surge of %j is %i', (spec, surge) => {
  expect(surgeOf(Deployment.parse({ kind: 'Deployment', metadata: { name: 'd' }, spec }))).toBe(surge)
})
