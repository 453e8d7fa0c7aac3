import type { Check } from '../fit/rule.ts'
import { search, standingKey } from '../fit.ts'
import type { Shape } from '../model/shape.ts'
import type { NodeEntry } from '../model.ts'
import { resourceScorers, scoresOf } from './score.ts'
import type { Ground } from './scorer.ts'

/** Nodes that pass the Filters, and their scores by resources. */
type Found = {
  readonly nodes: readonly NodeEntry[]
  readonly scores: Float64Array<ArrayBuffer>
  /** The position of the last that was looked at, if the others were not needed. */
  readonly last: number | undefined
}

/**
 * Which nodes have room for a shape, and the scores by resources: both follow from a node alone, so only nodes that pods have
 * come to are judged again. Invariants: `changed` is told of each of them; no pod leaves one, so that what is full stays full.
 */
export type Board = {
  /** The nodes that pass the Filters; if there are more than enough, so many of them from a position on, round about. */
  readonly find: (shape: Shape, start: number, enough: number) => Found
  readonly changed: (node: NodeEntry) => void
}

/** Shapes with one key are judged alike. */
const keyOf = ({ unsaid }: Ground, shape: Shape): string => {
  const { cpu, memory } = unsaid.coming(shape)
  return `${shape.demand.join(';')}|${cpu},${memory}|${standingKey(shape)}`
}

/** The nodes that had room when last judged, by position: where, which, the score, and when that was. */
type Row = {
  readonly positions: Int32Array
  readonly nodes: NodeEntry[]
  readonly scores: Float64Array<ArrayBuffer>
  readonly judged: Int32Array
}

/** Where in the row the first position is that is no less; 0 if none is. */
const firstFrom = ({ positions, nodes }: Row, start: number): number => {
  let [low, high] = [0, nodes.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((positions[middle] ?? 0) < start) low = middle + 1
    else high = middle
  }
  return low === nodes.length ? 0 : low
}

/** Those that pass, from the position on, until there are enough. */
const passing = (row: Row, start: number, enough: number, rest: Check | undefined): Found => {
  const nodes: NodeEntry[] = []
  const scores: number[] = []
  let last = 0
  for (let tried = 0, at = firstFrom(row, start); tried < row.nodes.length && nodes.length < enough; tried += 1) {
    const node = row.nodes[at]
    if (node && !rest?.(node)) {
      nodes.push(node)
      scores.push(row.scores[at] ?? 0)
      last = row.positions[at] ?? 0
    }
    at = at + 1 === row.nodes.length ? 0 : at + 1
  }
  return { nodes, scores: Float64Array.from(scores), last: nodes.length === enough ? last : undefined }
}

/** @param nodes all that pods may come to; those that are being drained take none */
export const createBoard = (ground: Ground, nodes: readonly NodeEntry[]): Board => {
  const positions = new Map(nodes.map((node, position) => [node, position]))
  const open = Int32Array.from(nodes.flatMap(({ draining }, position) => (draining ? [] : [position])))
  const openNodes = nodes.filter(({ draining }) => !draining)
  const keys = new Map<Shape, string>()
  const rows = new Map<string, Row>()
  /** Counts the changes, and by position when there was one. */
  let now = 1
  const changedAt = new Int32Array(nodes.length).fill(now)
  const rowOf = (shape: Shape): Row => {
    const key = keys.get(shape) ?? keyOf(ground, shape)
    keys.set(shape, key)
    const known = rows.get(key)
    if (known) return known
    const [scores, judged] = [new Float64Array(open.length), new Int32Array(open.length)]
    const row = { positions: open.slice(), nodes: openNodes.slice(), scores, judged }
    rows.set(key, row)
    return row
  }
  /** Judges anew the nodes that have changed, and leaves out those that have no room any more. */
  const refresh = (row: Row, shape: Shape, hasRoom: (node: NodeEntry) => boolean): void => {
    const stale: NodeEntry[] = []
    const at: number[] = []
    let count = 0
    for (let index = 0; index < row.nodes.length; index += 1) {
      const [position, node] = [row.positions[index] ?? 0, row.nodes[index]]
      if (!node) continue
      const isStale = (row.judged[index] ?? 0) < (changedAt[position] ?? 0)
      if (isStale && !hasRoom(node)) continue
      if (isStale) {
        stale.push(node)
        at.push(count)
      }
      row.positions[count] = position
      row.nodes[count] = node
      row.scores[count] = row.scores[index] ?? 0
      row.judged[count] = now
      count += 1
    }
    row.nodes.length = count
    const made = scoresOf(ground, shape, stale, resourceScorers)
    for (let index = 0; index < at.length; index += 1) row.scores[at[index] ?? 0] = made[index] ?? 0
  }
  return {
    find(shape, start, enough) {
      const asked = search(ground.model, shape)
      if (!asked) return { nodes: [], scores: new Float64Array(), last: undefined }
      const row = rowOf(shape)
      refresh(row, shape, asked.quick)
      if (asked.rest || row.nodes.length >= enough) return passing(row, start, enough, asked.rest)
      return { nodes: row.nodes, scores: row.scores.slice(0, row.nodes.length), last: undefined }
    },
    changed(node) {
      const position = positions.get(node)
      now += 1
      if (position !== undefined) changedAt[position] = now
    },
  }
}
