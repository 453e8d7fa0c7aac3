import { createHash, randomUUIDv7 } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { gunzipSync, gzipSync } from 'node:zlib'
import { connect, type KV } from 'nats'
import { createModel } from '../../actors/evictor/model.ts'
import { clusterCost, planCluster } from '../../actors/evictor/plan.ts'
import { priceOf } from '../../actors/evictor/prices.ts'
import { verifyDrains } from '../../actors/evictor/verify.ts'
import { mayDisrupt } from '../../actors/evictor/windows.ts'
import { highsSolver } from '../../adapters/highs/solver.ts'
import { readObjects } from '../../adapters/jetstream/objects-reader.ts'
import { CORDONED_BY } from '../../events/controller.ts'
import type { Candidate, Leftover, Planned, PlanSummary } from '../../events/evictor.ts'
import type { Kind } from '../../events/kinds.ts'
import { type ModelObject, modelledKinds } from '../../events/model-kinds.ts'
import { Plan, Policy, Prices } from '../../events/plan.ts'
import { type KindMeta, NotReady } from '../../ports.ts'
import { askedPrices } from '../prices.ts'
import { connectionOptions } from '../session.ts'
import type { PlannedFor } from '../why.ts'
import type { Figures, PlannerData } from './planner.ts'

/** Plans live for so long in the bucket `plans`. */
const PLANS_MS = 7 * 24 * 3_600_000
/** Nothing disruptive is decided on a picture older than this. */
const FRESH_MS = 15_000
const DEADLINE_MS = 5_000
/** What nothing new is known of is planned anew after so long: with more time than before, or other ages, it may get better. */
const REPLAN_MS = 60_000
/** How long a request waits for the model to be complete and fresh. */
const PATIENCE_MS = 30_000

const data = workerData as PlannerData
// Nobody launches nodes here: a plan that counts on new ones could not be carried out, and would stand in the way of one
// that can.
const { replacement, ...policy } = Policy.parse(data.policy)
if (replacement)
  report('policy.replacement: nobody launches nodes here, so plans are made without (`plan` shows what it would save)')
const settled = Prices.parse(data.prices)
let prices = settled
/** Why there are none of the prices that were asked for: nothing is planned on others meanwhile. */
let unpriced = settled.openCost === undefined ? undefined : 'OpenCost is being asked for prices'
/** OpenCost is asked anew after so long; while it does not answer its last prices stand. */
const PRICES_MS = 15 * 60_000
const FIRST_PRICES_MS = 30_000
const askPrices = async (): Promise<void> => {
  try {
    prices = await askedPrices(settled)
    learned += 1
    unpriced = undefined
  } catch (error) {
    const { message } = error as Error
    report(message)
    if (unpriced !== undefined) unpriced = message
  }
  setTimeout(() => void askPrices(), unpriced === undefined ? PRICES_MS : FIRST_PRICES_MS)
}

const model = createModel(policy)
/** Objects that the model could not take, and why. */
const leftOut = new Map<string, string>()
const keyOf = (kind: string, namespace: string | undefined, name: string): string =>
  `${kind}/${namespace === undefined ? '' : `${namespace}/`}${name}`
const metas = new Map<string, KindMeta>()
/** Counts what the model has learned. */
let learned = 0
let isRead = false
let newest: { readonly id: string; readonly hash: string; readonly madeAt: string; readonly plan: Plan } | undefined

const nc = await connect({
  ...connectionOptions(String(data.servers), data.seedFile),
  name: 'quartermaster-planner',
  maxReconnectAttempts: -1,
  reconnectTimeWait: 250,
})
if (settled.openCost !== undefined) void askPrices()
const js = nc.jetstream()
const plans: KV = await js.views.kv('plans', { history: 1, ttl: PLANS_MS })
void readObjects(
  js,
  await nc.jetstreamManager(),
  data.cluster,
  modelledKinds,
  {
    onObject: (kind, object) => {
      learned += 1
      const name = keyOf(kind.name, object.metadata.namespace, object.metadata.name)
      try {
        model.apply(object)
        leftOut.delete(name)
      } catch (error) {
        // A quantity or selector that is none. Its room would look free, so nothing is planned while it is there.
        leftOut.set(name, (error as Error).message)
        report(`${name} can not be read: ${(error as Error).message}`)
      }
    },
    onDeleted: (kind, namespace, name) => {
      learned += 1
      leftOut.delete(keyOf(kind.name, namespace, name))
      model.remove(kind.kind, namespace, name)
    },
    onReady: () => {
      isRead = true
    },
    onMeta: (kind, meta) => void metas.set(kind.name, meta),
    onTrouble: report,
  },
  new AbortController().signal,
)

function report(trouble: string): void {
  parentPort?.postMessage({ trouble })
}

/**
 * Whether a kind can be planned on. What decisions are made on has to be fresh. Of the rest it is enough that it is read;
 * a cluster may not have it, and a pod that would need to be asked about it is then undecided, and stays.
 */
const isGood = ({ name, news }: Kind<ModelObject>): boolean => {
  const meta = metas.get(name)
  if (news === 'steady') return meta?.state === 'streaming' || meta?.state === 'unavailable'
  return meta?.state === 'streaming' && Date.now() - meta.observedAt <= FRESH_MS
}

/** Why the model can't be planned on now; undefined if it can. */
const obstacle = (): string | undefined => {
  if (unpriced !== undefined) return unpriced
  const stale = modelledKinds.find((kind) => !isGood(kind))
  if (stale) {
    const { state = 'never listed', reason } = metas.get(stale.name) ?? {}
    return `${stale.name} are not streaming (${state}${reason === undefined ? '' : `: ${reason}`})`
  }
  if (!isRead) return 'the objects are still being read'
  const part = modelledKinds.find(({ name }) => (metas.get(name)?.leftOut ?? 0) > 0)
  if (part) return `${metas.get(part.name)?.leftOut} ${part.name} can not be read (the agent left them out)`
  for (const [name, reason] of leftOut) return `${name} can not be read: ${reason}`
  return undefined
}

const readiness = async (): Promise<void> => {
  const until = performance.now() + PATIENCE_MS
  for (let reason = obstacle(); reason !== undefined; reason = obstacle()) {
    if (performance.now() > until) throw new NotReady(reason)
    await sleep(100)
  }
}

const hashOf = ({ drains, kept }: Plan): string =>
  createHash('sha256').update(JSON.stringify({ drains, kept })).digest('hex').slice(0, 32)

/** The same decision as before is the same plan: it is not stored, and not told, again. */
const kept = async (plan: Plan): Promise<NonNullable<typeof newest>> => {
  const hash = hashOf(plan)
  if (newest?.hash === hash) return newest
  const id = randomUUIDv7()
  newest = { id, hash, madeAt: new Date().toISOString(), plan }
  await plans.put(id, gzipSync(JSON.stringify(newest)))
  return newest
}

const storedPlan = async (id: string): Promise<Plan> => {
  if (newest?.id === id) return newest.plan
  const entry = await plans.get(id)
  if (!entry) throw new Error(`plan ${id} is not in the bucket any more`)
  return Plan.parse((JSON.parse(gunzipSync(entry.value).toString()) as { plan: unknown }).plan)
}

const summaryOf = ({ id, hash, plan }: NonNullable<typeof newest>): PlanSummary => {
  const reasons = Map.groupBy(plan.kept, ({ reasons: [first] }) => first?.code ?? 'Unknown')
  return {
    plan: id,
    hash,
    planner: plan.planner,
    nodes: plan.before.nodes,
    nodesAfter: plan.after.nodes,
    hourlyCost: plan.before.hourlyCost,
    hourlyCostAfter: plan.after.hourlyCost,
    bound: plan.bound.hourlyCost,
    evictions: plan.evictions,
    drains: plan.drains.length,
    kept: Object.fromEntries([...reasons].map(([code, nodes]) => [code, nodes.length])),
  }
}

const firstWave = ({ drains }: Plan): readonly Candidate[] =>
  drains
    .filter(({ wave }) => wave === drains[0]?.wave)
    .map(({ node, uid, moves }) => ({ node, uid, evictions: moves.length, hourlyCost: costOf(node) }))
/** Cordoned by a drain of ours, and in no plan any more. */
const leftovers = ({ drains }: Plan): readonly Leftover[] => {
  const planned = new Set(drains.map(({ node }) => node))
  return [...model.nodes.values()].flatMap(({ name, object }) => {
    const action = object?.metadata.annotations?.[CORDONED_BY]
    const isLeft = object?.spec.unschedulable === true && action !== undefined && !planned.has(name)
    return isLeft ? [{ node: name, uid: object.metadata.uid, action }] : []
  })
}
const costOf = (name: string): number => {
  const node = model.nodes.get(name)?.object
  return node ? priceOf(node, prices).hourly : 0
}

let last: { readonly ground: string; readonly at: number; readonly plan: Plan } | undefined
const isCheaper = (a: Plan, b: Plan): boolean =>
  a.after.hourlyCost < b.after.hourlyCost || (a.after.hourlyCost === b.after.hourlyCost && a.evictions < b.evictions)
/** A plan of what is known. Where nothing has been learned since the last, that one stands until there is a better one. */
const planned = (avoid: readonly string[]): Plan => {
  const open = policy.workloads.map(({ disruptionWindows }) => mayDisrupt(disruptionWindows, Date.now()))
  const ground = JSON.stringify([learned, avoid.toSorted(), open])
  const startedAt = performance.now()
  const elapsed = (): number => performance.now() - startedAt
  const stands = last?.ground === ground ? last : undefined
  if (stands && startedAt - stands.at < REPLAN_MS) return stands.plan
  const plan = planCluster(model, policy, prices, {
    now: Date.now(),
    avoid,
    elapsed,
    deadlineMs: DEADLINE_MS,
    solver: highsSolver,
  })
  last = { ground, at: startedAt, plan: stands && !isCheaper(plan, stands.plan) ? stands.plan : plan }
  return last.plan
}

const answers: Readonly<Record<string, (input: never) => Promise<unknown>>> = {
  plan: async ({ avoid }: { avoid: readonly string[] }): Promise<Planned> => {
    await readiness()
    const plan = planned(avoid)
    const record = await kept(plan)
    return {
      summary: summaryOf(record),
      wave: mayDisrupt(policy.disruptionWindows, Date.now()) ? [...firstWave(plan)] : [],
      leftover: [...leftovers(plan)],
    }
  },
  verify: async ({ plan, nodes }: { plan: string; nodes: readonly string[] }) => {
    await readiness()
    return verifyDrains(model, await storedPlan(plan), nodes, policy, Date.now())
  },
  figures: async (): Promise<Figures> => {
    const waitingFor = obstacle()
    return {
      ready: waitingFor === undefined,
      nodes: [...model.nodes.values()].filter(({ object }) => object).length,
      pods: model.pods.size,
      hourlyCost: clusterCost(model, prices),
      ...(newest && {
        planned: newest.plan.after.hourlyCost,
        bound: newest.plan.bound.hourlyCost,
        solveMillis: newest.plan.solveMillis,
      }),
      ...(waitingFor !== undefined && { waitingFor }),
    }
  },
  planned: async ({ kind, name }: { kind: string; name: string }): Promise<PlannedFor | undefined> => {
    if (!newest) return undefined
    const { id, madeAt, plan } = newest
    const made = { plan: id, madeAt }
    if (kind === 'node') {
      const drain = plan.drains.find(({ node }) => node === name)
      if (drain) return { ...made, drain }
      const reasons = plan.kept.find(({ node }) => node === name)?.reasons
      return reasons && { ...made, kept: reasons }
    }
    const node = model.pods.get(name)?.node?.name
    const to = plan.drains.flatMap(({ moves }) => moves).find((move) => `${move.namespace}/${move.name}` === name)?.to
    return node === undefined ? undefined : { ...made, node, ...(to !== undefined && { to }) }
  },
}

parentPort?.on('message', ({ id, question, input }: { id: number; question: string; input: never }) => {
  const answer = answers[question]
  const result = answer ? answer(input) : Promise.reject(new Error(`the planner knows no question "${question}"`))
  result.then(
    (value) => parentPort?.postMessage({ id, result: value }),
    (error: Error) => parentPort?.postMessage({ id, error: { name: error.name, message: error.message } }),
  )
})
