import { tolerates } from '../../events/selector.ts'
import type { PodObject } from '../objects.ts'
import type { Room, Rooms } from './room.ts'
import { takenBy } from './room.ts'
import type { Siblings } from './spread.ts'
import { spreadScores } from './spread.ts'

// The weights of the default profile (`getDefaultPlugins`).
const WEIGHT = { fit: 1, balance: 1, spread: 2, taints: 3 }

/** What is used of the node's CPU and memory once the pod is there, as fractions. */
const usedWith = (room: Room, pod: PodObject): readonly [number, number] => {
  const { cpu, memory } = takenBy(pod)
  const whole = { cpu: room.allocatable.get('cpu') ?? 0, memory: room.allocatable.get('memory') ?? 0 }
  return [
    whole.cpu === 0 ? 1 : Math.min(1, (room.scored.cpu + cpu) / whole.cpu),
    whole.memory === 0 ? 1 : Math.min(1, (room.scored.memory + memory) / whole.memory),
  ]
}

/** NodeResourcesFit with LeastAllocated, and NodeResourcesBalancedAllocation, each 0 to 100. */
export const resourceScore = (room: Room, pod: PodObject): number => {
  const [cpu, memory] = usedWith(room, pod)
  const least = Math.floor((Math.floor((1 - cpu) * 100) + Math.floor((1 - memory) * 100)) / 2)
  const balance = Math.floor((1 - Math.abs(cpu - memory) / 2) * 100)
  return WEIGHT.fit * least + WEIGHT.balance * balance
}

/** TaintToleration: the more PreferNoSchedule taints are not tolerated, the lower. */
const taintScores = (rooms: readonly Room[], { spec }: PodObject): readonly number[] => {
  const disliked = rooms.map(({ node }) =>
    (node.spec.taints ?? []).reduce(
      (sum, taint) => sum + (taint.effect === 'PreferNoSchedule' && !tolerates(spec.tolerations, taint) ? 1 : 0),
      0,
    ),
  )
  const most = disliked.reduce((a, b) => Math.max(a, b), 0)
  return disliked.map((count) => (most === 0 ? 100 : 100 - Math.floor((100 * count) / most)))
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
  return feasible.map(
    (room, index) => resourceScore(room, pod) + WEIGHT.taints * (taints[index] ?? 0) + WEIGHT.spread * (spread?.[index] ?? 0),
  )
}
