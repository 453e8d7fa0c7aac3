import { table } from '../src/commands/table.ts'
import { findOracle } from '../test/oracle/binary.ts'
import { oracleAt } from '../test/oracle/oracle.ts'
import { type Asked, askAll, plugins, undecidedOf } from '../test/oracle/questions.ts'
import { type Figure, figure } from './figures.ts'

const CLUSTERS = 100
const SHOWN = 3

/** Each plugin: how often it alone said no, how often we differ, and the first few cases. */
const told = ({ only, differences }: Asked): string => {
  const names = [...new Set([...plugins, ...only.keys(), ...differences.map(({ plugin }) => plugin)])]
  const rows = names.map((name) => {
    const mine = differences.filter(({ plugin }) => plugin === name)
    const stricter = mine.filter(({ ours }) => ours !== undefined).length
    return [name, String(only.get(name) ?? 0), String(mine.length - stricter), String(stricter)]
  })
  const cases = names.flatMap((name) => differences.filter(({ plugin }) => plugin === name).slice(0, SHOWN))
  const lines = cases.map(
    ({ seed, plugin, pod, node, ours, theirs }) =>
      `${plugin}: cluster ${seed}, ${pod} on ${node}: we say ${ours ?? 'yes'}, kube-scheduler ${theirs.join('; ') || 'yes'}\n`,
  )
  return `${table([['plugin', 'alone says no', 'only it refuses', 'only we refuse'], ...rows])}${lines.join('')}`
}

/** `fit` against the Filter plugins of the real kube-scheduler, on random clusters with constraints of every kind. Needs Go. */
export const run = async (): Promise<readonly Figure[]> => {
  const oracle = oracleAt(await findOracle({ onProgress: (message) => process.stderr.write(`${message}\n`) }))
  const startedAt = performance.now()
  const seeds = Array.from({ length: CLUSTERS }, (_, index) => index + 1)
  const asked = await askAll(oracle, seeds)
  process.stderr.write(told(asked))
  const percent = (count: number): number => (100 * count) / asked.questions
  return [
    figure('fit: questions about a pod and a node', asked.questions, '', { atLeast: 10_000 }),
    figure('fit: answered yes by kube-scheduler', percent(asked.fitting), '%', { atLeast: 40 }),
    figure('fit: answered no', percent(asked.questions - asked.fitting), '%', { atLeast: 40 }),
    figure('fit: the plugin that least often alone said no', Math.min(...plugins.map((name) => asked.only.get(name) ?? 0)), '', {
      atLeast: 200,
    }),
    figure('fit: refused as undecided', percent(undecidedOf(asked)), '%', { atMost: 1 }),
    figure('fit: answered otherwise than by kube-scheduler', asked.wrong.length, '', { atMost: 0 }),
    figure('fit: answered otherwise than by a plugin', asked.differences.length, '', { atMost: 0 }),
    figure('fit: took', (performance.now() - startedAt) / 1000, 's'),
  ]
}
