import { tolerates } from '../../events/selector.ts'
import type { PodObject } from '../objects.ts'
import type { Room, Rooms } from './room.ts'
import { takenBy } from './room.ts'
import type { Siblings } from './spread.ts'
import { spreadScores } from './spread.ts'

// The weights of the default profile (`getDefaultPlugins`).
const WEIGHT = { fit: 1, balance: 1, spread: 2, taints: 3 }

const used = (taken: number, whole: number): number => (whole === 0 ? 1 : Math.min(1, taken / whole))

/** NodeResourcesFit with LeastAllocated, and NodeResourcesBalancedAllocation, each 0 to 100, with the pod there. */
const resourceScore = ({ scored, whole }: Room, extra: { readonly cpu: number; readonly memory: number }): number => {
  const cpu = used(scored.cpu + extra.cpu, whole.cpu)
  const memory = used(scored.memory + extra.memory, whole.memory)
  const least = Math.floor((Math.floor((1 - cpu) * 100) + Math.floor((1 - memory) * 100)) / 2)
  const balance = Math.floor((1 - Math.abs(cpu - memory) / 2) * 100)
  return WEIGHT.fit * least + WEIGHT.balance * balance
}

const dislikedTaints = ({ node }: Room, { spec }: PodObject): number => {
  let count = 0
  for (const taint of node.spec.taints ?? [])
    if (taint.effect === 'PreferNoSchedule' && !tolerates(spec.tolerations, taint)) count += 1
  return count
}
/** TaintToleration: the more PreferNoSchedule taints are not tolerated, the lower. Undefined when all nodes are equal in it. */
const taintScores = (rooms: readonly Room[], pod: PodObject): readonly number[] | undefined => {
  if (!rooms.some(({ node }) => node.spec.taints)) return undefined
  const disliked = rooms.map((room) => dislikedTaints(room, pod))
  const most = disliked.reduce((a, b) => Math.max(a, b), 0)
  return most === 0 ? undefined : disliked.map((count) => 100 - Math.floor((100 * count) / most))
}

/** The sum of the default profile's scores for each of the nodes that are left. */
export const scores = (
  rooms: Rooms,
  feasible: readonly Room[],
  pod: PodObject,
  siblings: Siblings | undefined,
): readonly number[] => {
  const taints = taintScores(feasible, pod)
  const spread = spreadScores(rooms, feasible, pod, siblings)
  const extra = takenBy(pod)
  return feasible.map(
    (room, index) =>
      resourceScore(room, extra) + WEIGHT.taints * (taints?.[index] ?? 100) + WEIGHT.spread * (spread?.[index] ?? 0),
  )
}
