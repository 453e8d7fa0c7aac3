import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { podRules } from '../../../src/actors/evictor/disruption.ts'
import { removalDelayed } from '../../../src/actors/evictor/eligibility/marks.ts'
import { nodeRules } from '../../../src/actors/evictor/eligibility/nodes.ts'
import { filter, fit, rules, search } from '../../../src/actors/evictor/fit.ts'
import { createModel } from '../../../src/actors/evictor/model.ts'
import type { ModelObject } from '../../../src/events/model-kinds.ts'
import { modelKinds } from '../../../src/events/model-kinds.ts'
import { modelOf, node, pod } from './cluster.ts'
import { after, changes } from './worlds.ts'

// An example table per plugin of kube-scheduler, as Kubernetes documents them. The pod p waits; it is asked about node n.

const HOST = 'kubernetes.io/hostname'
const ZONE = 'topology.kubernetes.io/zone'
type Any = Readonly<Record<string, unknown>>

const labelled = (name: string, labels: Any, over: Parameters<typeof node>[1] = {}) =>
  node(name, { ...over, metadata: { labels: { [HOST]: name, ...labels } } })
const of = (kind: keyof typeof modelKinds, name: string, rest: Any = {}, metadata: Any = {}): ModelObject =>
  modelKinds[kind].schema.parse({ kind, ...rest, metadata: { name, ...metadata } })
const claim = (name: string, rest: Any = {}, namespace = 'shop'): ModelObject =>
  of('PersistentVolumeClaim', name, { status: { phase: 'Bound' }, ...rest }, { namespace })
const disk = (name: string, rest: Any = {}, labels: Any = {}): ModelObject =>
  of('PersistentVolume', name, { spec: { csi: { driver: 'd', volumeHandle: name }, ...rest } }, { labels })
const uses = (...claims: readonly string[]): Any => ({
  volumes: claims.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
})
const fast = (rest: Any = {}): ModelObject =>
  of('StorageClass', 'fast', { provisioner: 'd', volumeBindingMode: 'WaitForFirstConsumer', ...rest })
const unbound = claim('c', { spec: { storageClassName: 'fast' }, status: { phase: 'Pending' } })
const bound = (name: string, rest: Any = {}): ModelObject => claim(name, { spec: { volumeName: `v-${name}`, ...rest } })

const requires = (terms: readonly unknown[]) => ({ requiredDuringSchedulingIgnoredDuringExecution: terms })
const near = (app: string, topologyKey = HOST, rest: Any = {}) => ({
  affinity: { podAffinity: requires([{ topologyKey, labelSelector: { matchLabels: { app } }, ...rest }]) },
})
const apart = (app: string, topologyKey = HOST, rest: Any = {}) => ({
  affinity: { podAntiAffinity: requires([{ topologyKey, labelSelector: { matchLabels: { app } }, ...rest }]) },
})
const wants = (...matchExpressions: readonly unknown[]) => ({
  affinity: {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } },
  },
})
const spread = (rest: Any = {}) => ({
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: ZONE,
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'web' } },
      ...rest,
    },
  ],
})
const asks = (requests: Any, rest: Any = {}) => ({ containers: [{ name: 'c', resources: { requests }, ...rest }] })
const listens = (hostPort: number, rest: Any = {}) => asks({}, { ports: [{ hostPort, ...rest }] })
const neighbour = (app: string, at: string, spec: Any = {}, metadata: Any = {}) =>
  pod(`${app}-${at}`, at, { metadata: { labels: { app }, ...metadata }, spec })
const tainted = (effect: string) => labelled('n', {}, { spec: { taints: [{ key: 'k', value: 'v', effect }] } })
const zoned = labelled('n', { [ZONE]: 'x' })
const other = labelled('m', { [ZONE]: 'y' })

const ok = undefined
type Row = readonly [string, string, Any, readonly ModelObject[], string | undefined]
const rows: readonly Row[] = [
  ['NodeUnschedulable', 'a cordoned node', {}, [labelled('n', {}, { spec: { unschedulable: true } })], 'NodeUnschedulable'],
  [
    'NodeUnschedulable',
    'a cordoned node, when the pod tolerates everything',
    { tolerations: [{ operator: 'Exists' }] },
    [labelled('n', {}, { spec: { unschedulable: true } })],
    ok,
  ],
  ['TaintToleration', 'a taint NoSchedule', {}, [tainted('NoSchedule')], 'TaintToleration'],
  ['TaintToleration', 'a taint NoExecute', {}, [tainted('NoExecute')], 'TaintToleration'],
  ['TaintToleration', 'a taint PreferNoSchedule', {}, [tainted('PreferNoSchedule')], ok],
  [
    'TaintToleration',
    'the same key, another value',
    { tolerations: [{ key: 'k', value: 'w' }] },
    [tainted('NoSchedule')],
    'TaintToleration',
  ],
  ['TaintToleration', 'the same key and value', { tolerations: [{ key: 'k', value: 'v' }] }, [tainted('NoSchedule')], ok],
  [
    'TaintToleration',
    'a toleration of another effect',
    { tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoExecute' }] },
    [tainted('NoSchedule')],
    'TaintToleration',
  ],
  ['NodeAffinity', 'a nodeSelector that matches', { nodeSelector: { [ZONE]: 'x' } }, [zoned], ok],
  ['NodeAffinity', 'a nodeSelector that does not', { nodeSelector: { [ZONE]: 'y' } }, [zoned], 'NodeAffinity'],
  ['NodeAffinity', 'NotIn and no such label', wants({ key: 'q', operator: 'NotIn', values: ['1'] }), [zoned], ok],
  [
    'NodeAffinity',
    'NotIn what can be no label',
    wants({ key: 'q', operator: 'NotIn', values: ['of two'] }),
    [zoned],
    'NodeAffinity',
  ],
  [
    'NodeAffinity',
    'more than -1, which can be no label',
    wants({ key: 'cores', operator: 'Gt', values: ['-1'] }),
    [labelled('n', { cores: '4' })],
    'NodeAffinity',
  ],
  [
    'NodeAffinity',
    'Gt, when the label is greater',
    wants({ key: 'g', operator: 'Gt', values: ['3'] }),
    [labelled('n', { g: '4' })],
    ok,
  ],
  [
    'NodeAffinity',
    'Lt, when the label is no number',
    wants({ key: 'g', operator: 'Lt', values: ['3'] }),
    [labelled('n', { g: 'a' })],
    'NodeAffinity',
  ],
  [
    'NodeAffinity',
    'In without values: a term that is none',
    wants({ key: ZONE, operator: 'In', values: [] }),
    [zoned],
    'NodeAffinity',
  ],
  ['NodePorts', 'a port that is taken', listens(80), [zoned, neighbour('a', 'n', listens(80))], 'NodePorts'],
  [
    'NodePorts',
    'the same port of another protocol',
    listens(80),
    [zoned, neighbour('a', 'n', listens(80, { protocol: 'UDP' }))],
    ok,
  ],
  [
    'NodePorts',
    'the same port of another address',
    listens(80, { hostIP: '10.0.0.1' }),
    [zoned, neighbour('a', 'n', listens(80, { hostIP: '10.0.0.2' }))],
    ok,
  ],
  [
    'NodePorts',
    'a port that a sidecar takes',
    listens(80),
    [zoned, neighbour('a', 'n', { initContainers: [{ name: 's', restartPolicy: 'Always', ports: [{ hostPort: 80 }] }] })],
    'NodePorts',
  ],
  ['NodeResourcesFit', 'what is left to the millicore', asks({ cpu: '3' }), [zoned, neighbour('a', 'n')], ok],
  ['NodeResourcesFit', 'a millicore more', asks({ cpu: '3001m' }), [zoned, neighbour('a', 'n')], 'InsufficientResource'],
  ['NodeResourcesFit', 'a byte more', asks({ memory: String(8 * 2 ** 30 + 1) }), [zoned], 'InsufficientResource'],
  [
    'NodeResourcesFit',
    'ephemeral storage, of which the node has none',
    asks({ 'ephemeral-storage': '1' }),
    [zoned],
    'InsufficientResource',
  ],
  [
    'NodeResourcesFit',
    'a device that the node has',
    asks({ 'x.io/d': 1 }),
    [labelled('n', {}, { allocatable: { 'x.io/d': '1' } })],
    ok,
  ],
  [
    'NodeResourcesFit',
    'one pod too many',
    {},
    [labelled('n', {}, { allocatable: { pods: 1 } }), neighbour('a', 'n')],
    'TooManyPods',
  ],
  ['NodeResourcesFit', 'overhead', { overhead: { cpu: '3500m' } }, [zoned], 'InsufficientResource'],
  [
    'NodeResourcesFit',
    'requests of the pod as a whole',
    { resources: { requests: { cpu: '5' } } },
    [zoned],
    'InsufficientResource',
  ],
  [
    'NodeResourcesFit',
    'an init container that needs all',
    { initContainers: [{ name: 'i', resources: { requests: { cpu: '4' } } }] },
    [zoned],
    ok,
  ],
  ['VolumeBinding', 'a claim that is not known', uses('c'), [zoned], 'Undecided'],
  ['VolumeBinding', 'a bound volume without affinity', uses('c'), [zoned, bound('c'), disk('v-c')], ok],
  [
    'VolumeBinding',
    'a bound volume elsewhere',
    uses('c'),
    [
      zoned,
      bound('c'),
      disk('v-c', {
        nodeAffinity: {
          required: { nodeSelectorTerms: [{ matchExpressions: [{ key: ZONE, operator: 'In', values: ['y'] }] }] },
        },
      }),
    ],
    'VolumeNodeAffinity',
  ],
  [
    'VolumeBinding',
    'a volume of an in-tree plugin',
    uses('c'),
    [zoned, bound('c'), disk('v-c', { csi: undefined, gcePersistentDisk: {} })],
    'Undecided',
  ],
  ['VolumeBinding', 'a volume that waits for the pod', uses('c'), [zoned, unbound, fast()], ok],
  [
    'VolumeBinding',
    'a volume that waits for the pod, of a class for another zone',
    uses('c'),
    [zoned, unbound, fast({ allowedTopologies: [{ matchLabelExpressions: [{ key: ZONE, values: ['y'] }] }] })],
    'VolumeTopology',
  ],
  [
    'VolumeBinding',
    'a volume that should be there already',
    uses('c'),
    [zoned, unbound, fast({ volumeBindingMode: 'Immediate' })],
    'VolumeBinding',
  ],
  [
    'VolumeBinding',
    'a volume that people make',
    uses('c'),
    [zoned, unbound, fast({ provisioner: 'kubernetes.io/no-provisioner' })],
    'Undecided',
  ],
  [
    'VolumeBinding',
    'a driver that counts its capacity',
    uses('c'),
    [zoned, unbound, fast(), of('CSIDriver', 'd', { spec: { storageCapacity: true } })],
    'Undecided',
  ],
  ['VolumeZone', 'a volume labelled for the zone', uses('c'), [zoned, bound('c'), disk('v-c', {}, { [ZONE]: 'w__x' })], ok],
  [
    'VolumeZone',
    'a volume labelled for another zone',
    uses('c'),
    [zoned, bound('c'), disk('v-c', {}, { [ZONE]: 'y' })],
    'VolumeZone',
  ],
  ['VolumeZone', 'a node without zones', uses('c'), [labelled('n', {}), bound('c'), disk('v-c', {}, { [ZONE]: 'y' })], ok],
  [
    'VolumeZone',
    'the zone by its old name',
    uses('c'),
    [zoned, bound('c'), disk('v-c', {}, { 'failure-domain.beta.kubernetes.io/zone': 'x' })],
    ok,
  ],
  [
    'VolumeRestrictions',
    'a claim for one pod, in use',
    uses('c'),
    [zoned, other, bound('c', { accessModes: ['ReadWriteOncePod'] }), disk('v-c'), neighbour('a', 'm', uses('c'))],
    'ReadWriteOncePod',
  ],
  [
    'VolumeRestrictions',
    'a claim for one pod, in use on a node that is not there',
    uses('c'),
    [zoned, bound('c', { accessModes: ['ReadWriteOncePod'] }), disk('v-c'), neighbour('a', 'gone', uses('c'))],
    ok,
  ],
  [
    'VolumeRestrictions',
    'a claim for one node, in use',
    uses('c'),
    [zoned, other, bound('c', { accessModes: ['ReadWriteOnce'] }), disk('v-c'), neighbour('a', 'm', uses('c'))],
    ok,
  ],
  [
    'NodeVolumeLimits',
    'as many volumes as a node may have',
    uses('c'),
    [zoned, bound('c'), disk('v-c'), bound('b'), disk('v-b'), neighbour('a', 'n', uses('b')), limit(1)],
    'NodeVolumeLimits',
  ],
  [
    'NodeVolumeLimits',
    'a volume that is on the node already',
    uses('c'),
    [zoned, bound('c'), disk('v-c'), neighbour('a', 'n', uses('c')), limit(1)],
    ok,
  ],
  [
    'NodeVolumeLimits',
    'a volume that is just being detached',
    uses('c'),
    [zoned, bound('c'), disk('v-c'), disk('v-b'), limit(1), attached('v-b')],
    'NodeVolumeLimits',
  ],
  [
    'NodeVolumeLimits',
    'its own volume, attached and used by nobody: the plugin counts it twice',
    uses('c'),
    [zoned, bound('c'), disk('v-c'), limit(1), attached('v-c')],
    'NodeVolumeLimits',
  ],
  [
    'NodeVolumeLimits',
    'a neighbour whose volume is not known, by its class',
    uses('c'),
    [zoned, bound('c'), disk('v-c'), bound('b', { storageClassName: 'fast' }), fast(), neighbour('a', 'n', uses('b')), limit(1)],
    'NodeVolumeLimits',
  ],
  [
    'NodeVolumeLimits',
    'a driver that must be there, and is not',
    uses('c'),
    [zoned, bound('c'), disk('v-c'), of('CSIDriver', 'd', { spec: { preventPodSchedulingIfMissing: true } })],
    'CSIDriverMissing',
  ],
  ['PodTopologySpread', 'the zone with fewer', spread(), [zoned, other, neighbour('web', 'm')], ok],
  ['PodTopologySpread', 'the zone with more', spread(), [zoned, other, neighbour('web', 'n')], 'PodTopologySpread'],
  [
    'PodTopologySpread',
    'ScheduleAnyway',
    spread({ whenUnsatisfiable: 'ScheduleAnyway' }),
    [zoned, other, neighbour('web', 'n')],
    ok,
  ],
  ['PodTopologySpread', 'a node without the label', spread(), [labelled('n', {}), other], 'PodTopologySpread'],
  [
    'PodTopologySpread',
    'more domains than there are',
    spread({ minDomains: 3 }),
    [zoned, other, neighbour('web', 'n'), neighbour('web', 'm')],
    'PodTopologySpread',
  ],
  [
    'PodTopologySpread',
    'pods that are being deleted',
    spread(),
    [zoned, other, neighbour('web', 'n', {}, { deletionTimestamp: 'now' })],
    ok,
  ],
  [
    'PodTopologySpread',
    'pods of another namespace',
    spread(),
    [zoned, other, neighbour('web', 'n', {}, { namespace: 'bank' })],
    ok,
  ],
  [
    'PodTopologySpread',
    'a selector for everything, which counts nothing',
    spread({ labelSelector: {} }),
    [zoned, other, neighbour('web', 'n')],
    ok,
  ],
  [
    'PodTopologySpread',
    'a zone that the pod could not go to',
    { ...spread(), nodeSelector: { [HOST]: 'n' } },
    [zoned, other, neighbour('web', 'n')],
    ok,
  ],
  [
    'PodTopologySpread',
    'the same, when affinity is ignored',
    { ...spread({ nodeAffinityPolicy: 'Ignore' }), nodeSelector: { [HOST]: 'n' } },
    [zoned, other, neighbour('web', 'n')],
    'PodTopologySpread',
  ],
  [
    'PodTopologySpread',
    'a tainted zone, when taints are honoured',
    spread({ nodeTaintsPolicy: 'Honor' }),
    [zoned, labelled('m', { [ZONE]: 'y' }, { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } }), neighbour('web', 'n')],
    ok,
  ],
  [
    'PodTopologySpread',
    'pods with another value, by matchLabelKeys',
    spread({ labelSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] }, matchLabelKeys: ['app'] }),
    [zoned, other, neighbour('db', 'n')],
    ok,
  ],
  ['InterPodAffinity', 'near a pod of its node', near('db'), [zoned, neighbour('db', 'n')], ok],
  ['InterPodAffinity', 'near a pod of another node', near('db'), [zoned, other, neighbour('db', 'm')], 'PodAffinity'],
  [
    'InterPodAffinity',
    'near a pod of its zone',
    near('db', ZONE),
    [zoned, labelled('m', { [ZONE]: 'x' }), neighbour('db', 'm')],
    ok,
  ],
  ['InterPodAffinity', 'near its own kind, as the first', near('web'), [zoned], ok],
  ['InterPodAffinity', 'near its own kind, on a node without the label', near('web', ZONE), [labelled('n', {})], 'PodAffinity'],
  ['InterPodAffinity', 'apart from a pod of its node', apart('db'), [zoned, neighbour('db', 'n')], 'PodAntiAffinity'],
  [
    'InterPodAffinity',
    'apart from a pod of its zone',
    apart('db', ZONE),
    [zoned, labelled('m', { [ZONE]: 'x' }), neighbour('db', 'm')],
    'PodAntiAffinity',
  ],
  [
    'InterPodAffinity',
    'a pod that wants to be apart from it',
    {},
    [zoned, neighbour('db', 'n', apart('web'))],
    'ExistingPodAntiAffinity',
  ],
  ['InterPodAffinity', 'a pod of another namespace', apart('db'), [zoned, neighbour('db', 'n', {}, { namespace: 'bank' })], ok],
  [
    'InterPodAffinity',
    'a pod of any namespace',
    apart('db', HOST, { namespaceSelector: {} }),
    [zoned, neighbour('db', 'n', {}, { namespace: 'bank' })],
    'PodAntiAffinity',
  ],
  [
    'InterPodAffinity',
    'a pod of a namespace by its labels',
    apart('db', HOST, { namespaceSelector: { matchLabels: { team: 'x' } } }),
    [
      zoned,
      neighbour('db', 'n', {}, { namespace: 'bank' }),
      of('Namespace', 'bank', {}, { labels: { team: 'x' } }),
      of('Namespace', 'shop'),
    ],
    'PodAntiAffinity',
  ],
  [
    'InterPodAffinity',
    'a namespace whose labels are not known',
    apart('db', HOST, { namespaceSelector: { matchLabels: { team: 'x' } } }),
    [zoned, neighbour('db', 'n', {}, { namespace: 'bank' })],
    'Undecided',
  ],
  [
    'InterPodAffinity',
    'a pod with another value, by matchLabelKeys',
    apart('web', HOST, { matchLabelKeys: ['app'] }),
    [zoned, neighbour('web', 'n')],
    'PodAntiAffinity',
  ],
  [
    'InterPodAffinity',
    'a pod with its value, by mismatchLabelKeys',
    apart('web', HOST, { mismatchLabelKeys: ['app'] }),
    [zoned, neighbour('web', 'n')],
    ok,
  ],
  [
    'InterPodAffinity',
    'one pod for each of two terms',
    {
      affinity: {
        podAffinity: requires(['db', 'web'].map((app) => ({ topologyKey: HOST, labelSelector: { matchLabels: { app } } }))),
      },
    },
    [zoned, neighbour('db', 'n'), neighbour('web', 'n')],
    'PodAffinity',
  ],
  ['SchedulingGates', 'a gate', { schedulingGates: [{ name: 'g' }] }, [zoned], 'SchedulingGates'],
  ['DynamicResources', 'a claim of devices', { resourceClaims: [{ name: 'r' }] }, [zoned], 'Undecided'],
  [
    'DynamicResources',
    'an extended resource that a class serves',
    asks({ 'x.io/d': 1 }),
    [
      labelled('n', {}, { allocatable: { 'x.io/d': '1' } }),
      of('DeviceClass', 'dc', { spec: { extendedResourceName: 'x.io/d' } }),
    ],
    'Undecided',
  ],
  [
    'NodeDeclaredFeatures',
    'user namespaces in the network of the host',
    { hostNetwork: true, hostUsers: false },
    [zoned],
    'Undecided',
  ],
  [
    'NodeDeclaredFeatures',
    'a restart of all containers',
    asks({}, { restartPolicyRules: [{ action: 'RestartAllContainers' }] }),
    [zoned],
    'Undecided',
  ],
  ['SchedulerName', 'another scheduler', { schedulerName: 'mine' }, [zoned], 'Undecided'],
]

function limit(count: number): ModelObject {
  return of('CSINode', 'n', { spec: { drivers: [{ name: 'd', allocatable: { count } }] } })
}
function attached(persistentVolumeName: string): ModelObject {
  return of('VolumeAttachment', 'va', { spec: { attacher: 'd', nodeName: 'n', source: { persistentVolumeName } } })
}

test.each(rows)('%s: %s', (plugin, _, spec, objects, code) => {
  const model = modelOf(...objects, pod('p', undefined, { spec }))
  const [shape, target] = [model.pods.get('shop/p')?.shape, model.nodes.get('n')]
  if (!shape || !target) throw new Error('the row has no p or n')
  const refused = filter(model, shape)(target)
  expect([refused?.rule, refused?.code]).toEqual(code === undefined ? [undefined, undefined] : [plugin, code])
})

test('documented: the page lists every rule', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/fit.md'), 'utf8')
  const listed = (heading: string): readonly string[] => {
    const section = page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
    return [...section.matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name)
  }
  expect(listed('Fit')).toEqual(rules.map(({ name }) => name))
  expect(listed('Eligibility of nodes')).toEqual(nodeRules.map(({ name }) => name))
  const ofPods = [...podRules.map(({ name }) => name), removalDelayed.name]
  expect(listed('Eligibility of pods').toSorted()).toEqual(ofPods.toSorted())
})

test('PodTopologySpread: the defaults of the cluster go by services and owners, for pods that say nothing themselves', () => {
  const [constraint] = spread({ labelSelector: undefined }).topologySpreadConstraints
  const answer = (spec: Any, ...more: readonly ModelObject[]): string | undefined => {
    const model = createModel({ defaultConstraints: [constraint as never] })
    const set = of(
      'ReplicaSet',
      'web',
      { spec: { selector: { matchLabels: { app: 'web' } } } },
      { namespace: 'shop', uid: 'uid-web' },
    )
    for (const object of [
      zoned,
      other,
      neighbour('web', 'n'),
      pod('p', undefined, { spec }),
      ...more,
      ...(more.length > 0 ? [] : [set]),
    ])
      model.apply(object)
    const [shape, target] = [model.pods.get('shop/p')?.shape, model.nodes.get('n')]
    return shape && target && filter(model, shape)(target)?.code
  }
  expect(answer({})).toBe('PodTopologySpread')
  expect(answer(spread({ whenUnsatisfiable: 'ScheduleAnyway' }))).toBeUndefined()
  // Without its owner it is not known which pods are its like.
  expect(answer({}, of('Service', 's', { spec: { selector: { app: 'db' } } }, { namespace: 'shop' }))).toBe('Undecided')
})

test('fit: what is asked in two parts is what is asked in one', () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 60 }), (list) => {
      const model = modelOf(...after(list))
      for (const shape of model.shapes.values()) {
        const [whole, parts] = [fit(model, shape), search(model, shape)]
        for (const each of model.nodes.values())
          expect(parts?.quick(each) === true && !parts.rest?.(each)).toBe(whole(each) === undefined)
      }
    }),
  )
})

test('fit: who keeps another away is kept away by it', () => {
  const apps = ['a', 'b']
  const terms = fc.record({
    mine: fc.constantFrom(...apps),
    its: fc.constantFrom(...apps, 'none'),
    key: fc.constantFrom(HOST, ZONE),
  })
  fc.assert(
    fc.property(terms, fc.boolean(), ({ mine, its, key }, isFirst) => {
      const refuses = (spec: Any, there: Any): boolean => {
        const model = modelOf(
          zoned,
          pod('p', undefined, { metadata: { labels: { app: 'a' } }, spec }),
          neighbour(mine, 'n', there),
        )
        const [shape, target] = [model.pods.get('shop/p')?.shape, model.nodes.get('n')]
        return shape !== undefined && target !== undefined && filter(model, shape)(target) !== undefined
      }
      // The pod p has the term against `mine`, or the pod that is there has it against p's label.
      expect(refuses(isFirst ? apart(its, key) : {}, isFirst ? {} : apart(its, key))).toBe(isFirst ? its === mine : its === 'a')
    }),
  )
})

test('fit: who fits with more fits with less, and on a larger node', () => {
  const amounts = fc.record({
    cpu: fc.integer({ min: 0, max: 5_000 }),
    less: fc.nat(5_000),
    room: fc.integer({ min: 1, max: 6 }),
    more: fc.nat(4),
  })
  fc.assert(
    fc.property(amounts, ({ cpu, less, room, more }) => {
      const fits = (millis: number, cores: number): boolean => {
        const model = modelOf(
          labelled('n', {}, { allocatable: { cpu: String(cores) } }),
          neighbour('a', 'n'),
          pod('p', undefined, { requests: { cpu: `${millis}m` } }),
        )
        const [shape, target] = [model.pods.get('shop/p')?.shape, model.nodes.get('n')]
        return shape !== undefined && target !== undefined && !filter(model, shape)(target)
      }
      expect(fits(cpu, room)).toBe(cpu <= (room - 1) * 1_000)
      if (fits(cpu, room)) expect([fits(Math.max(0, cpu - less), room), fits(cpu, room + more)]).toEqual([true, true])
    }),
  )
})

test('fit: a resize under way holds the most of what is asked, allocated and in force; one that cannot be is not asked', () => {
  const resizing = (conditions: readonly unknown[]) => ({
    ...pod('r', 'n', { spec: asks({ cpu: '3' }) }),
    status: {
      phase: 'Running',
      conditions,
      containerStatuses: [{ name: 'c', allocatedResources: { cpu: '1' }, resources: { requests: { cpu: '2' } } }],
    },
  })
  const left = (conditions: readonly unknown[]): number => {
    const model = modelOf(zoned, of('Pod', 'r', resizing(conditions), { namespace: 'shop' }))
    return (model.columns.allocatable[0]?.[0] ?? 0) - (model.columns.requested[0]?.[0] ?? 0)
  }
  expect(left([])).toBe(1_000)
  expect(left([{ type: 'PodResizePending', status: 'True', reason: 'Infeasible' }])).toBe(2_000)
})
