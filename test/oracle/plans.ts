import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { planCluster } from '../../src/actors/evictor/plan.ts'
import { readSnapshot } from '../../src/commands/snapshot.ts'
import { type Plan, Policy, Prices } from '../../src/events/plan.ts'
import { randomCluster } from './clusters/cluster.ts'
import { execute, forbidden } from './execute.ts'
import type { Oracle } from './oracle.ts'

/** A cluster of a thousand constraints: its plan and what kube-scheduler makes of it. */
export type PlannedCluster = {
  readonly seed: number
  readonly drained: number
  readonly evictions: number
  /** Moves that the Filters forbid, made one after the other as planned. */
  readonly forbidden: readonly string[]
  /** Pods that stay pending when the scheduler places them as it likes. */
  readonly pending: readonly string[]
}
const NOW = Date.UTC(2026, 0, 1)
const POLICY = Policy.parse({ aggressive: true })

const planOf = (snapshot: string): Plan => planCluster(readSnapshot(snapshot).model, POLICY, Prices.parse({}), { now: NOW })

/** Plans random clusters and has kube-scheduler's own code carry the plans out. */
export const planAll = async (oracle: Oracle, seeds: readonly number[]): Promise<readonly PlannedCluster[]> => {
  const folder = await mkdtemp(join(tmpdir(), 'quartermaster-plans-'))
  const snapshot = join(folder, 'cluster.json')
  const planned: PlannedCluster[] = []
  try {
    for (const seed of seeds) {
      await writeFile(snapshot, JSON.stringify(randomCluster(seed, { nodes: 20 + ((seed * 37) % 41), asked: 60 }).list))
      const plan = planOf(snapshot)
      const refused = await forbidden(oracle, snapshot, plan)
      const [run] = await execute(oracle, snapshot, plan, [{ seed, randomTies: true }])
      planned.push({
        seed,
        drained: plan.drains.length,
        evictions: plan.evictions,
        forbidden: refused.map(({ namespace, name, reason }) => `${namespace}/${name}: ${reason}`),
        pending: (run?.pending ?? []).map(({ namespace, name, reason }) => `${namespace}/${name}: ${reason}`),
      })
    }
  } finally {
    await rm(folder, { recursive: true })
  }
  return planned
}
