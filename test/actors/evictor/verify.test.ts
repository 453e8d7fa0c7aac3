import { expect, test } from 'vitest'
import { fit } from '../../../src/actors/evictor/fit.ts'
import { planCluster } from '../../../src/actors/evictor/plan.ts'
import { verifyDrains } from '../../../src/actors/evictor/verify.ts'
import type { PlannedObject } from '../../../src/events/kubernetes.ts'
import { Policy, Prices } from '../../../src/events/plan.ts'
import { modelOf, NOW, node, pod, web } from './cluster.ts'

const policy = Policy.parse({})
const everything = [{ operator: 'Exists' }]
const cluster = [node('a'), node('b'), web(), pod('p', 'a'), pod('q', 'b')]
const plan = planCluster(modelOf(...cluster), policy, Prices.parse({}), { now: NOW })
const planned = plan.drains.map(({ node }) => node)
const verify = (more: readonly PlannedObject[], over = policy) =>
  verifyDrains(modelOf(...cluster, ...more), plan, planned, over, NOW)

test('verify: lets go what is still as it was planned', () => {
  expect(planned).toHaveLength(1)
  expect(verify([])).toEqual({ nodes: planned, refused: [] })
})

test('verify: a pod that waits has the first claim on room', () => {
  const waiting = pod('w', undefined, { requests: { cpu: '3' } })
  expect(verify([waiting])).toMatchObject({ nodes: [], refused: [{ node: planned[0] }] })
})

test('verify: keeps as many nodes as the policy wants', () => {
  expect(verify([], Policy.parse({ minNodes: 2 }))).toMatchObject({
    nodes: [],
    refused: [{ reason: 'the policy keeps 2 node(s)' }],
  })
})

test('fit: a cordoned node is no place, not even for what tolerates the cordon', () => {
  const model = modelOf(node('c', { spec: { unschedulable: true } }), pod('t', undefined, { spec: { tolerations: everything } }))
  const [shape] = model.shapes.values()
  const target = model.nodes.get('c')
  expect(shape && target && fit(model, shape)(target)).toMatchObject({ code: 'NodeUnschedulable' })
})

test.each([
  ['ToleratesCordon', { tolerations: everything }],
  ['Undecided', { volumes: [{ name: 'disk', awsElasticBlockStore: { volumeID: 'v' } }] }],
])('plan: a pod is not moved: %s', (code, spec) => {
  const model = modelOf(node('a'), node('b'), web(), pod('p', 'a', { spec }), pod('q', 'b', { spec }))
  const { drains, kept } = planCluster(model, policy, Prices.parse({}), { now: NOW })
  expect(drains).toEqual([])
  expect(kept.flatMap(({ reasons }) => reasons.map((reason) => reason.code))).toContain(code)
})

test('plan: volumes that follow a pod anywhere do not hold it', () => {
  const spec = {
    volumes: [
      { name: 'token', projected: { sources: [] } },
      { name: 'config', configMap: { name: 'c' } },
    ],
  }
  const model = modelOf(node('a'), node('b'), web(), pod('p', 'a', { spec }), pod('q', 'b', { spec }))
  expect(planCluster(model, policy, Prices.parse({}), { now: NOW }).drains).toHaveLength(1)
})
