import type { Catalogue } from '../../events/catalogue.ts'
import type { Drain, Plan, Policy, Prices, Reason } from '../../events/plan.ts'
import type { LinearSolver } from '../../ports.ts'
import { unbalanced } from './balance.ts'
import { volumeBound } from './bound.ts'
import { billOf, sharesOf } from './commitments.ts'
import { type Disruption, disruption } from './disruption.ts'
import { nodeBlocked } from './eligibility/nodes.ts'
import { wellUsed } from './eligibility/well-used.ts'
import { type Draft, type Drained, explain, type Task, withLaunched } from './emptying.ts'
import { headroomOf } from './headroom/headroom.ts'
import { outlineOf } from './keep-set/outline.ts'
import { relax } from './keep-set/relaxed.ts'
import type { Model, NodeEntry } from './model.ts'
import { seatPending, toMove } from './placing.ts'
import { greedyPlanners } from './planners/greedy.ts'
import { keepSet } from './planners/keep-set.ts'
import type { Planner, Problem } from './planners/planner.ts'
import { replacement } from './planners/replacement.ts'
import { priceOf, pricingOf } from './prices.ts'
import { boundWith, coverage, type Launching, launchingOf, launchOf } from './replacement/launching.ts'
import { replay } from './replay.ts'
import { type Order, scarcestFirst } from './scheduling/order.ts'
import { groundOf } from './scheduling/score.ts'
import type { Ground } from './scheduling/scorer.ts'
import { calmest, type Steady, steady, tried } from './scheduling/steady.ts'
import { type Staged, staged } from './waves.ts'

export type PlanOptions = {
  /** Epoch milliseconds: the ages of the nodes are judged by it. */
  readonly now: number
  /** Nodes that are left alone for a while. */
  readonly avoid?: readonly string[]
  /** Milliseconds since planning began; without it there is no deadline. */
  readonly elapsed?: () => number
  readonly deadlineMs?: number
  /** What may be launched beside kinds that the cluster has, where the policy's `replacement` allows it. */
  readonly catalogue?: Catalogue
  /** Solves the relaxation; without it the bound is that of volumes, and places are worth what they cost at least. */
  readonly solver?: LinearSolver
  /** Told of each plan that has stood the replay and is better than those before. */
  readonly onFound?: (found: Found) => void
}
type Found = { readonly planner: string; readonly drains: number; readonly evictions: number; readonly saved: number }

const cents = (dollars: number): number => Math.round(dollars * 1e6) / 1e6
const neverLate = (): number => 0

/** $/h of each node of the model. */
const hourlyCosts = (model: Model, prices: Prices): ReadonlyMap<NodeEntry, number> =>
  new Map(
    [...model.nodes.values()].flatMap((node) => (node.object ? [[node, priceOf(node.object, prices).hourly] as const] : [])),
  )

/** $/h of the whole cluster. */
export const clusterCost = (model: Model, prices: Prices): number => {
  const list = hourlyCosts(model, prices)
  return cents(billOf(list, prices.commitments).total(list.keys()))
}
const sum = (numbers: Iterable<number>): number => {
  let total = 0
  for (const number of numbers) total += number
  return total
}

/** Reasons in the order of the pods' sizes: most nodes have none, and their pods need no order. */
const stuckPods = (model: Model, node: NodeEntry, judge: Disruption): readonly Reason[] =>
  node.pods.some((pod) => !judge.staysBehind(pod) && judge.blocked(pod))
    ? toMove(model, node, judge).flatMap((pod) => judge.blocked(pod) ?? [])
    : []

const fixedNodes = (
  model: Model,
  policy: Policy,
  judge: Disruption,
  { now, avoid = [] }: PlanOptions,
  awaited: ReadonlySet<NodeEntry>,
  tooMuch: (node: NodeEntry) => Reason | undefined,
): ReadonlyMap<NodeEntry, readonly Reason[]> => {
  const left = new Set(avoid)
  const fixed = new Map<NodeEntry, readonly Reason[]>()
  for (const node of model.nodes.values()) {
    const own = nodeBlocked(node, policy, now, left) ?? wellUsed(model, node, policy) ?? tooMuch(node)
    const waiting: Reason = { code: 'PodPending', message: 'a pod that waits for a node has room here' }
    const reasons = own ? [own] : awaited.has(node) ? [waiting] : stuckPods(model, node, judge).slice(0, MOST_REASONS)
    if (reasons.length > 0) fixed.set(node, reasons)
  }
  return fixed
}
const MOST_REASONS = 5

type Candidate = { readonly planner: string; readonly draft: Draft; readonly drains: readonly Staged[] }

/** The draft with an order of execution that stands the replay, if there is one. */
const executable = (task: Task, planner: string, draft: Draft): Candidate | undefined =>
  withLaunched(task, draft.launch ?? {}, () => {
    for (const strict of [false, true]) {
      const drains = staged(draft.drained, task.disruption, task.policy, strict)
      if (replay(task.model, drains).length === 0) return { planner, draft, drains }
    }
    return undefined
  })

const isBetter = (a: Candidate, b: Candidate | undefined): boolean =>
  !b || a.draft.saved > b.draft.saved + 1e-9 || (a.draft.saved > b.draft.saved - 1e-9 && a.draft.evictions < b.draft.evictions)

/** In this order, until the time is up. */
const planners: readonly Planner[] = [keepSet, ...greedyPlanners]

/** Many rehearsals cost about so much more than the first. */
const LOSSES = 1.5
/** No more are remembered: each has a list of all its moves. */
const MOST_CANDIDATES = 2
/** What is rehearsed comes first: it is known what of it will be left. Then what saves most, with the fewest evictions. */
const byPromise = (a: Candidate, b: Candidate): number => {
  const isRehearsed = ({ draft: { loss } }: Candidate): boolean => loss !== undefined
  if (isRehearsed(a) !== isRehearsed(b)) return isRehearsed(a) ? -1 : 1
  const promise = ({ draft: { saved, loss = 0 } }: Candidate): number => saved - LOSSES * loss
  return promise(b) - promise(a) || a.draft.evictions - b.draft.evictions
}

/**
 * The draft without drains that save nothing beside the others: two nodes may have been the last that a commitment covers a part
 * of. What it saves is what the whole saves.
 */
const worthwhile = (task: Task, draft: Draft): Draft => {
  const { nodes, bill } = task
  if (bill.pools.length === 0) return draft
  const stay = new Set(nodes)
  for (const { node } of draft.drained) stay.delete(node)
  const drained = draft.drained.filter(({ node }) => {
    const cost = bill.total(stay)
    if (bill.total([...stay, node]) > cost + TINY) return true
    stay.add(node)
    return false
  })
  const evictions = sum(drained.map(({ moves }) => moves.length))
  return { ...draft, drained, evictions, saved: savedBy(task, drained) }
}
const TINY = 1e-9
/** $/h that go with these nodes together. */
const savedBy = ({ nodes, bill, hourly }: Task, drained: readonly Drained[]): number => {
  if (bill.pools.length === 0) return sum(drained.map(({ node }) => hourly.get(node) ?? 0))
  const gone = new Set(drained.map(({ node }) => node))
  return bill.total(nodes) - bill.total(nodes.filter((node) => !gone.has(node)))
}

/** Each draft of each planner, replayed move by move; what promises most first. */
const candidates = (problem: Problem, planners: readonly Planner[], onFound: PlanOptions['onFound']): readonly Candidate[] => {
  const found: Candidate[] = []
  let best: Candidate | undefined
  for (const planner of planners) {
    if (best && problem.isLate()) break
    const drafts = planner.drafts(problem)
    for (let { value } = drafts.next(); value; ) {
      const draft = worthwhile(problem, value)
      const candidate = executable(problem, planner.name, draft)
      if (candidate) found.push(candidate)
      if (found.length > MOST_CANDIDATES) found.sort(byPromise).pop()
      if (candidate && isBetter(candidate, best)) {
        best = candidate
        onFound?.({ planner: planner.name, drains: draft.drained.length, evictions: draft.evictions, saved: draft.saved })
      }
      value = drafts.next(candidate !== undefined).value
    }
  }
  return found.sort(byPromise)
}
const nothing: Candidate = {
  planner: 'none',
  draft: { drained: [], guests: 'stay', saved: 0, evictions: 0 },
  drains: [],
}

/** What rehearsals need, made when it is first asked for: the first plan does not wait for it. */
type Stage = {
  readonly ground: () => Ground
  /** The order in which the first drains that were asked about are calmest: of others like them too, nearly always. */
  readonly order: (drained: readonly Drained[]) => Order
}
const stageOf = (task: Task, { deadlineMs = Number.POSITIVE_INFINITY }: PlanOptions): Stage => {
  let made: Ground | undefined
  let chosen: Order | undefined
  const ground = (): Ground => {
    made ??= groundOf(task.model, task.policy.scheduler)
    return made
  }
  return {
    ground,
    order(drained) {
      // Where rehearsals take long there is no time for one that only compares.
      chosen ??= isLong(task.model, deadlineMs) ? scarcestFirst : calmest(task, ground(), drained)
      return chosen
    },
  }
}

type Safe = Candidate & Omit<Steady, 'drains'>
/** The candidate as far as no pod is left pending by it, wherever the scheduler puts the others. */
const safe = (task: Task, stageFor: StageFor, { planner, draft, drains }: Candidate): Safe => {
  const { nodes = [], task: at = task } = draft.launch ?? {}
  const judged = at === task ? task : { ...at, isLate: task.isLate, isOver: task.isOver }
  const stage = stageFor(judged)
  const found = withLaunched(task, { nodes }, () => steady(judged, stage.ground(), stage.order(drains), drains))
  const evictions = sum(found.drains.map(({ moves }) => moves.length))
  const price = (node: NodeEntry): number => at.hourly.get(node) ?? 0
  const saved = savedBy(at, found.drains) - sum(nodes.map(price))
  return { ...found, planner, draft: { ...draft, drained: found.drains, saved, evictions } }
}
/** The one that saves most when it is safe. Whoever saves less before can't be it. */
const isSafer = (a: Safe, b: Safe): boolean => a.stranded < b.stranded || (a.stranded === b.stranded && isBetter(a, b))
const safest = (task: Task, found: readonly Candidate[], stageFor: StageFor): Safe => {
  let best: Safe | undefined
  for (const candidate of found) {
    // What was not rehearsed saves more only on paper.
    if (best && (task.isLate() || (best.draft.loss !== undefined && candidate.draft.loss === undefined))) break
    if (best && !isBetter(candidate, best)) continue
    const made = safe(task, stageFor, candidate)
    // Late, one rehearsal was enough for it: not beside one that stood all of them.
    if (best?.stranded === 0 && task.isLate()) break
    if (!best || isSafer(made, best)) best = made
  }
  return best ?? { ...nothing, spared: new Map(), stranded: 0 }
}

/** Why nothing of a plan is carried out that saves less than the policy wants. */
const tooLittle = ({ nodes, bill, policy: { minSaving } }: Task, { saved }: Draft): Reason | undefined => {
  const least = Math.max(minSaving.hourly, (minSaving.percent / 100) * bill.total(nodes))
  if (saved >= least - TINY) return undefined
  return { code: 'MinSaving', message: `the whole plan would save $${cents(saved)}/h: the policy wants $${cents(least)}/h` }
}

const drainOf = ({ node, wave, moves }: Staged): Drain => {
  const replacedBy = [...new Set(moves.flatMap(({ to }) => (to.planned ? [to.name] : [])))].sort()
  return {
    node: node.name,
    uid: node.object?.metadata.uid ?? '',
    wave,
    moves: moves.map(({ pod: { namespace, name, uid }, to }) => ({ namespace, name, uid, to: to.name })),
    ...(replacedBy.length > 0 && { replacedBy }),
  }
}

const planOf = (
  { nodes, bill, headroom }: Task,
  { planner, draft, drains, stranded }: Safe,
  kept: ReadonlyMap<NodeEntry, readonly Reason[]>,
  prices: Prices,
  bound: number,
  solveMillis: number,
  launching: Launching | undefined,
): Plan => {
  const cost = (list: readonly NodeEntry[]): number => cents(bill.total(list))
  const launched = draft.launch?.nodes ?? []
  const launchedCost = sum(launched.map((node) => launching?.offerOf.get(node)?.hourly ?? 0))
  return {
    planner,
    solveMillis,
    before: { nodes: nodes.length, hourlyCost: cost(nodes) },
    after: {
      nodes: nodes.length - drains.length + launched.length,
      hourlyCost: cents(cost(nodes.filter((node) => kept.has(node))) + launchedCost),
    },
    bound: { hourlyCost: Math.floor(bound * 1e6) / 1e6, proven: true, ...(launching && { covers: coverage(launching) }) },
    evictions: draft.evictions,
    risk: { stranded },
    launch: launching ? launchOf(launching, launched) : [],
    drains: drains.map(drainOf),
    kept: nodes.flatMap((node) => (kept.has(node) ? [{ node: node.name, reasons: [...(kept.get(node) ?? [])] }] : [])),
    prices: pricingOf(
      nodes.flatMap(({ object }) => object ?? []),
      prices,
    ),
    ...(headroom.unmet.length > 0 && { unmet: [...headroom.unmet] }),
  }
}

/**
 * Plans are chosen in this part of the time, made safe until that, and rehearsed until that; the rest is for reasons. Where
 * rehearsals take long the choice is rehearsed only in the end.
 */
const CHOICE_SHARE = 0.4
const SEARCH_SHARE = 0.6
const LONG_SHARE = 0.45
const REHEARSAL_SHARE = 0.9
/** So many rehearsals there has to be time for in the end. */
const LAST_REHEARSALS = 12
/** A rehearsal is quick that asks about no more than so many pairs of pod and node for each millisecond there is. */
const PAIRS_PER_MS = 4_000
const isLong = ({ pods, nodes }: Model, deadlineMs: number): boolean => pods.size * nodes.size > PAIRS_PER_MS * deadlineMs
/** The longest that a bound is waited for where there is no deadline. */
const PATIENCE_MS = 60_000

const clocks = ({
  elapsed = neverLate,
  deadlineMs = Number.POSITIVE_INFINITY,
}: PlanOptions): Pick<Task, 'isLate' | 'isOver'> => ({
  isLate: () => elapsed() > deadlineMs * REHEARSAL_SHARE,
  isOver: () => elapsed() > deadlineMs * 1.25,
})

/** The model with the pods that wait seated, and all that the planners ask. */
const taskFor = (model: Model, policy: Policy, prices: Prices, options: PlanOptions): Task => {
  const list = hourlyCosts(model, prices)
  const nodes = [...list.keys()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const judge = disruption(model, policy, options.now)
  const tooMuch = unbalanced(nodes, list, judge, policy)
  const fixed = fixedNodes(model, policy, judge, options, seatPending(model, nodes), tooMuch)
  const headroom = headroomOf(model, nodes, policy)
  const bill = billOf(list, prices.commitments)
  // Commitments are best used for what would be hardest to empty.
  const isFixed = (node: NodeEntry): number => Number(fixed.has(node))
  const shares = sharesOf(
    bill,
    nodes.toSorted((a, b) => isFixed(b) - isFixed(a) || b.pods.length - a.pods.length),
  )
  return {
    model,
    policy,
    disruption: judge,
    nodes,
    bill,
    ...shares,
    fixed,
    headroom,
    ...clocks(options),
  }
}

/** How long planners may choose, and how long they may go on making it safe: as long as the last rehearsals need none of it. */
const pace = (
  task: Task,
  stageFor: StageFor,
  { elapsed = neverLate, deadlineMs = Number.POSITIVE_INFINITY }: PlanOptions,
): Pick<Problem, 'isLate' | 'isChosen' | 'isPicked' | 'trial' | 'trialFor'> => {
  if (isLong(task.model, deadlineMs)) {
    const isLate = (): boolean => elapsed() > deadlineMs * LONG_SHARE
    return { isLate, isChosen: isLate, isPicked: () => elapsed() > (deadlineMs * LONG_SHARE) / 2 }
  }
  let trialMs = 0
  const trialFor =
    (at: Task): NonNullable<Problem['trial']> =>
    (drained, seed) => {
      const stage = stageFor(at)
      const order = stage.order(drained)
      const startedAt = elapsed()
      const trial = tried(at, stage.ground(), order, drained, seed)
      trialMs = elapsed() - startedAt
      return trial
    }
  return {
    isPicked: () => elapsed() > (deadlineMs * CHOICE_SHARE) / 2,
    isChosen: () => elapsed() > deadlineMs * CHOICE_SHARE,
    isLate: () => elapsed() > Math.min(deadlineMs * SEARCH_SHARE, deadlineMs * REHEARSAL_SHARE - LAST_REHEARSALS * trialMs),
    trial: trialFor(task),
    trialFor,
  }
}

/** One for each set of nodes that are planned with. */
type StageFor = (task: Task) => Stage
const stages = (options: PlanOptions): StageFor => {
  const made = new Map<Task['nodes'], Stage>()
  return (task) => {
    const stage = made.get(task.nodes) ?? stageOf(task, options)
    made.set(task.nodes, stage)
    return stage
  }
}

/** The best of what these planners find, as far as it is safe. */
const searched = (
  task: Task,
  known: Pick<Problem, 'outline' | 'worth'>,
  planners: readonly Planner[],
  stageFor: StageFor,
  options: PlanOptions,
): Safe => {
  const { elapsed = neverLate, deadlineMs = PATIENCE_MS, onFound } = options
  const found = candidates({ ...task, ...known, ...pace(task, stageFor, options) }, planners, onFound)
  return safest({ ...task, isOver: () => elapsed() > deadlineMs }, found, stageFor)
}

/** Where nodes may be launched, half of the time is for a plan without: none that launches some may cost more than that. */
const firstHalf = (options: PlanOptions): PlanOptions =>
  options.deadlineMs === undefined ? options : { ...options, deadlineMs: options.deadlineMs / 2 }
const secondHalf = (options: PlanOptions): PlanOptions => {
  const { elapsed = neverLate, deadlineMs } = options
  const begun = elapsed()
  return deadlineMs === undefined ? options : { ...options, elapsed: () => elapsed() - begun, deadlineMs: deadlineMs - begun }
}

/**
 * Which nodes can be emptied, where their pods go, and why the others stay; with the policy's `replacement` also which nodes
 * to launch first. The same input gives the same plan, whatever the order in which the model learned it, unless the deadline
 * cuts the search short. The model is left as it was.
 * @throws RangeError for a quantity of the catalogue that is none
 */
export const planCluster = (model: Model, policy: Policy, prices: Prices, options: PlanOptions): Plan => {
  const { elapsed = neverLate, deadlineMs = PATIENCE_MS, solver } = options
  const launching = launchingOf(model, policy, prices, options)
  const mark = model.mark()
  const first = launching ? firstHalf(options) : options
  const task = taskFor(model, policy, prices, first)
  const outline = outlineOf(task)
  const relaxed = solver && relax(solver, outline)
  const wide = launching && boundWith(task, launching, solver)
  const left = (): number => Math.max(0, deadlineMs - elapsed())
  const stageFor = stages(options)
  const known = { outline, worth: () => relaxed?.worth(left() / 4) }
  let found = searched(task, known, planners, stageFor, first)
  if (launching && wide) {
    const second = secondHalf(options)
    const other = searched({ ...task, ...clocks(second) }, known, [replacement(launching, wide)], stageFor, second)
    if (isSafer(other, found)) found = other
  }
  const at: Task = { ...(found.draft.launch?.task ?? task), ...clocks(options) }
  const fixed = new Map([...at.fixed, ...found.spared])
  const kept = new Map(withLaunched(task, found.draft.launch ?? {}, () => explain({ ...at, fixed }, found.draft)))
  const little = tooLittle(task, found.draft)
  if (little) for (const { node } of found.drains) kept.set(node, [little])
  model.rollback(mark)
  task.headroom.release()
  launching?.release()
  const committed = sum(task.bill.pools.map(({ covered }) => covered))
  const volume = volumeBound(model, task.disruption, task.bill.list) - committed
  const bound = wide?.bound(left()) ?? task.bill.fixed + Math.max(0, volume, relaxed?.bound(left()) ?? 0)
  relaxed?.stop()
  wide?.stop()
  return planOf(
    task,
    little ? { ...found, ...nothing, stranded: 0 } : found,
    kept,
    prices,
    bound,
    Math.round(elapsed()),
    launching,
  )
}
