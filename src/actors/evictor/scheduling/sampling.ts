import { shuffled } from '../chance.ts'
import type { NodeEntry } from '../model.ts'

const FEWEST = 100
const FEWEST_PERCENT = 5

/**
 * How many nodes that fit are enough for kube-scheduler to look no further. Source: `schedule_one.go` numFeasibleNodesToFind.
 * @param nodes all of the cluster, cordoned ones too @param percent percentageOfNodesToScore; 0: by the cluster's size
 */
export const enoughNodes = (nodes: number, percent: number): number => {
  if (nodes < FEWEST) return nodes
  const share = percent || Math.max(FEWEST_PERCENT, 50 - Math.floor(nodes / 125))
  return Math.max(FEWEST, Math.floor((nodes * share) / 100))
}

const LABELS = ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone'] as const
const zoneOf = ({ object }: NodeEntry): string => JSON.stringify(LABELS.map((label) => object?.metadata.labels?.[label] ?? ''))

/**
 * The nodes as kube-scheduler goes through them: zone after zone in turn. In what order it learned them is not known, and
 * drawn. Source: `backend/cache/node_tree.go`.
 */
export const searchOrder = (nodes: readonly NodeEntry[], lots: () => number): readonly NodeEntry[] => {
  const zones = [...Map.groupBy(shuffled(nodes, lots), zoneOf).values()]
  const longest = zones.reduce((most, { length }) => Math.max(most, length), 0)
  return Array.from({ length: longest }, (_, row) => zones.flatMap((zone) => zone[row] ?? [])).flat()
}
