import type { Shape } from '../model/shape.ts'
import type { NodeEntry } from '../model.ts'
import { resourceScorers, scoresOf } from './score.ts'
import type { Ground } from './scorer.ts'

/**
 * The scores by resources: they follow for pods of a shape from a node alone, so only nodes that pods have come to or left
 * are judged again. Invariant: they are true of the model while `changed` is told of each.
 */
export type Board = {
  /** The weighted scores of the nodes at these positions, in their order. */
  readonly scores: (shape: Shape, positions: readonly number[]) => Float64Array<ArrayBuffer>
  readonly changed: (node: NodeEntry) => void
}

/** Shapes with one key are judged alike. */
const keyOf = ({ unsaid }: Ground, shape: Shape): string => {
  const { cpu, memory } = unsaid.coming(shape)
  return `${shape.demand.join(';')}|${cpu},${memory}`
}

/** By position: the score, and when it was judged. */
type Row = { readonly scores: Int32Array; readonly judged: Int32Array }

/** @param nodes all that pods may come to */
export const createBoard = (ground: Ground, nodes: readonly NodeEntry[]): Board => {
  const positions = new Map(nodes.map((node, position) => [node, position]))
  const keys = new Map<Shape, string>()
  const rows = new Map<string, Row>()
  /** Counts the changes, and by position when there was one. */
  let now = 1
  const changedAt = new Int32Array(nodes.length).fill(now)
  const rowOf = (shape: Shape): Row => {
    const key = keys.get(shape) ?? keyOf(ground, shape)
    keys.set(shape, key)
    const row = rows.get(key) ?? { scores: new Int32Array(nodes.length), judged: new Int32Array(nodes.length) }
    rows.set(key, row)
    return row
  }
  return {
    scores(shape, at) {
      const { scores, judged } = rowOf(shape)
      const stale: number[] = []
      const list: NodeEntry[] = []
      for (const position of at) {
        const node = nodes[position]
        if (!node || (judged[position] ?? 0) >= (changedAt[position] ?? 0)) continue
        stale.push(position)
        list.push(node)
      }
      const found = scoresOf(ground, shape, list, resourceScorers)
      for (let index = 0; index < stale.length; index += 1) {
        scores[stale[index] ?? 0] = found[index] ?? 0
        judged[stale[index] ?? 0] = now
      }
      const all = new Float64Array(at.length)
      for (let index = 0; index < at.length; index += 1) all[index] = scores[at[index] ?? 0] ?? 0
      return all
    },
    changed(node) {
      const position = positions.get(node)
      now += 1
      if (position !== undefined) changedAt[position] = now
    },
  }
}
