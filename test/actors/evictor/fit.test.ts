import { expect, test } from 'vitest'
import { refusedBy } from '../../../src/actors/evictor/placing.ts'
import type { PlannedObject } from '../../../src/events/kubernetes.ts'
import { modelOf, node, pod } from './cluster.ts'

const HOST = 'kubernetes.io/hostname'
const anti = (app: string) => ({
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: HOST, labelSelector: { matchLabels: { app } } }],
    },
  },
})
const near = (app: string) => ({ affinity: { podAffinity: anti(app).affinity.podAntiAffinity } })
const wants = (matchExpressions: readonly unknown[], rest = {}) => ({
  affinity: {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions, ...rest }] } },
  },
})
/** What the node n has against the pod p, which waits. */
const verdict = (
  spec: Readonly<Record<string, unknown>>,
  target = node('n'),
  ...others: readonly PlannedObject[]
): string | undefined => {
  const model = modelOf(target, pod('p', undefined, { spec }), ...others)
  const [p, n] = [model.pods.get('shop/p'), model.nodes.get('n')]
  if (!p || !n) throw new Error('the test has no p or n')
  return refusedBy(model, p, n)?.message
}
const containers = (requests: Readonly<Record<string, unknown>>, rest = {}) => ({
  containers: [{ name: 'c', resources: { requests }, ...rest }],
})

test.each([
  ['what fits', {}, undefined],
  ['more cpu than is left', containers({ cpu: '4001m' }), 'Insufficient cpu'],
  ['a device that the node has not', containers({ 'nvidia.com/gpu': '1' }), 'Insufficient nvidia.com/gpu'],
  ['a label that the node has not', { nodeSelector: { disk: 'ssd' } }, "node(s) didn't match Pod's node affinity/selector"],
  [
    'an operator that does not exist',
    wants([{ key: 'a', operator: 'Like' }]),
    "node(s) didn't match Pod's node affinity/selector",
  ],
  ['a term that asks for nothing', wants([]), "node(s) didn't match Pod's node affinity/selector"],
  ['its name by matchFields', wants([], { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] }), undefined],
  ['to be near what is nowhere', near('db'), "node(s) didn't match pod affinity rules"],
  ['to be near its own kind, as the first', near('web'), undefined],
  [
    'a persistent volume',
    { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'v' } }] },
    'it uses the claim v, which is not known',
  ],
  ['a scheduling gate', { schedulingGates: [{ name: 'g' }] }, 'it waits at the scheduling gate g'],
])('fit: judges a pod that asks for %s', (_, spec, message) => {
  expect(verdict(spec)).toBe(message)
})

test('fit: refuses a pod whose taints are not tolerated, and takes one that tolerates them', () => {
  const tainted = node('n', { spec: { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] } })
  expect(verdict({}, tainted)).toBe('node(s) had untolerated taint {gpu: yes}')
  expect(verdict({ tolerations: [{ key: 'gpu', operator: 'Exists' }] }, tainted)).toBeUndefined()
})

test('fit: compares integers by Gt and Lt', () => {
  const labelled = node('n', { metadata: { labels: { cards: '4' } } })
  expect(verdict(wants([{ key: 'cards', operator: 'Gt', values: ['3'] }]), labelled)).toBeUndefined()
  expect(verdict(wants([{ key: 'cards', operator: 'Lt', values: ['4'] }]), labelled)).toContain('node affinity')
})

test('fit: refuses a cordoned node, and one that is not ready', () => {
  expect(verdict({}, node('n', { spec: { unschedulable: true } }))).toBe('node(s) were unschedulable')
  expect(verdict({}, node('n', { conditions: [{ type: 'Ready', status: 'Unknown' }] }))).toBe('node(s) were not ready')
})

test('fit: refuses one pod too many', () => {
  expect(verdict({}, node('n', { allocatable: { pods: '1' } }), pod('q', 'n'))).toBe('Too many pods')
})

test('fit: refuses a host port that is taken, unless the addresses differ', () => {
  const port = (hostIP?: string) => containers({}, { ports: [{ hostPort: 80, ...(hostIP && { hostIP }) }] })
  expect(verdict(port(), node('n'), pod('q', 'n', { spec: port('10.0.0.1') }))).toContain('free ports')
  expect(verdict(port('10.0.0.2'), node('n'), pod('q', 'n', { spec: port('10.0.0.1') }))).toBeUndefined()
})

test('fit: honours anti-affinity in both directions', () => {
  const db = (spec = {}) => pod('q', 'n', { metadata: { labels: { app: 'db' } }, spec })
  expect(verdict(anti('db'), node('n'), db())).toBe("node(s) didn't match pod anti-affinity rules")
  expect(verdict({}, node('n'), db(anti('web')))).toBe("node(s) didn't satisfy existing pods anti-affinity rules")
})

test('fit: keeps the skew of topology spread, and counts the nodes that are to go as there but empty', () => {
  const spread = {
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: HOST, whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: { app: 'web' } } },
    ],
  }
  expect(verdict(spread, node('n'), node('m'), pod('q', 'n'))).toBe("node(s) didn't match pod topology spread constraints")
  expect(verdict(spread, node('n'), node('m'), pod('q', 'm'))).toBeUndefined()
})
