import fc from 'fast-check'
import { expect } from 'vitest'
import { nowhere, rules } from '../../../src/actors/evictor/fit.ts'
import { createModel, type Model } from '../../../src/actors/evictor/model.ts'
import type { ModelKindName, ModelObject } from '../../../src/events/model-kinds.ts'
import { Namespace, ResourceQuota } from '../../../src/events/namespaces.ts'
import { CSINode, PersistentVolume, PersistentVolumeClaim, StorageClass, VolumeAttachment } from '../../../src/events/storage.ts'
import { budget, contents, modelOf, node, pod, web } from './cluster.ts'

/** A change of some cluster: an object as it is from now on, or that it is gone. */
export type Change = { readonly object: ModelObject } | { readonly gone: readonly [ModelKindName, string | undefined, string] }

const HOST = 'kubernetes.io/hostname'
const names = (prefix: string, count: number) => fc.nat(count - 1).map((n) => `${prefix}${n}`)
const some = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined })
const app = fc.constantFrom('a', 'b', 'c')
const key = fc.constantFrom(HOST, 'zone')
const selector = fc.oneof(
  app.map((name) => ({ matchLabels: { app: name } })),
  app.map((name) => ({ matchExpressions: [{ key: 'app', operator: 'NotIn', values: [name] }] })),
  fc.constant({}),
)
const namespaces = fc.constantFrom(
  {},
  { namespaces: ['shop', 'bank'] },
  { namespaceSelector: {} },
  { namespaceSelector: { matchLabels: { team: 'x' } } },
)
const term = fc
  .record({ labelSelector: selector, topologyKey: key, where: namespaces })
  .map(({ where, ...rest }) => ({ ...rest, ...where }))
const required = (terms: readonly unknown[] | undefined) => terms && { requiredDuringSchedulingIgnoredDuringExecution: terms }

const spread = fc.record(
  {
    maxSkew: fc.integer({ min: 1, max: 2 }),
    topologyKey: key,
    whenUnsatisfiable: fc.constant('DoNotSchedule'),
    labelSelector: selector,
    minDomains: fc.integer({ min: 1, max: 3 }),
    nodeAffinityPolicy: fc.constantFrom('Honor', 'Ignore'),
    nodeTaintsPolicy: fc.constantFrom('Honor', 'Ignore'),
  },
  { requiredKeys: ['maxSkew', 'topologyKey', 'whenUnsatisfiable', 'labelSelector'] },
)
const taint = fc.record({ key: fc.constantFrom('t', 'u'), effect: fc.constantFrom('NoSchedule', 'PreferNoSchedule') })

const nodes = fc
  .record({
    name: names('n', 6),
    zone: some(fc.constantFrom('x', 'y', 'z')),
    disk: some(fc.constantFrom('ssd')),
    taints: fc.array(taint, { maxLength: 1 }),
    unschedulable: fc.boolean(),
    cpu: fc.integer({ min: 2, max: 8 }),
    ready: fc.constantFrom('True', 'True', 'False'),
  })
  .map(({ name, zone, disk, taints, unschedulable, cpu, ready }) =>
    node(name, {
      metadata: { labels: { [HOST]: name, ...(zone && { zone }), ...(disk && { disk }) } },
      spec: { taints, unschedulable },
      allocatable: { cpu: String(cpu) },
      conditions: [{ type: 'Ready', status: ready }],
    }),
  )

const pods = fc
  .record({
    name: names('p', 24),
    namespace: fc.constantFrom('shop', 'bank'),
    at: some(names('n', 6)),
    app,
    leaving: fc.boolean(),
    near: some(fc.array(term, { minLength: 1, maxLength: 2 })),
    against: some(fc.array(term, { minLength: 1, maxLength: 2 })),
    spreads: fc.array(spread, { maxLength: 2 }),
    disk: some(fc.constantFrom('ssd')),
    tolerates: fc.boolean(),
    port: some(fc.constantFrom(80, 81)),
    claim: some(names('c', 4)),
    plain: fc.integer({ min: 0, max: 2 }),
    release: fc.nat(9),
  })
  .map(({ name, namespace, at, app: label, leaving, near, against, spreads, disk, tolerates, port, claim, plain, release }) =>
    pod(name, at, {
      metadata: {
        namespace,
        uid: `${namespace}-${name}`,
        labels: { app: label, release: String(release) },
        ...(leaving && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
      },
      spec:
        plain > 0
          ? {}
          : {
              affinity: { podAffinity: required(near), podAntiAffinity: required(against) },
              topologySpreadConstraints: spreads,
              ...(disk && { nodeSelector: { disk } }),
              ...(tolerates && { tolerations: [{ key: 't', operator: 'Exists' }] }),
              ...(claim && { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: claim } }] }),
              containers: [
                {
                  name: 'main',
                  resources: { requests: { cpu: '1', memory: '64Mi' } },
                  ...(port && { ports: [{ hostPort: port }] }),
                },
              ],
            },
    }),
  )

const claims = fc
  .record({
    name: names('c', 4),
    namespace: fc.constantFrom('shop', 'bank'),
    bound: fc.boolean(),
    mode: fc.constantFrom('ReadWriteOnce', 'ReadWriteOncePod'),
  })
  .map(({ name, namespace, bound, mode }) =>
    PersistentVolumeClaim.parse({
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace },
      spec: { accessModes: [mode], storageClassName: 'fast', ...(bound && { volumeName: `v-${namespace}-${name}` }) },
      status: { phase: bound ? 'Bound' : 'Pending' },
    }),
  )
const volumes = fc
  .record({ name: names('c', 4), namespace: fc.constantFrom('shop', 'bank'), zone: some(fc.constantFrom('x', 'y')) })
  .map(({ name, namespace, zone }) =>
    PersistentVolume.parse({
      kind: 'PersistentVolume',
      metadata: { name: `v-${namespace}-${name}` },
      spec: {
        csi: { driver: 'disk', volumeHandle: `${namespace}-${name}` },
        claimRef: { namespace, name },
        ...(zone && {
          nodeAffinity: {
            required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: [zone] }] }] },
          },
        }),
      },
    }),
  )
const csiNodes = fc.record({ name: names('n', 6), count: fc.nat(2) }).map(({ name, count }) =>
  CSINode.parse({
    kind: 'CSINode',
    metadata: { name },
    spec: { drivers: [{ name: 'disk', allocatable: { count } }] },
  }),
)
const attachments = fc.record({ at: names('n', 6), of: names('c', 4), name: names('va', 3) }).map(({ at, of, name }) =>
  VolumeAttachment.parse({
    kind: 'VolumeAttachment',
    metadata: { name },
    spec: { attacher: 'disk', nodeName: at, source: { persistentVolumeName: `v-shop-${of}` } },
  }),
)
const classes = fc
  .constantFrom('Immediate', 'WaitForFirstConsumer')
  .map((volumeBindingMode) =>
    StorageClass.parse({ kind: 'StorageClass', metadata: { name: 'fast' }, provisioner: 'disk', volumeBindingMode }),
  )
const ofNamespaces = fc
  .record({ name: fc.constantFrom('shop', 'bank'), team: fc.constantFrom('x', 'y') })
  .map(({ name, team }) => Namespace.parse({ kind: 'Namespace', metadata: { name, labels: { team } } }))
const quotas = fc.constantFrom('1', '9').map((used) =>
  ResourceQuota.parse({
    kind: 'ResourceQuota',
    metadata: { name: 'q', namespace: 'shop' },
    status: { hard: { pods: '5' }, used: { pods: used } },
  }),
)

const objects: fc.Arbitrary<ModelObject> = fc.oneof(
  { weight: 4, arbitrary: nodes },
  { weight: 12, arbitrary: pods },
  { weight: 2, arbitrary: claims },
  { weight: 2, arbitrary: volumes },
  csiNodes,
  attachments,
  classes,
  ofNamespaces,
  quotas,
  fc.constant(web(2)),
  fc.constant(budget('b', { disruptionsAllowed: 1, expectedPods: 3, desiredHealthy: 2 })),
)
export const changes: fc.Arbitrary<Change> = fc.tuple(objects, fc.nat(3)).map(([object, dice]) => {
  const { kind, metadata } = object
  return dice === 0 ? { gone: [kind, metadata.namespace, metadata.name] as const } : { object }
})

/** What is there after the changes, by kind and name. */
export const after = (list: readonly Change[]): readonly ModelObject[] => {
  const there = new Map<string, ModelObject>()
  for (const change of list)
    if ('object' in change)
      there.set(
        JSON.stringify([change.object.kind, change.object.metadata.namespace, change.object.metadata.name]),
        change.object,
      )
    else there.delete(JSON.stringify(change.gone))
  return [...there.values()]
}
export const change = (model: Model, each: Change): void => {
  if ('object' in each) model.apply(each.object)
  else model.remove(...each.gone)
}

/** What every rule says of every shape and node: two models of the same cluster agree in all of it. */
export const verdicts = (model: Model): Readonly<Record<string, readonly string[]>> => {
  const nodesByName = [...model.nodes.values()].filter(({ object }) => object).sort((a, b) => (a.name < b.name ? -1 : 1))
  return Object.fromEntries(
    [...model.shapes.values()].map((shape) => {
      const checks = rules.map((rule) => rule.onNode?.(model, shape))
      const answers = nodesByName.map((at) => checks.map((check) => check?.(at)?.message ?? '').join('|'))
      return [shape.key, [nowhere(model, shape)?.message ?? '', ...answers]]
    }),
  )
}

/** Makes so many random changes, and compares now and then with the model of what is there. */
export const followed = (count: number, seed: number): void => {
  const story = fc.sample(changes, { numRuns: count, seed })
  const model = createModel()
  const there: Change[] = []
  for (const [index, each] of story.entries()) {
    change(model, each)
    there.push(each)
    if (index % 5 === 0) verdicts(model)
    if (index % 500 !== 0) continue
    const anew = modelOf(...after(there))
    expect(contents(model)).toEqual(contents(anew))
    expect(verdicts(model)).toEqual(verdicts(anew))
  }
}
