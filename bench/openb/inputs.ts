import { writeFileSync } from 'node:fs'
import { virtualClock } from '../../src/simulator/clock.ts'
import { readTrace, type Trace } from '../../src/simulator/openb/trace.ts'
import { beginTrace } from '../../src/simulator/openb/world.ts'
import { openStore } from '../../src/simulator/store.ts'

/** A cluster made of the openb trace, in which a seeded share of the pods that found a node is left. */
type Input = { readonly trace: () => Trace; readonly keptPercent: number }

const withoutGpus = ({ nodes, pods }: Trace): Trace => ({
  nodes: nodes.filter(({ gpus }) => gpus === 0),
  pods: pods.filter(({ gpuMilli }) => gpuMilli === 0),
})

/** Owners, budgets, zones and prices are synthetic: data/README.md. */
export const inputs = {
  '310 nodes without GPUs, 40 % of the pods': { trace: () => withoutGpus(readTrace()), keptPercent: 40 },
  '1,523 nodes, 70 % of the pods': { trace: () => readTrace(), keptPercent: 70 },
  '1,523 nodes, 40 % of the pods': { trace: () => readTrace(), keptPercent: 40 },
  '1,523 nodes, models asked for, 70 % of the pods': { trace: () => readTrace('gpuspec10'), keptPercent: 70 },
} as const satisfies Readonly<Record<string, Input>>
export type InputName = keyof typeof inputs

const KINDS = ['namespaces', 'nodes', 'deployments', 'replicasets', 'pods', 'poddisruptionbudgets'] as const

/** Writes a List as kubectl prints one. The same seed gives the same cluster. */
export const writeInput = (name: InputName, file: string, seed = 1): void => {
  const { trace, keptPercent } = inputs[name]
  const store = openStore({
    world: name,
    seed,
    clock: virtualClock(0),
    begin: (beginning) => beginTrace(beginning, trace(), (placed) => Math.round((placed * keptPercent) / 100)),
  })
  const items = KINDS.flatMap((kind) => store.sorted(kind) as readonly object[])
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
}
