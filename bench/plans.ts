import { findOracle } from '../test/oracle/binary.ts'
import { oracleAt } from '../test/oracle/oracle.ts'
import { planAll } from '../test/oracle/plans.ts'
import { type Figure, figure } from './figures.ts'

const CLUSTERS = 200
const SHOWN = 5

/** Plans of random clusters with constraints of every kind, carried out by kube-scheduler's own code. Needs Go. */
export const run = async (): Promise<readonly Figure[]> => {
  const oracle = oracleAt(await findOracle({ onProgress: (message) => process.stderr.write(`${message}\n`) }))
  const seeds = Array.from({ length: CLUSTERS }, (_, index) => index + 1)
  const planned = await planAll(oracle, seeds)
  const forbidden = planned.flatMap(({ seed, forbidden: all }) => all.map((why) => `cluster ${seed}, forbidden: ${why}`))
  const pending = planned.flatMap(({ seed, pending: all }) => all.map((why) => `cluster ${seed}, pending: ${why}`))
  for (const line of [...forbidden.slice(0, SHOWN), ...pending.slice(0, SHOWN)]) process.stderr.write(`${line}\n`)
  const sum = (of: 'drained' | 'evictions'): number => planned.reduce((total, each) => total + each[of], 0)
  return [
    figure('plans: random clusters of 20 to 60 nodes', planned.length, ''),
    figure('plans: that free a node', (100 * planned.filter(({ drained }) => drained > 0).length) / planned.length, '%'),
    figure('plans: nodes freed', sum('drained'), ''),
    figure('plans: evictions', sum('evictions'), ''),
    figure('plans: moves that a Filter forbids', forbidden.length, '', { atMost: 0 }),
    figure('plans: pods pending as the scheduler places them', pending.length, '', { atMost: 0 }),
    figure('plans: clusters with such a pod', planned.filter(({ pending: all }) => all.length > 0).length, '', { atMost: 0 }),
  ]
}
