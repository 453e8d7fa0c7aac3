import { CORDONED_BY, FOUND } from '../../events/controller.ts'
import type { Node } from '../../events/kubernetes.ts'
import type { NodeChange } from '../../ports.ts'

/** The taint that the node lifecycle controller gives to an unschedulable node a moment later: we set it at once. */
const TAINT = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const

/** How a node stood: in one word, because it is written into an annotation. */
type Stand = { readonly unschedulable: boolean; readonly tainted: boolean }
/**
 * What an action found: how the node stood, and if an earlier action had cordoned it, which, and what that had found. The
 * chain is cut there: what lies before two actions of ours is nobody's to give back any more.
 */
type Found = Stand & { readonly by?: { readonly action: string; readonly found: Stand | undefined } }

const isOurTaint = ({ key, effect }: { readonly key: string; readonly effect: string }): boolean =>
  key === TAINT.key && effect === TAINT.effect
const taintsOf = ({ spec }: Node) => spec.taints ?? []
const standOf = (node: Node): Stand => ({
  unschedulable: node.spec.unschedulable === true,
  tainted: taintsOf(node).some(isOurTaint),
})

const words = ({ unschedulable, tainted }: Stand): string =>
  `${unschedulable ? 'unschedulable' : 'schedulable'}${tainted ? '-tainted' : ''}`
const standIn = (text: string | undefined): Stand | undefined =>
  text !== undefined && /^(un)?schedulable(-tainted)?$/.test(text)
    ? { unschedulable: text.startsWith('un'), tainted: text.endsWith('-tainted') }
    : undefined

/** `schedulable`, or with an earlier action `unschedulable-tainted/ACTION/schedulable`. */
const written = ({ by, ...stand }: Found): string =>
  [words(stand), ...(by ? [by.action, ...(by.found ? [words(by.found)] : [])] : [])].join('/')
/** A cordon without a word about what was found is of an older release, which touched schedulable nodes alone. */
const foundIn = (text: string | undefined): Found => {
  const [stand, action, earlier] = text?.split('/') ?? []
  return {
    ...(standIn(stand) ?? { unschedulable: false, tainted: false }),
    ...(action !== undefined && action !== '' && { by: { action, found: standIn(earlier) } }),
  }
}

const marksOf = ({ metadata }: Node) => ({
  by: metadata.annotations?.[CORDONED_BY],
  found: metadata.annotations?.[FOUND],
})
const foundBy = (node: Node): Found => {
  const { by, found } = marksOf(node)
  if (by === undefined) return standOf(node)
  const { by: _, ...before } = foundIn(found)
  return { ...standOf(node), by: { action: by, found: before } }
}

/** Undefined: nothing is to be changed. */
const changing = (node: Node, wanted: Stand, annotations: NodeChange['annotations']): NodeChange | undefined => {
  const is = standOf(node)
  const change: NodeChange = {
    annotations,
    ...(is.unschedulable !== wanted.unschedulable && { unschedulable: wanted.unschedulable }),
    ...(is.tainted !== wanted.tainted && { taint: { ...TAINT, is: wanted.tainted ? 'added' : 'removed' } }),
  }
  return Object.keys(annotations).length > 0 || Object.keys(change).length > 1 ? change : undefined
}

/**
 * Pure: what makes a node cordoned by the action: unschedulable, its taint, whose it is and how it was found, all at once.
 * Undefined if it is so already.
 */
export const cordoning = (node: Node, action: string): NodeChange | undefined => {
  const annotations = marksOf(node).by === action ? {} : { [CORDONED_BY]: action, [FOUND]: written(foundBy(node)) }
  return changing(node, { unschedulable: true, tainted: true }, annotations)
}

/**
 * Pure: what gives a node back as the action found it: schedulability, taint, and the mark of an earlier action. Other
 * changes that were made meanwhile stay. Undefined if the cordon is not this action's.
 */
export const restoring = (node: Node, action: string): NodeChange | undefined => {
  const { by, found } = marksOf(node)
  if (by !== action) return undefined
  const before = foundIn(found)
  const earlier = before.by?.found
  return changing(node, before, {
    [CORDONED_BY]: before.by?.action ?? null,
    [FOUND]: earlier ? words(earlier) : null,
  })
}
