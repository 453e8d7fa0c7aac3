import { dynamicResources } from './fit/dynamic-resources.ts'
import { interPodAffinity } from './fit/inter-pod-affinity.ts'
import { nodeAffinity } from './fit/node-affinity.ts'
import { nodeDeclaredFeatures } from './fit/node-declared-features.ts'
import { nodePorts } from './fit/node-ports.ts'
import { nodeResourcesFit, roomFor } from './fit/node-resources-fit.ts'
import { nodeUnschedulable } from './fit/node-unschedulable.ts'
import { nodeVolumeLimits } from './fit/node-volume-limits.ts'
import { podTopologySpread } from './fit/pod-topology-spread.ts'
import { emptied, receiving } from './fit/receiving.ts'
import type { Check, Refusal, Rule } from './fit/rule.ts'
import { schedulerName } from './fit/scheduler-name.ts'
import { schedulingGates } from './fit/scheduling-gates.ts'
import { taintToleration } from './fit/taint-toleration.ts'
import { volumeBinding } from './fit/volume-binding.ts'
import { volumeRestrictions } from './fit/volume-restrictions.ts'
import { volumeZone } from './fit/volume-zone.ts'
import type { Shape } from './model/shape.ts'
import type { Model, NodeEntry } from './model.ts'

/**
 * The Filter plugins of kube-scheduler in its default order, and our own rule about other schedulers. NodeName is not
 * among them: a replacement is bound to no node.
 */
export const rules: readonly Rule[] = [
  schedulingGates,
  schedulerName,
  dynamicResources,
  nodeDeclaredFeatures,
  nodeUnschedulable,
  taintToleration,
  nodeAffinity,
  nodePorts,
  nodeResourcesFit,
  volumeRestrictions,
  nodeVolumeLimits,
  volumeBinding,
  volumeZone,
  podTopologySpread,
  interPodAffinity,
]
const standingRules = rules.filter(({ isStanding }) => isStanding)
/** Asked after the room, the cheapest question. */
const movingRules = rules.filter((rule) => !rule.isStanding && rule !== nodeResourcesFit)

const firstOf = (checks: readonly Check[]): Check | undefined => {
  if (checks.length === 0) return undefined
  return (node) => {
    for (const check of checks) {
      const refused = check(node)
      if (refused) return refused
    }
    return undefined
  }
}
const checksOf = (list: readonly Rule[], model: Model, shape: Shape): readonly Check[] =>
  list.flatMap((rule) => rule.onNode?.(model, shape) ?? [])

/** Why no node at all will do; asked once for a shape. */
export const nowhere = (model: Model, shape: Shape): Refusal | undefined => {
  for (const rule of rules) {
    const refused = rule.everywhere?.(model, shape)
    if (refused) return refused
  }
  return undefined
}

/**
 * What kube-scheduler's Filter plugins say about a new pod of the shape, and nothing else; the first refusal in its order.
 * A pod that is to move must be off its node. Prepared for the model as it is: ask for another after a move.
 */
export const filter = (model: Model, shape: Shape): Check => {
  const refused = nowhere(model, shape)
  return refused ? () => refused : (firstOf(checksOf(rules, model, shape)) ?? (() => undefined))
}

/** The same and our own reservations about the node: what a plan goes by. */
export const fit = (model: Model, shape: Shape): Check => {
  const filtered = filter(model, shape)
  return (node) => emptied(node) ?? receiving(node) ?? filtered(node)
}

/**
 * The same question for many nodes in two parts, the cheap one first: `quick` refuses most nodes by room, taints, labels
 * and volumes; who passes it is asked `rest`. Undefined: no node will do.
 */
export type Search = { readonly quick: (node: NodeEntry) => boolean; readonly rest: Check | undefined }
export const search = (model: Model, shape: Shape): Search | undefined => {
  if (nowhere(model, shape)) return undefined
  const hasRoom = roomFor(model, shape)
  const stands = standing(model, shape)
  return {
    quick: (node) => !node.draining && hasRoom(node) && stands(node),
    rest: firstOf(checksOf(movingRules, model, shape)),
  }
}

/** Shapes that ask the same of nodes and volumes share what is known of each node: 1 it will do, 2 it will not. */
type Memo = { readonly nodesAt: number; readonly booksAt: number; readonly verdicts: Uint8Array }
const memos = new WeakMap<Model, Map<string, Memo>>()
const keys = new WeakMap<Shape, string>()
const MOST_MEMOS = 4_096

export const standingKey = (shape: Shape): string => {
  const { nodeSelector, affinity, tolerations, volumes = [] } = shape.spec
  const claimed = volumes.filter(({ persistentVolumeClaim, ephemeral }) => persistentVolumeClaim ?? ephemeral)
  const key =
    keys.get(shape) ??
    JSON.stringify([nodeSelector, affinity?.nodeAffinity, tolerations, claimed.length > 0 ? [shape.namespace, claimed] : null])
  keys.set(shape, key)
  return key
}
const memoOf = (model: Model, shape: Shape): Memo => {
  const byKey = memos.get(model) ?? new Map<string, Memo>()
  memos.set(model, byKey)
  const key = standingKey(shape)
  const known = byKey.get(key)
  if (known?.nodesAt === model.nodesVersion() && known.booksAt === model.booksVersion()) return known
  if (byKey.size >= MOST_MEMOS) byKey.clear()
  const rows = model.topology('kubernetes.io/hostname').of.length
  const made = { nodesAt: model.nodesVersion(), booksAt: model.booksVersion(), verdicts: new Uint8Array(rows) }
  byKey.set(key, made)
  return made
}
/** Whether a node suits pods of the shape whatever runs there: by its taints, labels and volumes. */
export const standing = (model: Model, shape: Shape): ((node: NodeEntry) => boolean) => {
  const { verdicts } = memoOf(model, shape)
  let check: Check | undefined
  return (node) => {
    const known = verdicts[node.index]
    if (known) return known === 1
    check ??= firstOf([receiving, ...checksOf(standingRules, model, shape)])
    const verdict = !check?.(node)
    verdicts[node.index] = verdict ? 1 : 2
    return verdict
  }
}
