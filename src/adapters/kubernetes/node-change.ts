import { z } from 'zod'
import type { NodeChange } from '../../ports.ts'

const Taint = z.looseObject({ key: z.string(), effect: z.string() })
/** What of a node a change has to know, as the API gave it: a list of taints is replaced whole, with all their fields. */
export const RawNode = z.object({
  metadata: z.object({ uid: z.string(), resourceVersion: z.string() }),
  spec: z.object({ taints: z.array(Taint).nullish() }).default({}),
})
export type RawNode = z.infer<typeof RawNode>

/** Pure: the JSON merge patch that makes the change of this very version of the node. */
export const mergePatchOf = ({ metadata: { uid, resourceVersion }, spec }: RawNode, change: NodeChange): object => {
  const { annotations, unschedulable, taint } = change
  const others = (spec.taints ?? []).filter(({ key, effect }) => !(key === taint?.key && effect === taint.effect))
  const taints = taint?.is === 'added' ? [...others, { key: taint.key, effect: taint.effect }] : others
  return {
    metadata: { uid, resourceVersion, annotations },
    spec: {
      ...(unschedulable !== undefined && { unschedulable: unschedulable || null }),
      ...(taint && { taints: taints.length > 0 ? taints : null }),
    },
  }
}
