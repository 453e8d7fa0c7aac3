import { type Chance, seeded } from '../chance.ts'
import type { Draft } from '../emptying.ts'
import { capacityOf, type Outline } from '../keep-set/outline.ts'
import { realised } from '../keep-set/realise.ts'
import type { Terms } from '../keep-set/recreate.ts'
import { createSearch, type Search, weightOf } from '../keep-set/search.ts'
import type { PodEntry } from '../model.ts'
import type { Planner, Problem } from './planner.ts'

const SEED = 1
/** Steps of the first round; each has half as many again as the one before. */
const FIRST_STEPS = 100
const GROWTH = 1.5
const ROUNDS = 16
/** It ends after so many rounds that bring nothing and have so many steps for every host. */
const MOST_IDLE = 2
const STEPS_PER_HOST = 4
/** A cover is carried out on the model when it is so much better than the last that was. */
const STRIDE = 0.005
/** The solver has had its time by then. */
const DUALS_ROUND = 2
const LEAST_SHARE = 0.05
/** So much of the evictions that are allowed: then they are what is scarce. */
const SCARCE = 0.9
/** An eviction of a pod of mean size weighs as much as so large a part of what a pod costs on average. */
const UNREST_SHARE = 0.08
/** Where many pods would be left pending, hosts are filled up to this share of their capacities less. */
const MARGIN = 0.005
const SQUEEZES = 3
const MANY = 0.015
/** Where few would, more places are kept for so large a part of them. */
const RESERVED = 0.7
/** Steps between two rehearsals, for every host. */
const STEPS_BETWEEN = 0.4
const TRIALS = 30

/** The least that a place costs if a host is filled with pods of the kind alone, by kind: what it is worth until the duals are there. */
const cheapest = (outline: Outline): Float64Array => {
  const least = new Float64Array(outline.kinds.length).fill(Number.POSITIVE_INFINITY)
  const seen = new Set<string>()
  for (const host of outline.hosts) {
    const capacity = capacityOf(outline, host)
    const key = `${host.price}|${capacity.join()}|${host.suits}`
    if (seen.has(key)) continue
    seen.add(key)
    for (const [kind, { ask, trait, most }] of outline.kinds.entries()) {
      if (host.suits[trait] !== '1') continue
      let count = most
      for (const [r, amount] of ask.entries()) if (amount > 0) count = Math.min(count, Math.floor((capacity[r] ?? 0) / amount))
      if (count >= 1) least[kind] = Math.min(least[kind] ?? 0, host.price / count)
    }
  }
  return least.map((price) => (Number.isFinite(price) ? price : 0))
}

/** The terms to begin with. */
export const termsOf = (outline: Outline): Terms => {
  const [pods, cost] = outline.hosts.reduce(([n, sum], host) => [n + host.pods, sum + host.price], [0, 0])
  return { worth: cheapest(outline), perUnrest: (UNREST_SHARE * cost) / Math.max(1, pods), scarcity: 0 }
}
/** $/h that one eviction is worth where only so many are allowed: what the least of them has saved. */
const scarcityOf = ({ hosts }: Outline, { cover }: Search): number =>
  hosts.reduce(
    (least, { price, pods }, host) => (cover.kept[host] === 1 || pods === 0 ? least : Math.min(least, price / pods)),
    Number.POSITIVE_INFINITY,
  )
/** Few evictions are allowed: then nodes are chosen by what they save for each. */
const scarce = (terms: Terms, outline: Outline, search: Search, most: number): Terms =>
  search.cover.evictions() > SCARCE * most && search.cover.evictions() > 0
    ? { ...terms, scarcity: scarcityOf(outline, search) }
    : terms

/** How many of each kind. */
const counted = ({ kindOf }: Outline, pods: readonly PodEntry[]): ReadonlyMap<number, number> => {
  const counts = new Map<number, number>()
  for (const { shape } of pods) {
    const kind = kindOf.get(shape)
    if (kind !== undefined) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}

/**
 * The cover rehearsed, and while that leaves pods pending, made anew with less on every host and with more places for their
 * like; then bettered, and rehearsed again, for as long as there is time.
 */
function* secured(
  { outline, ...task }: Problem,
  trial: NonNullable<Problem['trial']>,
  search: Search,
  terms: Terms,
  chance: Chance,
): Generator<Draft> {
  const { cover } = search
  let [squeezes, shown, idle] = [0, Number.POSITIVE_INFINITY, 0]
  for (let seed = 1; seed <= TRIALS && idle < MOST_IDLE; seed += 1) {
    if (weightOf(cover, terms) < shown * (1 - TINY)) {
      const draft = realised({ ...task, isLate: task.isOver }, outline, cover, false)
      const { stranded, loss } = trial(draft.drained, seed)
      yield { ...draft, loss }
      if (stranded.length === 0) shown = weightOf(cover, terms)
      else {
        if (squeezes < SQUEEZES && stranded.length > MANY * draft.evictions) cover.squeeze(MARGIN)
        else for (const [kind, pods] of counted(outline, stranded)) cover.reserve(kind, Math.ceil(RESERVED * pods))
        squeezes += 1
        search.complete(terms)
        shown = Number.POSITIVE_INFINITY
      }
      idle = 0
    } else idle += 1
    if (task.isLate()) return
    for (let step = STEPS_BETWEEN * outline.hosts.length; step > 0 && !task.isLate(); step -= 1) search.step(terms, chance)
  }
}

/**
 * Chooses which nodes to keep rather than which to empty: the cluster in numbers, a cover of all pods by the worth of their
 * places (duals of the relaxation, once the solver has them), bettered by undoing a part and choosing anew, then made safe.
 */
export const keepSet: Planner = {
  name: 'keep-set',
  *drafts(problem) {
    const { outline, worth, trial, ...task } = problem
    const most = task.policy.maxEvictions ?? Number.POSITIVE_INFINITY
    const search = createSearch(outline, most)
    const chance = seeded(SEED)
    let terms = termsOf(outline)
    if (outline.toCome.length > 0) search.complete(terms)
    if (search.construct(terms)) yield realised({ ...task, isLate: task.isOver }, outline, search.cover, false)
    search.thin(terms)
    terms = scarce(terms, outline, search, most)
    const weight = (): number => weightOf(search.cover, terms)
    let [shown, best] = [Number.POSITIVE_INFINITY, weight()]
    for (let round = 0, steps = FIRST_STEPS, idle = 0; ; round += 1, steps = Math.round(steps * GROWTH)) {
      idle = weight() < best - TINY || steps < STEPS_PER_HOST * outline.hosts.length ? 0 : idle + 1
      best = weight()
      const isLast = task.isChosen() || idle === MOST_IDLE || round === ROUNDS
      if (best < shown * (isLast ? 1 - TINY : 1 - STRIDE) && !(isLast && trial)) {
        shown = best
        yield realised({ ...task, isLate: task.isOver }, outline, search.cover)
      }
      if (isLast) break
      if (round === DUALS_ROUND) terms = withDuals(terms, worth())
      for (let step = 0; step < steps && !task.isChosen(); step += 1) search.step(terms, chance)
    }
    if (trial) yield* secured(problem, trial, search, terms, chance)
  },
}
const TINY = 1e-9
/** A dual may be zero where a resource is plentiful: then what a place costs at least decides a little. */
export const withDuals = (terms: Terms, duals: Float64Array | undefined): Terms =>
  duals ? { ...terms, worth: terms.worth.map((least, kind) => Math.max(0, duals[kind] ?? 0) + LEAST_SHARE * least) } : terms
