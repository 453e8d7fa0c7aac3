import type { Chance } from '../chance.ts'
import { BEGAN, GPU, HOST, type KubernetesItem, REGION, ZONE, ZONES } from './things.ts'
import { DRIVER } from './volumes.ts'

export const TAINT_KEYS = ['dedicated', 'special', 'license'] as const
export const TAINT_VALUES = ['x', 'y', ''] as const
const UNSCHEDULABLE = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }
const EFFECTS = ['NoSchedule', 'NoSchedule', 'NoExecute', 'PreferNoSchedule'] as const

/** A node and what its volume driver says about it. */
type Host = KubernetesItem & { readonly csiNode: KubernetesItem }

const labelsOf = (lots: Chance, name: string, index: number): Readonly<Record<string, string>> => {
  const zone = ZONES[index % ZONES.length] ?? 'a'
  const has = (probability: number, labels: Readonly<Record<string, string>>) => (lots.happens(probability) ? labels : {})
  return {
    [HOST]: name,
    ...has(0.92, { [ZONE]: zone, [REGION]: zone < 'c' ? 'north' : 'south' }),
    ...has(0.7, { disk: lots.pick(['ssd', 'hdd', 'nvme']) }),
    ...has(0.8, { generation: String(lots.between(1, 9)) }),
    ...has(0.2, { generation: lots.pick(['', 'new', '-3', '007']) }),
    ...has(0.5, { rack: `r${lots.between(1, 3)}` }),
  }
}

const taintsOf = (lots: Chance, isCordoned: boolean): readonly object[] => [
  ...lots
    .some(TAINT_KEYS, 0.15)
    .map((key) => ({ key, effect: lots.pick(EFFECTS), ...(lots.happens(0.8) && { value: lots.pick(TAINT_VALUES) }) })),
  ...(isCordoned && lots.happens(0.4) ? [UNSCHEDULABLE] : []),
]

const node = (lots: Chance, name: string, index: number): KubernetesItem => {
  const isCordoned = lots.happens(0.2)
  const taints = taintsOf(lots, isCordoned)
  const room = {
    cpu: lots.pick(['4', '8', '7910m', '16']),
    memory: lots.pick(['16Gi', '32Gi', '31624412Ki']),
    'ephemeral-storage': lots.pick(['20Gi', '100Gi']),
    // Some are full: what lives there is about six pods.
    pods: lots.happens(0.06) ? '4' : '110',
    ...(lots.happens(0.5) && { [GPU]: String(lots.between(1, 4)) }),
    ...(lots.happens(0.4) && { 'hugepages-2Mi': lots.pick(['64Mi', '256Mi']) }),
  }
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, uid: `node-${name}`, creationTimestamp: BEGAN, labels: labelsOf(lots, name, index) },
    spec: { ...(isCordoned && { unschedulable: true }), ...(taints.length > 0 && { taints }) },
    status: {
      capacity: room,
      allocatable: room,
      conditions: [{ type: 'Ready', status: 'True' }],
      ...(lots.happens(0.3) && { declaredFeatures: ['RestartAllContainersOnContainerExits'] }),
    },
  }
}

const csiNode = (lots: Chance, name: string): KubernetesItem => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'CSINode',
  metadata: { name },
  spec: {
    drivers: [
      { name: DRIVER, nodeID: name, ...(lots.happens(0.85) && { allocatable: { count: lots.between(1, 4) } }) },
      { name: 'other.csi.example', nodeID: name, allocatable: { count: 20 } },
    ],
  },
})

export const nodes = (lots: Chance, count: number): readonly Host[] =>
  Array.from({ length: count }, (_, index) => {
    const name = `node-${index}`
    return { ...node(lots, name, index), csiNode: csiNode(lots, name) }
  })
