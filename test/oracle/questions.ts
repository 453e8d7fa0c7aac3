import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rules } from '../../src/actors/evictor/fit.ts'
import type { ModelOptions } from '../../src/actors/evictor/model.ts'
import { randomCluster } from './clusters/cluster.ts'
import { type Comparison, compare, type Difference } from './compare.ts'
import type { Oracle } from './oracle.ts'

const SIZE = { nodes: 24, asked: 60 }
const NOT_A_PLUGIN = 'SchedulerName'
/** The plugins that a random cluster has questions for: all that Filter has, but NodeName, which no replacement is asked by. */
export const plugins: readonly string[] = rules.map(({ name }) => name).filter((name) => name !== NOT_A_PLUGIN)

type Found = Difference & { readonly seed: number }
export type Asked = Omit<Comparison, 'differences' | 'wrong'> & {
  readonly differences: readonly Found[]
  readonly wrong: readonly Found[]
}

/**
 * Asks our rules and kube-scheduler about the random clusters of these seeds, 1,440 questions each.
 * @param options what the oracle's configuration says too
 */
export const askAll = async (oracle: Oracle, seeds: readonly number[], options: ModelOptions = {}): Promise<Asked> => {
  const folder = await mkdtemp(join(tmpdir(), 'quartermaster-oracle-'))
  const file = join(folder, 'cluster.json')
  const answers: (Comparison & { readonly seed: number })[] = []
  try {
    for (const seed of seeds) {
      const { list, asked, nodes } = randomCluster(seed, SIZE)
      await writeFile(file, JSON.stringify(list))
      answers.push({ seed, ...(await compare(oracle, { snapshot: file, pods: asked, nodes, options })) })
    }
  } finally {
    await rm(folder, { recursive: true })
  }
  const sum = (of: (each: Comparison) => number): number => answers.reduce((total, each) => total + of(each), 0)
  return {
    questions: sum(({ questions }) => questions),
    fitting: sum(({ fitting }) => fitting),
    only: summed(answers.map(({ only }) => only)),
    undecided: summed(answers.map(({ undecided }) => undecided)),
    differences: answers.flatMap(({ seed, differences }) => differences.map((each) => ({ seed, ...each }))),
    wrong: answers.flatMap(({ seed, wrong }) => wrong.map((each) => ({ seed, ...each }))),
  }
}

const summed = (all: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> => {
  const sums = new Map<string, number>()
  for (const counts of all) for (const [name, count] of counts) sums.set(name, (sums.get(name) ?? 0) + count)
  return sums
}

/** All of the undecided. */
export const undecidedOf = ({ undecided }: Asked): number => [...undecided.values()].reduce((sum, count) => sum + count, 0)
