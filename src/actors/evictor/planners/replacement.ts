import type { Reason } from '../../../events/plan.ts'
import { seeded } from '../chance.ts'
import { type Draft, type Task, withLaunched } from '../emptying.ts'
import { type Outline, outlineOf } from '../keep-set/outline.ts'
import { createSearch } from '../keep-set/search.ts'
import type { NodeEntry } from '../model.ts'
import { type Launching, type WideBound, widened } from '../replacement/launching.ts'
import { keepSet, termsOf, withDuals } from './keep-set.ts'
import type { Planner, Problem } from './planner.ts'

const SEED = 2
/** The choice of what to launch ends after so many steps for every host. */
const STEPS_PER_HOST = 4
/** The solver is asked before the search begins: it has had its time while plans without launches were made. */
const WORTH_MS = 2_000

/** The first of each kind, so many as are kept. */
const firstOf = ({ nodes, offerOf }: Launching, kept: readonly NodeEntry[]): readonly NodeEntry[] => {
  const counts = Map.groupBy(kept, (node) => offerOf.get(node))
  return [...Map.groupBy(nodes, (node) => offerOf.get(node))].flatMap(([offer, list]) =>
    list.slice(0, counts.get(offer)?.length ?? 0),
  )
}

/**
 * What to launch: the search for which hosts to keep, with all that is offered among them, none of it kept at first. What of
 * it is kept in the end is worth its price and the policy's hurdle.
 */
const chosen = (
  problem: Problem,
  launching: Launching,
  outline: Outline,
  worth: Float64Array | undefined,
): readonly NodeEntry[] => {
  const offered = outline.hosts.flatMap(({ node }, host) => (node.planned ? [host] : []))
  const search = createSearch(outline, problem.policy.maxEvictions ?? Number.POSITIVE_INFINITY, {
    hosts: offered,
    most: launching.most,
  })
  for (const host of offered) search.cover.drop(host)
  search.cover.settle()
  const terms = withDuals(termsOf(outline), worth)
  const chance = seeded(SEED)
  search.construct(terms)
  search.thin(terms)
  for (let left = STEPS_PER_HOST * outline.hosts.length; left > 0 && !problem.isPicked(); left -= 1) search.step(terms, chance)
  return firstOf(
    launching,
    offered.flatMap((host) => (search.cover.kept[host] === 1 ? (outline.hosts[host]?.node ?? []) : [])),
  )
}

const LAUNCHED: readonly Reason[] = [{ code: 'Launched', message: 'it is to be launched' }]
const sum = (nodes: readonly NodeEntry[], of: (node: NodeEntry) => number): number =>
  nodes.reduce((total, node) => total + of(node), 0)

/** A draft of the wider cluster as one of the cluster that there is: what it empties of the launched nodes is not launched. */
const narrowed = (draft: Draft, wide: Task, { hurdle }: Launching, launched: readonly NodeEntry[]): Draft => {
  const gone = new Set(draft.drained.map(({ node }) => node))
  const nodes = launched.filter((node) => !gone.has(node))
  const isThere = (node: NodeEntry): boolean => !node.planned || nodes.includes(node)
  const task: Task = {
    ...wide,
    nodes: wide.nodes.filter(isThere),
    fixed: new Map([...wide.fixed, ...nodes.map((node) => [node, LAUNCHED] as const)]),
  }
  return {
    ...draft,
    drained: draft.drained.filter(({ node }) => !node.planned),
    saved: draft.saved - sum(launched, hurdle),
    launch: { nodes, task },
  }
}

/**
 * Replaces nodes by cheaper ones: chooses what to launch, as if it were there, and then, with that among the nodes, what to
 * empty, as `keepSet` does, which may find that some of it is better not launched.
 */
export const replacement = (launching: Launching, bound: WideBound): Planner => ({
  name: 'replacement',
  *drafts(problem) {
    const { hurdle, nodes, guessed } = launching
    const task: Task = { ...problem, fixed: new Map([...problem.fixed, ...guessed]) }
    const all = withLaunched(task, { nodes }, () => outlineOf(widened(task, nodes, hurdle)))
    const launched = chosen(problem, launching, all, bound.worth(WORTH_MS, all))
    if (launched.length === 0) return
    const wide = widened(task, launched, hurdle)
    const outline = withLaunched(task, { nodes: launched }, () => outlineOf(wide))
    const worth = (): Float64Array | undefined => bound.worth(WORTH_MS, outline)
    const drafts = keepSet.drafts({
      ...problem,
      ...wide,
      outline,
      worth,
      ...(problem.trialFor && { trial: problem.trialFor(wide) }),
    })
    let next = withLaunched(task, { nodes: launched }, () => drafts.next())
    while (next.value) {
      const stands = yield narrowed(next.value, wide, launching, launched)
      next = withLaunched(task, { nodes: launched }, () => drafts.next(stands))
    }
  },
})
