import { expect, test } from 'vitest'
import type { NodeObject, PodObject } from '../../src/simulator/objects.ts'
import { seededRandom } from '../../src/simulator/random.ts'
import type { Rooms } from '../../src/simulator/scheduler/room.ts'
import { emptyRooms } from '../../src/simulator/scheduler/room.ts'
import type { Choice } from '../../src/simulator/scheduler/scheduler.ts'
import { choose, enough } from '../../src/simulator/scheduler/scheduler.ts'
import { nodeDraft, podDraft, smallWorld } from './small-world.ts'

const meta = { uid: '', resourceVersion: '1' }
const node = (...draft: Parameters<typeof nodeDraft>): NodeObject => {
  const { metadata, ...rest } = nodeDraft(...draft)
  return { apiVersion: 'v1', kind: 'Node', ...rest, metadata: { ...metadata, ...meta } }
}
const pod = (...draft: Parameters<typeof podDraft>): PodObject => {
  const { metadata, ...rest } = podDraft(...draft)
  return { apiVersion: 'v1', kind: 'Pod', ...rest, metadata: { ...metadata, ...meta } }
}
const roomsOf = (nodes: readonly NodeObject[], pods: readonly PodObject[] = []): Rooms => {
  const rooms = emptyRooms()
  for (const each of nodes) rooms.put(each)
  for (const each of pods) rooms.place(each)
  return rooms
}
const where = (rooms: Rooms, asked: PodObject, siblings?: Parameters<typeof choose>[0]['siblings']): Choice =>
  choose({ rooms, pod: asked, siblings, labelsOf: () => ({ team: 'a' }), random: seededRandom(1), from: 0 })
const on = (name: string) => ({ node: name })

const requests = (cpu: string, memory = '1Gi', more: object = {}): PodObject['spec'] => ({
  containers: [{ name: 'main', resources: { requests: { cpu, memory, ...more } } }],
})
const near = (app: string, topologyKey = 'kubernetes.io/hostname', more: object = {}) => ({
  requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey, labelSelector: { matchLabels: { app } }, ...more }],
})

const refusals: readonly { name: string; node: NodeObject; pods?: readonly PodObject[]; pod: PodObject; says: string }[] = [
  {
    name: 'too little CPU is left',
    node: node('n'),
    pods: [pod('a', { ...requests('3500m'), nodeName: 'n' })],
    pod: pod('p'),
    says: '1 Insufficient cpu',
  },
  {
    name: 'CPU and memory are short',
    node: node('n'),
    pod: pod('p', requests('5', '9Gi')),
    says: '1 Insufficient cpu, 1 Insufficient memory',
  },
  {
    name: 'an extended resource is not there',
    node: node('n'),
    pod: pod('p', requests('1', '1Gi', { 'example.com/card': '1' })),
    says: '1 Insufficient example.com/card',
  },
  {
    name: 'the node has its number of pods',
    node: node('n', {}, {}, { pods: '1' }),
    pods: [pod('a', { nodeName: 'n' })],
    pod: pod('p'),
    says: '1 Too many pods',
  },
  {
    name: 'an init container needs more than there is',
    node: node('n'),
    pod: pod('p', { initContainers: [{ name: 'i', resources: { requests: { cpu: '5' } } }] }),
    says: '1 Insufficient cpu',
  },
  {
    name: 'sidecars and containers add up',
    node: node('n'),
    pod: pod('p', {
      ...requests('2'),
      initContainers: [{ name: 's', restartPolicy: 'Always', resources: { requests: { cpu: '2100m' } } }],
    }),
    says: '1 Insufficient cpu',
  },
  {
    name: 'overhead counts',
    node: node('n'),
    pod: pod('p', { ...requests('4'), overhead: { cpu: '1m' } }),
    says: '1 Insufficient cpu',
  },
  { name: 'the node is cordoned', node: node('n', { unschedulable: true }), pod: pod('p'), says: '1 node(s) were unschedulable' },
  {
    name: 'a taint is not tolerated',
    node: node('n', { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] }),
    pod: pod('p'),
    says: '1 node(s) had untolerated taint {k: v}',
  },
  {
    name: 'the node selector is not met',
    node: node('n'),
    pod: pod('p', { nodeSelector: { disk: 'ssd' } }),
    says: "1 node(s) didn't match Pod's node affinity/selector",
  },
  {
    name: 'required node affinity is not met',
    node: node('n', {}, { size: '3' }),
    pod: pod('p', {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'size', operator: 'Gt', values: ['3'] }] }],
          },
        },
      },
    }),
    says: "1 node(s) didn't match Pod's node affinity/selector",
  },
  {
    name: 'the host port is taken',
    node: node('n'),
    pods: [pod('a', { nodeName: 'n', containers: [{ name: 'm', ports: [{ hostPort: 80 }] }] })],
    pod: pod('p', { containers: [{ name: 'm', ports: [{ hostPort: 80, hostIP: '10.0.0.1' }] }] }),
    says: "1 node(s) didn't have free ports for the requested pod ports",
  },
  {
    name: 'no pod it wants to be near is there',
    node: node('n'),
    pod: pod('p', { affinity: { podAffinity: near('web') } }),
    says: "1 node(s) didn't match pod affinity rules",
  },
  {
    name: 'a pod it must stay away from is there',
    node: node('n'),
    pods: [pod('a', { nodeName: 'n' }, { app: 'web' })],
    pod: pod('p', { affinity: { podAntiAffinity: near('web') } }),
    says: "1 node(s) didn't match pod anti-affinity rules",
  },
  {
    name: 'a pod that is there keeps it away',
    node: node('n'),
    pods: [pod('a', { nodeName: 'n', affinity: { podAntiAffinity: near('web') } })],
    pod: pod('p', {}, { app: 'web' }),
    says: "1 node(s) didn't satisfy existing pods anti-affinity rules",
  },
  {
    name: 'the topology label is missing',
    node: node('n'),
    pod: pod('p', {
      topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} }],
    }),
    says: "1 node(s) didn't match pod topology spread constraints (missing required label)",
  },
]
test.each(refusals)('scheduler: refuses a node when $name', ({ node: only, pods, pod: asked, says }) => {
  expect(where(roomsOf([only], pods), asked)).toEqual({ message: `0/1 nodes are available: ${says}.` })
})

test('scheduler: a toleration opens a tainted node, and one for the cordon a cordoned one', () => {
  const tainted = roomsOf([node('n', { taints: [{ key: 'k', effect: 'NoExecute' }] })])
  expect(where(tainted, pod('p', { tolerations: [{ key: 'k', operator: 'Exists' }] }))).toEqual(on('n'))
  const cordoned = roomsOf([node('n', { unschedulable: true })])
  expect(
    where(
      cordoned,
      pod('p', { tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' }] }),
    ),
  ).toEqual(on('n'))
})

test('scheduler: the first of a group that wants to be together may go anywhere', () => {
  expect(where(roomsOf([node('n')]), pod('p', { affinity: { podAffinity: near('web') } }, { app: 'web' }))).toEqual(on('n'))
})

test('scheduler: affinity in another namespace needs its selector', () => {
  const rooms = roomsOf(
    [node('n')],
    [
      {
        ...pod('a', { nodeName: 'n' }, { app: 'web' }),
        metadata: { ...pod('a').metadata, namespace: 'other', labels: { app: 'web' } },
      },
    ],
  )
  expect(where(rooms, pod('p', { affinity: { podAffinity: near('web') } }))).toHaveProperty('message')
  const selected = near('web', 'kubernetes.io/hostname', { namespaceSelector: { matchLabels: { team: 'a' } } })
  expect(where(rooms, pod('p', { affinity: { podAffinity: selected } }))).toEqual(on('n'))
})

test('scheduler: a hard spread allows no more than its skew', () => {
  const zones = [node('a', {}, { zone: 'a' }), node('b', {}, { zone: 'b' })]
  const constraint = {
    maxSkew: 1,
    topologyKey: 'zone',
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: { app: 'web' } },
  }
  const web = (name: string, nodeName?: string) =>
    pod(name, { topologySpreadConstraints: [constraint], ...(nodeName ? { nodeName } : {}) }, { app: 'web' })
  expect(where(roomsOf(zones, [web('1', 'a')]), web('p'))).toEqual(on('b'))
  const minDomains = { ...constraint, minDomains: 3 }
  const spread = pod('p', { topologySpreadConstraints: [minDomains] }, { app: 'web' })
  expect(where(roomsOf(zones, [web('1', 'a'), web('2', 'b')]), spread)).toHaveProperty('message')
})

test('scheduler: prefers the emptier node, then the better balanced one', () => {
  const rooms = roomsOf([node('full'), node('empty')], [pod('a', { nodeName: 'full' })])
  expect(where(rooms, pod('p'))).toEqual(on('empty'))
  const skewed = roomsOf(
    [node('skewed'), node('even')],
    [pod('a', { ...requests('2', '0'), nodeName: 'skewed' }), pod('b', { ...requests('1', '2Gi'), nodeName: 'even' })],
  )
  expect(where(skewed, pod('p', requests('1', '1Gi')))).toEqual(on('even'))
})

test('scheduler: avoids a PreferNoSchedule taint and the host of a sibling', () => {
  const rooms = roomsOf(
    [node('disliked', { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] }), node('plain')],
    [pod('a', { ...requests('1500m', '3Gi'), nodeName: 'plain' })],
  )
  expect(where(rooms, pod('p'))).toEqual(on('plain'))
  const sibling = pod('s', { nodeName: 'x' }, { app: 'web' })
  const hosts = roomsOf(
    [node('x', {}, { 'topology.kubernetes.io/zone': 'a' }), node('y', {}, { 'topology.kubernetes.io/zone': 'b' })],
    [sibling, pod('o', { nodeName: 'y' })],
  )
  expect(where(hosts, pod('p', {}, { app: 'web' }), { selector: { matchLabels: { app: 'web' } }, pods: [sibling] })).toEqual(
    on('y'),
  )
})

test('scheduler: what leaves gives its room back', () => {
  const big = pod('a', { ...requests('4'), nodeName: 'n' })
  const rooms = roomsOf([node('n')], [big])
  expect(where(rooms, pod('p'))).toHaveProperty('message')
  rooms.remove(big)
  expect(where(rooms, pod('p'))).toEqual(on('n'))
  rooms.drop('n')
  expect(where(rooms, pod('p'))).toEqual({ message: '0/0 nodes are available.' })
})

test('scheduler: looks at fewer nodes the more there are', () => {
  expect([50, 100, 1000, 1523, 5000, 10000].map(enough)).toEqual([50, 100, 420, 578, 500, 500])
})

test('scheduler: says why a pod waits, and places it when a node comes', async () => {
  const world = await smallWorld((store) => {
    store.create('nodes', nodeDraft('small', {}, {}, { cpu: '500m' }))
    store.create('pods', podDraft('waits'))
    store.create('pods', podDraft('gated', { schedulingGates: [{ name: 'example.com/gate' }] }))
    store.create('pods', podDraft('foreign', { schedulerName: 'other' } as Partial<PodObject['spec']>))
  })
  world.advance(1_000)
  expect(world.store.get('pods', 'default', 'waits')?.status.conditions).toEqual([
    expect.objectContaining({
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: '0/1 nodes are available: 1 Insufficient cpu.',
    }),
  ])
  world.store.create('nodes', nodeDraft('large'))
  world.advance(1_000)
  expect(world.pods().map(({ metadata, spec }) => [metadata.name, spec.nodeName])).toEqual([
    ['foreign', undefined],
    ['gated', undefined],
    ['waits', 'large'],
  ])
  await world.stop()
})

test('scheduler: the pod of higher priority goes first', async () => {
  const world = await smallWorld((store) => {
    store.create('pods', podDraft('low', requests('4')))
    store.create('pods', podDraft('high', { ...requests('4'), priority: 10 }))
    store.create('nodes', nodeDraft('n'))
  })
  world.advance(1_000)
  expect(world.pods().map(({ metadata, spec }) => [metadata.name, spec.nodeName])).toEqual([
    ['high', 'n'],
    ['low', undefined],
  ])
  await world.stop()
})

test('scheduler: a node that changes keeps what its pods take', () => {
  const rooms = roomsOf([node('n')], [pod('a', { ...requests('3'), nodeName: 'n' })])
  rooms.put(node('n', {}, {}, { cpu: '5' }))
  expect(where(rooms, pod('p', requests('2')))).toEqual(on('n'))
  expect(where(rooms, pod('p', requests('2001m')))).toHaveProperty('message')
})
