import { resourcesOf, type ScoredResource } from './resources.ts'
import { MAX_SCORE, type Scorer } from './scorer.ts'

/** The part that is taken of a resource of the node, without the pod or with it; undefined: the node has none. */
const partOf = ({ amount, allocatable, used }: ScoredResource, index: number, isThere: boolean): number | undefined => {
  const all = allocatable[index] ?? 0
  return all === 0 ? undefined : Math.min(1, ((used[index] ?? 0) + (isThere ? amount : 0)) / all)
}
/** How far from each other the parts of several resources are: their standard deviation. */
const deviation = (parts: readonly number[]): number => {
  if (parts.length < 2) return 0
  const mean = parts.reduce((sum, part) => sum + part, 0) / parts.length
  return Math.sqrt(parts.reduce((squares, part) => squares + (part - mean) ** 2, 0) / parts.length)
}
/** Of two it is half their difference: the most usual case by far, cpu and memory, and made without a list. */
const ofTwo = (a: number, b: number): number => Math.abs((a - b) / 2)
const spreadOf = (resources: readonly ScoredResource[], index: number, isThere: boolean): number => {
  const [one, other] = resources
  if (one && other && resources.length === 2) {
    const [a, b] = [partOf(one, index, isThere), partOf(other, index, isThere)]
    return a === undefined || b === undefined ? 0 : ofTwo(a, b)
  }
  const parts = resources.flatMap((resource) => partOf(resource, index, isThere) ?? [])
  return parts.length === 2 ? ofTwo(parts[0] ?? 0, parts[1] ?? 0) : deviation(parts)
}
const balance = (resources: readonly ScoredResource[], index: number, isThere: boolean): number =>
  Math.trunc((1 - spreadOf(resources, index, isThere)) * MAX_SCORE)

/** How much the pod would balance the node: 75 when nothing changes. Source: `plugins/noderesources/balanced_allocation.go`. */
export const nodeResourcesBalancedAllocation: Scorer = {
  name: 'NodeResourcesBalancedAllocation',
  scores: (ground, shape) => {
    const resources = resourcesOf(ground, { shape, resources: ground.profile.balancedResources, withUnsaid: false })
    if (resources.every(({ amount }) => amount === 0)) return undefined
    return (nodes, into) => {
      for (let at = 0; at < nodes.length; at += 1) {
        const index = nodes[at]?.index ?? -1
        const gained = balance(resources, index, true) - balance(resources, index, false)
        into[at] = MAX_SCORE / 2 + Math.trunc((MAX_SCORE / 2 + gained) / 2)
      }
    }
  },
}
