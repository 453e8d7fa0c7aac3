import type { PodSpec } from '../../events/kubernetes.ts'
import { selects, tolerates } from '../../events/selector.ts'
import type { PodObject } from '../objects.ts'
import { isTerminating } from '../objects.ts'
import { narrowed } from './affinity.ts'
import { matchesNode } from './node-affinity.ts'
import type { Room, Rooms } from './room.ts'

type Constraint = NonNullable<PodSpec['topologySpreadConstraints']>[number]

/** How many pods like this one a node has. */
const likeIt = (constraint: Constraint, pod: PodObject): ((room: Room) => number) => {
  const selector = narrowed(constraint.labelSelector, pod.metadata.labels, constraint.matchLabelKeys)
  return ({ pods }) => {
    let count = 0
    for (const other of pods.values())
      if (
        other.metadata.namespace === pod.metadata.namespace &&
        !isTerminating(other) &&
        selects(selector, other.metadata.labels)
      )
        count += 1
    return count
  }
}

/** Which nodes a constraint counts: by default those the pod's affinity allows, whatever their taints. */
const counts = (
  { nodeAffinityPolicy, nodeTaintsPolicy }: Constraint,
  { spec }: PodObject,
  { node, labels, name }: Room,
): boolean =>
  (nodeAffinityPolicy === 'Ignore' || matchesNode(spec, labels, name)) &&
  (nodeTaintsPolicy !== 'Honor' ||
    (node.spec.taints ?? []).every((taint) => taint.effect === 'PreferNoSchedule' || tolerates(spec.tolerations, taint)))

const MISMATCH = "node(s) didn't match pod topology spread constraints"

/** Topology spread constraints that forbid (plugin `podtopologyspread`, Filter). */
export const spreadCheck = ({ list }: Rooms, pod: PodObject): ((room: Room) => string | undefined) | undefined => {
  const hard = (pod.spec.topologySpreadConstraints ?? []).filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule')
  if (hard.length === 0) return undefined
  const whole = list.filter(({ labels }) => hard.every(({ topologyKey }) => labels[topologyKey] !== undefined))
  const checks = hard.map((constraint) => checkOf(constraint, pod, whole))
  return (room) => {
    for (const check of checks) {
      const reason = check(room)
      if (reason !== undefined) return reason
    }
    return undefined
  }
}

const checkOf = (constraint: Constraint, pod: PodObject, rooms: readonly Room[]): ((room: Room) => string | undefined) => {
  const { topologyKey, maxSkew, minDomains = 1 } = constraint
  const domains = new Map<string, number>()
  const count = likeIt(constraint, pod)
  for (const room of rooms) {
    const domain = room.labels[topologyKey]
    if (domain !== undefined && counts(constraint, pod, room)) domains.set(domain, (domains.get(domain) ?? 0) + count(room))
  }
  const least = domains.size < minDomains ? 0 : Math.min(...domains.values())
  const self = selects(narrowed(constraint.labelSelector, pod.metadata.labels, constraint.matchLabelKeys), pod.metadata.labels)
    ? 1
    : 0
  return ({ labels }) => {
    const domain = labels[topologyKey]
    if (domain === undefined) return `${MISMATCH} (missing required label)`
    return (domains.get(domain) ?? 0) + self - least > maxSkew ? MISMATCH : undefined
  }
}

const ZONE = 'topology.kubernetes.io/zone'
const HOST = 'kubernetes.io/hostname'
/** The built-in constraints of the default profile; they hold for pods whose controller's selector is known. */
const builtIn = (pod: PodObject, selector: Constraint['labelSelector']): readonly Constraint[] =>
  [
    { maxSkew: 3, topologyKey: HOST },
    { maxSkew: 5, topologyKey: ZONE },
  ].map((each) => ({
    ...each,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: selector ?? { matchLabels: pod.metadata.labels ?? {} },
  }))

/** Pods of one owner, by node, when the owner is known: the built-in constraints then need no look at every pod. */
export type Siblings = { readonly selector: Constraint['labelSelector']; readonly pods: Iterable<PodObject> }

/**
 * Scores of the nodes that are left, higher where fewer pods like this one are near (plugin `podtopologyspread`, Score and
 * NormalizeScore). Undefined when nothing asks for it.
 */
export const spreadScores = (
  rooms: Rooms,
  feasible: readonly Room[],
  pod: PodObject,
  siblings: Siblings | undefined,
): readonly number[] | undefined => {
  const own = pod.spec.topologySpreadConstraints ?? []
  if (own.length === 0 && !siblings) return undefined
  const soft =
    own.length > 0
      ? own.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'ScheduleAnyway')
      : builtIn(pod, siblings?.selector)
  if (soft.length === 0) return undefined
  const scorers = soft.map((constraint) => scorer(constraint, rooms, feasible, pod, own.length > 0 ? undefined : siblings))
  return normalized(feasible.map((room) => Math.round(scorers.reduce((sum, score) => sum + score(room), 0))))
}

const scorer = (
  constraint: Constraint,
  rooms: Rooms,
  feasible: readonly Room[],
  pod: PodObject,
  siblings: Siblings | undefined,
): ((room: Room) => number) => {
  const { topologyKey, maxSkew } = constraint
  const domains = siblings ? siblingDomains(rooms, siblings, topologyKey) : countedDomains(constraint, rooms, pod)
  const size = topologyKey === HOST ? feasible.length : new Set(feasible.map(({ labels }) => labels[topologyKey])).size
  const weight = Math.log(size + 2)
  return ({ labels }) =>
    labels[topologyKey] === undefined ? 0 : (domains.get(labels[topologyKey] ?? '') ?? 0) * weight + (maxSkew - 1)
}
const siblingDomains = (rooms: Rooms, { pods }: Siblings, topologyKey: string): ReadonlyMap<string, number> => {
  const domains = new Map<string, number>()
  for (const pod of pods) {
    const domain = rooms.get(pod.spec.nodeName ?? '')?.labels[topologyKey]
    if (domain !== undefined && !isTerminating(pod)) domains.set(domain, (domains.get(domain) ?? 0) + 1)
  }
  return domains
}
const countedDomains = (constraint: Constraint, { list }: Rooms, pod: PodObject): ReadonlyMap<string, number> => {
  const domains = new Map<string, number>()
  const count = likeIt(constraint, pod)
  for (const room of list) {
    const domain = room.labels[constraint.topologyKey]
    if (domain !== undefined && counts(constraint, pod, room)) domains.set(domain, (domains.get(domain) ?? 0) + count(room))
  }
  return domains
}

const normalized = (scores: readonly number[]): readonly number[] => {
  let most = 0
  let least = Number.POSITIVE_INFINITY
  for (const score of scores) {
    most = Math.max(most, score)
    least = Math.min(least, score)
  }
  return scores.map((score) => (most === 0 ? 100 : Math.floor((100 * (most + least - score)) / most)))
}
