import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createModel, type Model } from '../../src/actors/evictor/model.ts'
import { readSnapshot } from '../../src/commands/snapshot.ts'
import type { ModelObject } from '../../src/events/model-kinds.ts'
import { Policy } from '../../src/events/plan.ts'
import { type InputName, inputs as openb, writeInput } from '../openb/inputs.ts'
import { equal, recipes, synthetic } from './synthetic.ts'

/** What another planner reached on a cluster made the same way, though not with the same seed: evictions and % above its bound. */
type Peer = { readonly name: string; readonly evictions: number; readonly gap: number }
export type PlannerInput = {
  readonly name: string
  readonly model: () => Model
  /** % above the bound at most. */
  readonly gap: number
  readonly deadlineSeconds: number
  readonly firstMs: number
  readonly peers: readonly Peer[]
}

const read = (name: InputName): Model => {
  const folder = mkdtempSync(join(tmpdir(), 'quartermaster-bench-planner-'))
  try {
    const file = join(folder, 'snapshot.json')
    writeInput(name, file)
    return readSnapshot(file, Policy.parse({})).model
  } finally {
    rmSync(folder, { recursive: true })
  }
}
const built = (objects: Iterable<ModelObject>): Model => {
  const model = createModel()
  for (const object of objects) model.apply(object)
  return model
}
const usual = { deadlineSeconds: 5, firstMs: 500 }

// The peers' own packages, driven offline: cluster-autoscaler 33c3f97b at thresholds 0.5 and 1.0, Karpenter 1.14.1 (deletes
// only), descheduler 0.36 (HighNodeUtilization at 50 %). Evictions are those for each node freed times the nodes freed.
const peersOf: Readonly<Record<InputName, readonly Peer[]>> = {
  '310 nodes without GPUs, 40 % of the pods': [
    { name: 'Karpenter', evictions: 187, gap: 7.4 },
    { name: 'descheduler', evictions: 215, gap: 6.8 },
    { name: 'cluster-autoscaler', evictions: 360, gap: 6.4 },
    { name: 'cluster-autoscaler at 1.0', evictions: 401, gap: 5.6 },
  ],
  '1,523 nodes, 70 % of the pods': [
    { name: 'cluster-autoscaler', evictions: 1_536, gap: 33.7 },
    { name: 'descheduler', evictions: 2_009, gap: 27 },
    { name: 'cluster-autoscaler at 1.0', evictions: 2_520, gap: 20.9 },
  ],
  '1,523 nodes, 40 % of the pods': [
    { name: 'descheduler', evictions: 1_829, gap: 23.5 },
    { name: 'cluster-autoscaler', evictions: 2_725, gap: 24 },
    { name: 'cluster-autoscaler at 1.0', evictions: 3_049, gap: 21.7 },
  ],
  '1,523 nodes, models asked for, 70 % of the pods': [
    { name: 'cluster-autoscaler', evictions: 2_115, gap: 23.8 },
    { name: 'cluster-autoscaler at 1.0', evictions: 2_731, gap: 18.4 },
    { name: 'descheduler', evictions: 3_169, gap: 27.9 },
  ],
}
const gaps: Readonly<Record<InputName, number>> = {
  '310 nodes without GPUs, 40 % of the pods': 3,
  '1,523 nodes, 70 % of the pods': 3,
  '1,523 nodes, 40 % of the pods': 3,
  '1,523 nodes, models asked for, 70 % of the pods': 6,
}
const [ruled, large] = ['1,000 nodes, 8,000 pods, rules of every kind', '5,000 nodes, 150,000 pods'] as const

export const plannerInputs: readonly PlannerInput[] = [
  ...(Object.keys(openb) as InputName[]).map((name) => ({
    ...usual,
    name,
    model: () => read(name),
    gap: gaps[name],
    peers: peersOf[name],
  })),
  {
    ...usual,
    name: ruled,
    model: () => built(synthetic(recipes[ruled])),
    gap: 15,
    peers: [
      { name: 'cluster-autoscaler', evictions: 890, gap: 77 },
      { name: 'descheduler', evictions: 1_460, gap: 57 },
      { name: 'cluster-autoscaler at 1.0', evictions: 3_496, gap: 35 },
    ],
  },
  { ...usual, name: '2,000 equal nodes with 40 pods each', model: () => built(equal(2_000)), gap: 0, peers: [] },
  { name: large, model: () => built(synthetic(recipes[large])), gap: 8, deadlineSeconds: 30, firstMs: 3_000, peers: [] },
]
