import { Policy } from '../src/events/plan.ts'
import { findOracle } from '../test/oracle/binary.ts'
import { oracleAt } from '../test/oracle/oracle.ts'
import { scoreAll } from '../test/oracle/scores.ts'
import { type Figure, figure } from './figures.ts'

const CLUSTERS = 100
const SHOWN = 5

/** Scores of nodes compared with those of kube-scheduler's own plugins. Needs Go. */
export const run = async (): Promise<readonly Figure[]> => {
  const oracle = oracleAt(await findOracle({ onProgress: (message) => process.stderr.write(`${message}\n`) }))
  const seeds = Array.from({ length: CLUSTERS }, (_, index) => index + 1)
  const { choices, differences, misjudged, felt } = await scoreAll(oracle, seeds, Policy.parse({}))
  for (const { seed, pod, plugin } of differences.slice(0, SHOWN)) process.stderr.write(`cluster ${seed}, ${pod}: ${plugin}\n`)
  return [
    figure('scores: pods with nodes to choose from', choices, ''),
    ...[...felt].map(([name, count]) => figure(`scores: of which ${name} makes a difference to`, count, '')),
    figure('scores: differences, plugin by plugin', differences.length, '', { atMost: 0 }),
    figure('scores: pods for which other nodes are best', misjudged.length, '', { atMost: 0 }),
  ]
}
