import type { NodeEntry } from '../model.ts'

/** The values of one node label as numbers from 0, by node index: what a topology key divides the nodes into. */
export type Topology = {
  readonly key: string
  readonly domains: number
  /** By node index; -1: the node is not known or has no such label. */
  readonly of: Int32Array
}

/** @param nodes every entry, known or not @param size more than the greatest index */
export const topologyOf = (key: string, nodes: Iterable<NodeEntry>, size: number): Topology => {
  const of = new Int32Array(size).fill(-1)
  const values = new Map<string, number>()
  for (const { index, object } of nodes) {
    const labels = object?.metadata.labels
    if (labels === undefined || !Object.hasOwn(labels, key)) continue
    const value = labels[key] ?? ''
    const domain = values.get(value) ?? values.size
    values.set(value, domain)
    of[index] = domain
  }
  return { key, domains: values.size, of }
}
