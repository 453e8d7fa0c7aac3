import type { Drain, Plan, Policy } from '../../events/plan.ts'
import { disruption } from './disruption.ts'
import { nodeBlocked } from './eligibility/nodes.ts'
import { wellUsed } from './eligibility/well-used.ts'
import { headroomOf } from './headroom/headroom.ts'
import type { Model } from './model.ts'
import { bestFit, noRoom, seatPending, toMove } from './placing.ts'
import { mayDisrupt } from './windows.ts'

export type VerifiedDrains = {
  readonly nodes: readonly string[]
  readonly refused: readonly { readonly node: string; readonly reason: string }[]
}

/**
 * Which of these nodes a newer model still lets go: the node is the one that was planned, no waiting pod is expected on
 * it, all its pods may be moved and have a place on the nodes outside the set, after the pods that wait and those of the
 * nodes before it, and what the policy wants left free is left. A node that is refused becomes a place again only in the next plan. `now` is epoch milliseconds.
 */
export const verifyDrains = (
  model: Model,
  plan: Plan,
  nodeNames: readonly string[],
  policy: Policy,
  now: number,
): VerifiedDrains => {
  const mark = model.mark()
  const nodes = [...model.nodes.values()].filter(({ object }) => object).sort((a, b) => (a.name < b.name ? -1 : 1))
  const judge = disruption(model, policy, now)
  const awaited = seatPending(model, nodes)
  const headroom = headroomOf(model, nodes, policy)
  const names = new Set(nodeNames)
  let left = nodes.length
  for (const node of nodes) if (names.has(node.name)) model.drain(node)
  const reasonOf = (name: string, drain: Drain | undefined): string | undefined => {
    const node = model.nodes.get(name)
    if (!drain) return 'the plan does not empty it'
    if (plan.launch.length > 0) return 'the plan counts on nodes that are to be launched first, and nobody launches nodes here'
    if (!node?.object) return 'the node is gone'
    if (node.object.metadata.uid !== drain.uid) return 'another node has its name now'
    if (!mayDisrupt(policy.disruptionWindows, now))
      return 'the windows in which the policy lets plans be carried out are closed now'
    const own = nodeBlocked(node, policy, now, new Set()) ?? wellUsed(model, node, policy)
    if (own) return own.message
    if (awaited.has(node)) return 'a pod that waits is expected on it'
    if (left <= policy.minNodes) return `the policy keeps ${policy.minNodes} node(s)`
    const pods = toMove(model, node, judge)
    for (const pod of pods) {
      const blocked = judge.blocked(pod)
      if (blocked) return blocked.message
    }
    const before = model.mark()
    for (const pod of pods) {
      model.move(pod, undefined)
      const to = bestFit(model, pod, nodes)
      if (!to) {
        const { message } = noRoom(model, pod, nodes)
        model.rollback(before)
        return message
      }
      model.move(pod, to)
    }
    const lack = headroom.lack()
    if (lack) {
      model.rollback(before)
      return lack.reason.message
    }
    left -= 1
    return undefined
  }
  const drains = new Map(plan.drains.map((drain) => [drain.node, drain]))
  const answers = nodeNames.map((node) => ({ node, reason: reasonOf(node, drains.get(node)) }))
  model.rollback(mark)
  headroom.release()
  return {
    nodes: answers.flatMap(({ node, reason }) => (reason === undefined ? [node] : [])),
    refused: answers.flatMap(({ node, reason }) => (reason === undefined ? [] : [{ node, reason }])),
  }
}
