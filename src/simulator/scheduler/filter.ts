import type { Taint } from '../../events/kubernetes.ts'
import { tolerates } from '../../events/selector.ts'
import type { PodObject } from '../objects.ts'
import type { NamespaceLabels } from './affinity.ts'
import { affinityCheck } from './affinity.ts'
import { matchesNode } from './node-affinity.ts'
import type { Room, Rooms } from './room.ts'
import { takenBy } from './room.ts'
import { spreadCheck } from './spread.ts'

const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }

/**
 * The Filter plugins of the default profile, in their order.
 * @returns for a node why it is refused (nothing when it is not), in the scheduler's own words
 */
export const filterFor = (rooms: Rooms, pod: PodObject, labelsOf: NamespaceLabels): ((room: Room) => readonly string[]) => {
  const { spec } = pod
  const spread = spreadCheck(rooms, pod)
  const affinity = affinityCheck(rooms, pod, labelsOf)
  const { requests, ports } = takenBy(pod)
  const needs = [...requests].flatMap(([resource, amount]) => (amount > 0 ? [{ resource, amount }] : []))
  const toleratesCordon = tolerates(spec.tolerations, UNSCHEDULABLE)
  return (room) => {
    if (room.node.spec.unschedulable === true && !toleratesCordon) return ['node(s) were unschedulable']
    const taint = room.node.spec.taints && untolerated(room.node.spec.taints, pod)
    if (taint) return [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`]
    const short = shortOf(room, needs)
    if (!matchesNode(spec, room.labels, room.name)) return ["node(s) didn't match Pod's node affinity/selector"]
    if (ports && room.portUsers > 0 && portsClash(pod, room))
      return ["node(s) didn't have free ports for the requested pod ports"]
    if (short.length > 0) return short
    const reason = spread?.(room) ?? affinity?.(room)
    return reason === undefined ? FITS : [reason]
  }
}
type Need = { readonly resource: string; readonly amount: number }
const FITS: readonly string[] = []

const untolerated = (taints: readonly Taint[], { spec }: PodObject): Taint | undefined =>
  taints.find((taint) => (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') && !tolerates(spec.tolerations, taint))

const shortOf = ({ pods, podsAllowed, free }: Room, needs: readonly Need[]): readonly string[] => {
  let reasons = pods.size + 1 > podsAllowed ? ['Too many pods'] : FITS
  for (const { resource, amount } of needs)
    if (amount > (free.get(resource) ?? 0)) reasons = [...reasons, `Insufficient ${resource}`]
  return reasons
}

type Port = { readonly ip: string; readonly protocol: string; readonly port: number }
const ANY = '0.0.0.0'
const portsOf = ({ spec }: PodObject): readonly Port[] =>
  spec.containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, hostIP, protocol }) =>
      hostPort ? [{ ip: hostIP || ANY, protocol: protocol ?? 'TCP', port: hostPort }] : [],
    ),
  )
const portsClash = (pod: PodObject, room: Room): boolean => {
  const taken = [...room.pods.values()].flatMap(portsOf)
  return portsOf(pod).some((wanted) => taken.some((other) => clash(wanted, other)))
}
const clash = (one: Port, other: Port): boolean =>
  one.port === other.port && one.protocol === other.protocol && (one.ip === other.ip || one.ip === ANY || other.ip === ANY)
