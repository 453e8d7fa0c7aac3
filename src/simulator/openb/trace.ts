import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export type TraceNode = {
  readonly name: string
  readonly milliCpu: number
  readonly memoryMib: number
  readonly gpus: number
  readonly model: string
}
export type TracePod = {
  readonly milliCpu: number
  readonly memoryMib: number
  readonly gpuMilli: number
  readonly models: readonly string[]
}
export type Trace = { readonly nodes: readonly TraceNode[]; readonly pods: readonly TracePod[] }

const rowsOf = (file: string): readonly (readonly string[])[] => {
  const path = fileURLToPath(new URL(`../../../data/openb/${file}`, import.meta.url))
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((row) => row.split(','))
}
const count = (text: string | undefined): number => {
  const value = Number(text)
  if (text === undefined || text === '' || !Number.isFinite(value)) throw new RangeError(`openb: "${text}" is no number`)
  return value
}

/** The openb trace: its nodes, and the pods of one of its lists in the order of their creation. */
export const readTrace = (pods: 'default' | 'gpuspec10' = 'default'): Trace => ({
  nodes: rowsOf('openb_node_list_all_node.csv').map(([name = '', cpu, memory, gpus, model = '']) => ({
    name,
    milliCpu: count(cpu),
    memoryMib: count(memory),
    gpus: count(gpus),
    model: model.trim(),
  })),
  pods: rowsOf(`openb_pod_list_${pods}.csv`).map(([, cpu, memory, gpus, gpuMilli, models = '']) => ({
    milliCpu: count(cpu),
    memoryMib: count(memory),
    gpuMilli: count(gpus) * count(gpuMilli || '0'),
    models: models === '' ? [] : models.split('|'),
  })),
})
