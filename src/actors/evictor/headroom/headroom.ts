import type { Plan, Policy, Reason } from '../../../events/plan.ts'
import type { Shape } from '../model/shape.ts'
import type { Model, NodeEntry, PodEntry } from '../model.ts'
import { bestFit, refusedBy } from '../placing.ts'
import { autoscaledPeaks } from './autoscaled-peaks.ts'
import { type Coming, likeOf, roomOf } from './coming.ts'
import { largestPod } from './largest-pod.ts'
import { percent } from './percent.ts'
import { rolloutSurge } from './rollout-surge.ts'
import { largestFirst, sizes } from './size.ts'
import { type ZoneLoss, zoneLosses, zonesOf } from './zones.ts'

/** What the policy's headroom has against the model as it is now, and what would help. */
type Lack = {
  readonly reason: Reason
  /** Pods to come that would find no room. */
  readonly pods: readonly PodEntry[]
  /** Of the nodes that are emptied, those whose room would help, the best first. */
  readonly helps: (emptied: readonly NodeEntry[]) => readonly NodeEntry[]
}

type Unmet = NonNullable<Plan['unmet']>[number]

/** What the policy wants left free. Asked about the model as it is, moves on trial included. */
export type Headroom = {
  /**
   * Pods that are not there and whose room is kept while nodes are chosen: what asks for most, of all that may come. They sit
   * on nodes while a draft is made, and go with no plan.
   */
  readonly room: ReadonlySet<PodEntry>
  /** The zones' part of it, quickly judged. */
  readonly forbids: () => Reason | undefined
  /** All of it: the first thing that fitted before and would no more. */
  readonly lack: () => Lack | undefined
  /** What there is no room for already. */
  readonly unmet: readonly Unmet[]
  /** Forgets the pods that are not there. They are off all nodes by then. */
  readonly release: () => void
}

export const noHeadroom: Headroom = {
  room: new Set(),
  forbids: () => undefined,
  lack: () => undefined,
  unmet: [],
  release: () => undefined,
}

/** Puts pods that are not there where they fit best, one after the other. @returns those that found no place */
export const seat = (model: Model, pods: Iterable<PodEntry>, nodes: readonly NodeEntry[]): readonly PodEntry[] => {
  const left: PodEntry[] = []
  let last: { readonly shape: Shape; readonly node: NodeEntry | undefined } | undefined
  for (const pod of pods) {
    // Where the one before fitted best its like does too, as long as there is room; where none fits, none fits after it.
    const isLike = last?.shape === pod.shape && !pod.shape.social
    const again = isLike && last?.node && !refusedBy(model, pod, last.node) ? last.node : undefined
    const node = again ?? (isLike && !last?.node ? undefined : bestFit(model, pod, nodes))
    if (node) model.move(pod, node)
    else left.push(pod)
    last = { shape: pod.shape, node }
  }
  return left
}

type Expected = { readonly why: string; readonly pods: readonly PodEntry[]; readonly seats: ReadonlySet<NodeEntry> }

/** Those that fit now: what never fitted can't be kept. */
const expected = (
  model: Model,
  nodes: readonly NodeEntry[],
  { why, groups }: Coming,
): Expected & { missing: readonly PodEntry[] } => {
  const order = largestFirst(model)
  const pods = [...groups]
    .sort((a, b) => order(a.shape, b.shape))
    .flatMap(({ shape, count }) => model.imagine(likeOf(shape), count))
  const mark = model.mark()
  const missing = new Set(seat(model, pods, nodes))
  const seats = new Set(pods.flatMap(({ node }) => node ?? []))
  model.rollback(mark)
  return { why, pods: pods.filter((pod) => !missing.has(pod)), missing: [...missing], seats }
}

/** What asks for most, by the resource of which it asks most of the cluster. */
const weightier = (model: Model): ((list: readonly Coming[]) => Coming | undefined) => {
  const weight = sizes(model)
  const of = ({ groups }: Coming): number => groups.reduce((sum, { shape, count }) => sum + count * weight(shape), 0)
  return (list) => list.reduce<Coming | undefined>((most, each) => (!most || of(each) > of(most) ? each : most), undefined)
}

/** The room of those pods, without what they mind and who minds them. */
const roomFor = (model: Model, nodes: readonly NodeEntry[], coming: Coming | undefined): readonly PodEntry[] => {
  if (!coming) return []
  const order = largestFirst(model)
  const groups = [...coming.groups].sort((a, b) => order(a.shape, b.shape))
  const pods = groups.flatMap(({ shape, count }, index) => model.imagine(roomOf(shape, index), count))
  const mark = model.mark()
  const missing = seat(model, pods, nodes)
  model.rollback(mark)
  model.dismiss(missing)
  return pods.filter((pod) => !missing.includes(pod))
}

const because = (what: string): Reason => ({ code: 'Headroom', message: `the policy's headroom: ${what}` })

const minNodesPerZone = (nodes: readonly NodeEntry[], least: number): (() => Lack | undefined) => {
  const zones = zonesOf(nodes)
  return () => {
    for (const [zone, own] of least > 0 ? zones : []) {
      const left = own.filter(({ draining }) => !draining).length
      if (left >= Math.min(least, own.length)) continue
      return {
        reason: because(`${least} node(s) stay in zone ${zone}`),
        pods: [],
        helps: (emptied) => emptied.filter((node) => own.includes(node)).slice(0, Math.min(least, own.length) - left),
      }
    }
    return undefined
  }
}

const zoneLoss = (model: Model, nodes: readonly NodeEntry[], room: ReadonlySet<PodEntry>): (() => Lack | undefined) => {
  const losses = zoneLosses(model, nodes, room)
  const before = new Map(losses().map(({ zone, short }) => [zone, short]))
  const { allocatable, names } = model.columns
  /** What is short now and was not, or less. */
  const worse = ({ zone, short }: ZoneLoss): readonly (readonly [resource: number, amount: number])[] =>
    [...short].flatMap((amount, r) => {
      const more = amount - Math.max(0, before.get(zone)?.[r] ?? 0)
      return more > 0 ? [[r, more] as const] : []
    })
  return () => {
    for (const loss of losses()) {
      const short = worse(loss)
      const [first] = short
      if (!first) continue
      return {
        reason: because(`without zone ${loss.zone} the others would have too little ${names[first[0]] ?? ''} for its pods`),
        pods: [],
        helps: (emptied) => {
          const left = new Map(short)
          return emptied.filter((node) => {
            if (node.object?.metadata.labels?.['topology.kubernetes.io/zone'] === loss.zone || left.size === 0) return false
            for (const [r, amount] of left) {
              const after = amount - (allocatable[r]?.[node.index] ?? 0)
              if (after > 0) left.set(r, after)
              else left.delete(r)
            }
            return true
          })
        },
      }
    }
    return undefined
  }
}

/**
 * What the policy wants left free of this cluster, with the pods that wait seated: what has room now is to have room after any
 * plan, each of them by itself. What has none now is not asked for: no plan can give it.
 */
export const headroomOf = (model: Model, nodes: readonly NodeEntry[], policy: Policy): Headroom => {
  const wanted = policy.headroom
  if (!wanted) return noHeadroom
  const all = [
    ...percent(model, wanted.percent / 100),
    ...(wanted.largestPod ? largestPod(model) : []),
    ...rolloutSurge(model, wanted.rolloutSurge),
    ...(wanted.autoscaledPeaks ? autoscaledPeaks(model) : []),
  ]
  const comings = all.map((coming) => expected(model, nodes, coming))
  const room = new Set(roomFor(model, nodes, weightier(model)(all)))
  const zones = [minNodesPerZone(nodes, wanted.minNodesPerZone), ...(wanted.zoneLoss ? [zoneLoss(model, nodes, room)] : [])]
  const lackOfZones = (): Lack | undefined => {
    for (const ask of zones) {
      const lack = ask()
      if (lack) return lack
    }
    return undefined
  }
  const lackOf = ({ why, pods, seats }: Expected): Lack | undefined => {
    const mark = model.mark()
    const left = seat(model, pods, [...nodes, ...model.nodes.values().filter(({ planned }) => planned)])
    model.rollback(mark)
    if (left.length === 0) return undefined
    const { length } = left
    return {
      reason: because(`${why}: ${length} of ${pods.length} pod(s) that have room now would have none`),
      pods: left,
      helps: (emptied) => emptied.filter((node) => seats.has(node)).slice(0, 1),
    }
  }
  return {
    room,
    forbids: () => lackOfZones()?.reason,
    lack() {
      const lack = lackOfZones()
      if (lack) return lack
      for (const coming of comings) {
        const found = lackOf(coming)
        if (found) return found
      }
      return undefined
    },
    unmet: comings.flatMap(({ why, pods, missing }) =>
      missing.length > 0 ? [{ what: why, pods: missing.length, of: pods.length + missing.length }] : [],
    ),
    release() {
      model.dismiss([...room])
      for (const { pods, missing } of comings) model.dismiss([...pods, ...missing])
    },
  }
}
