import { isOfNode } from '../eligibility/marks.ts'
import { receiving } from '../fit/receiving.ts'
import { standing } from '../fit.ts'
import type { Shape } from '../model/shape.ts'
import type { Model, NodeEntry, PodEntry } from '../model.ts'

const ZONE = 'topology.kubernetes.io/zone'

/** The nodes of each zone. Nodes that say nothing of their zone are in none. */
export const zonesOf = (nodes: readonly NodeEntry[]): ReadonlyMap<string, readonly NodeEntry[]> => {
  const zones = Map.groupBy(nodes, ({ object }) => object?.metadata.labels?.[ZONE] ?? '')
  zones.delete('')
  return zones
}

type Amounts = Float64Array
const plus = (sum: Amounts, { shape }: PodEntry, sign: 1 | -1): void => {
  for (const [resource, amount] of shape.demand) sum[resource] = (sum[resource] ?? 0) + sign * amount
}

/** Whether pods of the shape could run outside of the zone, by labels, taints and volumes. */
const leaves = (model: Model, outside: readonly NodeEntry[]): ((shape: Shape) => boolean) => {
  const known = new Map<Shape, boolean>()
  return (shape) => {
    const before = known.get(shape)
    if (before !== undefined) return before
    const suits = standing(model, shape)
    const can = outside.some((node) => suits(node))
    known.set(shape, can)
    return can
  }
}

/** What of a zone goes down with it: pods that come with their nodes, and pods that can run nowhere else. By resource. */
const lostWith = (model: Model, zone: readonly NodeEntry[], outside: readonly NodeEntry[]): Amounts => {
  const sum = new Float64Array(model.columns.names.length)
  const canLeave = leaves(model, outside)
  for (const { pods } of zone)
    for (const pod of pods) if (pod.leaving || (!isOfNode(pod.shape) && !canLeave(pod.shape))) plus(sum, pod, 1)
  return sum
}
const ofNode = ({ columns }: Model, { pods }: NodeEntry): Amounts => {
  const sum = new Float64Array(columns.names.length)
  for (const pod of pods) if (isOfNode(pod.shape)) plus(sum, pod, 1)
  return sum
}

/** How much the other zones lack for the pods of one, by resource; not positive: they have room. */
export type ZoneLoss = { readonly zone: string; readonly short: Float64Array }

/**
 * What the loss of each zone would leave without room, by the sums of what is requested: how pods share nodes is not looked
 * at. Prepared for the model as it is; asked again after moves. `ignored` are pods that are not there.
 */
export const zoneLosses = (
  model: Model,
  nodes: readonly NodeEntry[],
  ignored: Iterable<PodEntry>,
): (() => readonly ZoneLoss[]) => {
  const { allocatable, requested } = model.columns
  const zones = zonesOf(nodes)
  const fixed = new Map(nodes.map((node) => [node, ofNode(model, node)]))
  const lost = new Map(
    [...zones].map(([zone, own]) => [
      zone,
      lostWith(
        model,
        own,
        nodes.filter((node) => !own.includes(node)),
      ),
    ]),
  )
  const zoneOf = new Map([...zones].flatMap(([zone, own]) => own.map((node) => [node, zone] as const)))
  const resources = model.columns.names.map((_, resource) => resource)
  return () => {
    const free = new Float64Array(resources.length)
    const freeOf = new Map([...zones.keys()].map((zone) => [zone, new Float64Array(resources.length)]))
    const loadOf = new Map([...zones.keys()].map((zone) => [zone, new Float64Array(resources.length)]))
    for (const node of nodes) {
      const [mine, load] = [freeOf.get(zoneOf.get(node) ?? ''), loadOf.get(zoneOf.get(node) ?? '')]
      const isOpen = !node.draining && !receiving(node)
      for (const r of resources) {
        const used = requested[r]?.[node.index] ?? 0
        if (load) load[r] = (load[r] ?? 0) + used - (fixed.get(node)?.[r] ?? 0)
        if (!isOpen) continue
        const left = (allocatable[r]?.[node.index] ?? 0) - used
        free[r] = (free[r] ?? 0) + left
        if (mine) mine[r] = (mine[r] ?? 0) + left
      }
    }
    for (const pod of ignored) {
      if (!pod.node) continue
      plus(free, pod, 1)
      const zone = zoneOf.get(pod.node) ?? ''
      const [mine, load] = [freeOf.get(zone), loadOf.get(zone)]
      if (mine) plus(mine, pod, 1)
      if (load) plus(load, pod, -1)
    }
    return [...zones.keys()].map((zone) => ({
      zone,
      short: Float64Array.from(
        resources,
        (r) => (loadOf.get(zone)?.[r] ?? 0) - (lost.get(zone)?.[r] ?? 0) - ((free[r] ?? 0) - (freeOf.get(zone)?.[r] ?? 0)),
      ),
    }))
  }
}
