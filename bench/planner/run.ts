import { planCluster } from '../../src/actors/evictor/plan.ts'
import { highsSolver } from '../../src/adapters/highs/solver.ts'
import { Policy, Prices } from '../../src/events/plan.ts'
import { plannerInputs } from './inputs.ts'

/** Plans one input in a process of its own: its memory is that of the model and of planning. */

export type Run = {
  readonly nodes: number
  readonly pods: number
  readonly freed: number
  readonly evictions: number
  readonly movedTwice: number
  /** Pods that the last rehearsal left pending, or had no time for. */
  readonly stranded: number
  readonly before: number
  readonly after: number
  readonly bound: number
  /** % above the bound. */
  readonly gap: number
  readonly finalMs: number
  /** What the model holds, and the most that the process had, with Node.js itself, the solver and the search. */
  readonly modelMib: number
  readonly peakMib: number
  /** Each better plan that stood the replay: when it was there, and % above the bound. */
  readonly found: readonly { readonly ms: number; readonly gap: number; readonly evictions: number }[]
}

const [name, evictions] = process.argv.slice(2)
const input = plannerInputs.find((each) => each.name === name)
if (!input) throw new Error(`there is no input "${name}"`)
const held = (): number => {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return (heapUsed + arrayBuffers) / 2 ** 20
}
const heldBefore = held()
const model = input.model()
const modelMib = held() - heldBefore
const policy = Policy.parse({ aggressive: true, ...(evictions !== undefined && { maxEvictions: Number(evictions) }) })
const found: { ms: number; saved: number; evictions: number }[] = []
const startedAt = performance.now()
const elapsed = (): number => performance.now() - startedAt
const plan = planCluster(model, policy, Prices.parse({}), {
  now: Date.now(),
  elapsed,
  deadlineMs: input.deadlineSeconds * 1000,
  solver: highsSolver,
  onFound: (each) => found.push({ ms: elapsed(), saved: each.saved, evictions: each.evictions }),
})
const { before, after, bound, drains } = plan
const gapOf = (cost: number): number => 100 * (cost / bound.hourlyCost - 1)
const moved = drains.flatMap(({ moves }) => moves.map(({ uid }) => uid))
const run: Run = {
  nodes: before.nodes,
  pods: model.pods.size,
  freed: drains.length,
  evictions: plan.evictions,
  movedTwice: moved.length - new Set(moved).size,
  stranded: plan.risk.stranded,
  before: before.hourlyCost,
  after: after.hourlyCost,
  bound: bound.hourlyCost,
  gap: gapOf(after.hourlyCost),
  finalMs: elapsed(),
  modelMib,
  peakMib: process.resourceUsage().maxRSS / 1024,
  found: found.map(({ ms, saved, evictions: n }) => ({ ms, gap: gapOf(before.hourlyCost - saved), evictions: n })),
}
process.stdout.write(JSON.stringify(run), () => process.exit(0))
