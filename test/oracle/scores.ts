import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nowhere } from '../../src/actors/evictor/fit.ts'
import type { Model, NodeEntry } from '../../src/actors/evictor/model.ts'
import { bestOf, groundOf, scorers } from '../../src/actors/evictor/scheduling/score.ts'
import type { Ground } from '../../src/actors/evictor/scheduling/scorer.ts'
import { readSnapshot } from '../../src/commands/snapshot.ts'
import type { Policy } from '../../src/events/plan.ts'
import { randomCluster } from './clusters/cluster.ts'
import { leanings } from './clusters/leaning.ts'
import type { Oracle, ScoreAnswer } from './oracle.ts'

const SIZE = { nodes: 24, asked: 60 }

/** A plugin gives the nodes other scores here than in kube-scheduler, up to what is the same for all of them. */
type Difference = {
  readonly pod: string
  readonly plugin: string
  readonly ours: readonly number[]
  readonly theirs: readonly number[]
}
export type Scored = {
  /** Pods with two nodes to choose from or more. */
  readonly choices: number
  readonly differences: readonly (Difference & { readonly seed: number })[]
  /** Pods for which another set of nodes is best here. */
  readonly misjudged: readonly string[]
  /** How often each plugin made a difference. */
  readonly felt: ReadonlyMap<string, number>
}

const relative = (scores: readonly number[]): readonly number[] => {
  const most = Math.max(...scores)
  return scores.map((score) => score - most)
}

const oursOf = (ground: Ground, pod: string, nodes: readonly NodeEntry[]) => {
  const shape = ground.model.pods.get(pod)?.shape
  if (!shape) throw new Error(`the model holds no ${pod}`)
  const scores = scorers.map(({ name, scores: scoresOf }) => {
    const into = new Float64Array(nodes.length)
    scoresOf(ground, shape)?.(nodes, into)
    return [name, [...into].map((score) => score * ground.profile.weights[name])] as const
  })
  return { scores: new Map<string, readonly number[]>(scores), best: bestOf(ground, shape, nodes).map(({ name }) => name) }
}

type Compared = { readonly differences: readonly Difference[]; readonly isMisjudged: boolean; readonly felt: readonly string[] }
const compare = (model: Model, policy: Policy, { pod, nodes: theirs }: ScoreAnswer): Compared => {
  const entry = model.pods.get(pod)
  const mark = model.mark()
  if (entry?.node) model.move(entry, undefined)
  const nodes = theirs.map(({ node }) => model.nodes.get(node)).filter((node) => node !== undefined)
  const { scores, best } = oursOf(groundOf(model, policy.scheduler), pod, nodes)
  model.rollback(mark)
  const columns = new Map([...scores.keys()].map((name) => [name, theirs.map((node) => node.scores[name] ?? 0)]))
  const differences = [...columns].flatMap(([plugin, column]) => {
    const [a, b] = [relative(scores.get(plugin) ?? []), relative(column)]
    return a.every((score, at) => score === b[at]) ? [] : [{ pod, plugin, ours: a, theirs: b }]
  })
  const most = Math.max(...theirs.map(({ total }) => total))
  const isBest = theirs.filter(({ total }) => total === most).map(({ node }) => node)
  const felt = [...columns].filter(([, column]) => new Set(column).size > 1).map(([name]) => name)
  return { differences, isMisjudged: best.join() !== isBest.join(), felt }
}

/** Has the nodes of random clusters scored for every pod that is asked about, by kube-scheduler's plugins and by ours. */
export const scoreAll = async (oracle: Oracle, seeds: readonly number[], policy: Policy): Promise<Scored> => {
  const folder = await mkdtemp(join(tmpdir(), 'quartermaster-scores-'))
  const file = join(folder, 'cluster.json')
  const differences: (Difference & { readonly seed: number })[] = []
  const misjudged: string[] = []
  const felt = new Map<string, number>()
  let choices = 0
  try {
    for (const seed of seeds) {
      const { list, asked } = randomCluster(seed, SIZE, leanings)
      await writeFile(file, JSON.stringify(list))
      const answers = await oracle.score(file, asked)
      const { model } = readSnapshot(file, policy)
      for (const answer of answers) {
        const shape = model.pods.get(answer.pod)?.shape
        if (answer.nodes.length < 2 || !shape || nowhere(model, shape)) continue
        const compared = compare(model, policy, answer)
        choices += 1
        differences.push(...compared.differences.map((each) => ({ seed, ...each })))
        if (compared.isMisjudged) misjudged.push(`${seed}: ${answer.pod}`)
        for (const name of compared.felt) felt.set(name, (felt.get(name) ?? 0) + 1)
      }
    }
  } finally {
    await rm(folder, { recursive: true })
  }
  return { choices, differences, misjudged, felt }
}
