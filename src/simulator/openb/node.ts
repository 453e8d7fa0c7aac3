import { timestamp } from '../clock.ts'
import type { Draft } from '../store.ts'
import type { TraceNode } from './trace.ts'

export const CARD_MODEL = 'alibabacloud.com/gpu-card-model'
export const GPU_MILLI = 'alibabacloud.com/gpu-milli'
const HOURLY_PRICE = 'quartermaster.dev/hourly-price'
const ZONES = ['a', 'b', 'c']
/** When the synthetic world began: older than any grace period. */
export const BEGAN = timestamp(Date.UTC(2025, 0, 1))

// Synthetic, in dollars per hour: data/README.md of the trace.
const CORE_PRICE = 0.035
const GPU_PRICES: Readonly<Record<string, number>> = { T4: 0.35, P100: 1, V100M16: 2, V100M32: 2.5, A10: 0.8, G2: 1, G3: 2.5 }

const hourlyPrice = ({ milliCpu, gpus, model }: TraceNode): string => {
  const card = gpus === 0 ? 0 : GPU_PRICES[model]
  if (card === undefined) throw new Error(`openb: there is no price for the card ${model}; add it to GPU_PRICES`)
  return ((milliCpu / 1000) * CORE_PRICE + gpus * card).toFixed(4)
}
const instanceType = ({ milliCpu, memoryMib, gpus, model }: TraceNode): string =>
  `openb-${milliCpu / 1000}c-${Math.round(memoryMib / 1024)}g${gpus > 0 ? `-${gpus}x${model}` : ''}`

const conditions = [
  { type: 'MemoryPressure', status: 'False', reason: 'KubeletHasSufficientMemory', lastTransitionTime: BEGAN },
  { type: 'DiskPressure', status: 'False', reason: 'KubeletHasNoDiskPressure', lastTransitionTime: BEGAN },
  { type: 'PIDPressure', status: 'False', reason: 'KubeletHasSufficientPID', lastTransitionTime: BEGAN },
  { type: 'Ready', status: 'True', reason: 'KubeletReady', lastTransitionTime: BEGAN },
]

/** The trace's node as an object; its zone and its price are synthetic. */
export const nodeDraft = (node: TraceNode, index: number): Draft<'nodes'> => {
  const zone = ZONES[index % ZONES.length] ?? 'a'
  const room = {
    cpu: `${node.milliCpu}m`,
    memory: `${node.memoryMib}Mi`,
    pods: '110',
    ...(node.gpus > 0 ? { [GPU_MILLI]: String(node.gpus * 1000) } : {}),
  }
  return {
    metadata: {
      name: node.name,
      creationTimestamp: BEGAN,
      labels: {
        'kubernetes.io/hostname': node.name,
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/os': 'linux',
        'topology.kubernetes.io/zone': zone,
        'node.kubernetes.io/instance-type': instanceType(node),
        ...(node.gpus > 0 ? { [CARD_MODEL]: node.model } : {}),
      },
      annotations: { [HOURLY_PRICE]: hourlyPrice(node) },
    },
    spec: { providerID: `openb:///${zone}/${node.name}` },
    status: { capacity: room, allocatable: room, conditions } as Draft<'nodes'>['status'],
  }
}
