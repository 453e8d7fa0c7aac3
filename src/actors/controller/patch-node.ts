import type { PatchNode } from '../../events/orders.ts'
import { type ChainEffects, chain } from './chain.ts'
import { isMeant, type NodeFound } from './node-identity.ts'

type Taint = { readonly key: string; readonly value?: string | undefined; readonly effect: string }
/** What of a node this action may change. */
export type Patchable = {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly taints: readonly Taint[]
  readonly unschedulable: boolean
}
type Changes = Pick<PatchNode, 'labels' | 'annotations' | 'taints' | 'unschedulable'>

/** What is known of the node; `before` holds only what the order may change. */
type Known = { readonly found: NodeFound | null; readonly before: Changes }
type Inputs = {
  readonly readForPatch: { readonly name: string; readonly changes: Changes }
  readonly patchNode: { readonly name: string; readonly uid: string; readonly changes: Changes }
  readonly patchCapacity: { readonly name: string; readonly uid: string; readonly capacity: PatchNode['capacity'] }
}
export type PatchNodeEffects = ChainEffects<Known, Inputs>

const changesOf = ({ labels, annotations, taints, unschedulable }: PatchNode): Changes => ({
  labels,
  annotations,
  taints,
  ...(unschedulable !== undefined && { unschedulable }),
})
const isEmpty = ({ labels, annotations, taints, unschedulable }: Changes): boolean =>
  Object.keys(labels).length + Object.keys(annotations).length + taints.length === 0 && unschedulable === undefined

const REMOVES = '-'
const plain = (key: string): string => (key.startsWith(REMOVES) ? key.slice(1) : key)

/** Pure: the value of each key that is to be set, null for each that is to go. */
const asMerge = (changes: Readonly<Record<string, string>>): Record<string, string | null> =>
  Object.fromEntries(Object.entries(changes).map(([key, value]) => (key.startsWith(REMOVES) ? [plain(key), null] : [key, value])))

/** As Kubernetes matches them: by key and effect. */
const matches =
  (one: Taint) =>
  (other: Taint): boolean =>
    plain(one.key) === other.key && one.effect === other.effect

/** Pure: the taints after the changes. A taint that is there already keeps its place and gets the new value. */
const taintsAfter = (taints: readonly Taint[], changes: readonly Taint[]): readonly Taint[] =>
  changes.reduce<readonly Taint[]>((now, change) => {
    if (change.key.startsWith(REMOVES)) return now.filter((taint) => !matches(change)(taint))
    return now.some(matches(change)) ? now.map((taint) => (matches(change)(taint) ? change : taint)) : now.concat(change)
  }, taints)

/** Pure: the merge patch that makes the changes, or undefined where nothing is left to change. */
export const patchFor = (node: Patchable, changes: Changes): object | undefined => {
  const taints = taintsAfter(node.taints, changes.taints)
  const labels = pending(node.labels, asMerge(changes.labels))
  const annotations = pending(node.annotations, asMerge(changes.annotations))
  const { unschedulable = node.unschedulable } = changes
  const spec = {
    ...(JSON.stringify(taints) !== JSON.stringify(node.taints) && { taints }),
    ...(unschedulable !== node.unschedulable && { unschedulable: unschedulable || null }),
  }
  const metadata = { ...(labels && { labels }), ...(annotations && { annotations }) }
  if (Object.keys(spec).length + Object.keys(metadata).length === 0) return undefined
  return { ...(Object.keys(metadata).length > 0 && { metadata }), ...(Object.keys(spec).length > 0 && { spec }) }
}
const pending = (
  now: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string | null>>,
): Record<string, string | null> | undefined => {
  const left = Object.entries(wanted).filter(([key, value]) => (now[key] ?? null) !== value)
  return left.length === 0 ? undefined : Object.fromEntries(left)
}

/** Pure: the changes that take these changes back. */
export const undoOf = (node: Patchable, changes: Changes): Changes => ({
  labels: asBefore(node.labels, changes.labels),
  annotations: asBefore(node.annotations, changes.annotations),
  taints: changes.taints.flatMap((change): Changes['taints'] => {
    const before = node.taints.find(matches(change)) as Changes['taints'][number] | undefined
    if (before) return [{ ...before, value: before.value ?? '' }]
    return change.key.startsWith(REMOVES) ? [] : [{ ...change, key: `${REMOVES}${change.key}` }]
  }),
  ...(changes.unschedulable !== undefined && { unschedulable: node.unschedulable }),
})
const asBefore = (now: Readonly<Record<string, string>>, changes: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.keys(changes)
      .map(plain)
      .map((key) => (now[key] === undefined ? [`${REMOVES}${key}`, ''] : [key, now[key]])),
  )

const foundIn = ({ found }: Partial<Known>): NodeFound => {
  if (!found) throw new Error('patch-node: no node was read')
  return found
}

/**
 * Changes a node's labels, annotations, taints, schedulability and extended resources. The result holds the order that
 * would take it back.
 */
export const patchNode = chain<PatchNode, Known, Inputs>({
  type: 'patch-node',
  verb: 'PatchNode',
  steps: {
    reading: {
      effect: 'readForPatch',
      input: (order) => ({ name: order.nodeName, changes: changesOf(order) }),
      judge: (order, { found = null }) => (isMeant(order, found) ? undefined : { ends: 'gone' }),
    },
    patching: {
      effect: 'patchNode',
      input: (order, known) => ({ name: order.nodeName, uid: foundIn(known).uid, changes: changesOf(order) }),
      judge: ({ capacity }) => (Object.keys(capacity).length === 0 ? { ends: 'done' } : undefined),
    },
    patchingCapacity: {
      effect: 'patchCapacity',
      input: ({ nodeName, capacity }, known) => ({ name: nodeName, uid: foundIn(known).uid, capacity }),
    },
  },
  result: ({ before }) => (before && !isEmpty(before) ? { undo: before } : {}),
})
