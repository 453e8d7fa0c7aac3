import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** One plugin of kube-scheduler that says no, and why. */
type PluginRefusal = { readonly plugin: string; readonly reasons: readonly string[] }
type FilterQuestion = { readonly pod: string; readonly nodes: readonly string[] }
export type FilterAnswer = {
  readonly pod: string
  readonly nodes: readonly { readonly node: string; readonly refusals: readonly PluginRefusal[] }[]
}

export type ScoreAnswer = {
  readonly pod: string
  /** All that the pod fits on; the total and what each plugin gives, weighted. */
  readonly nodes: readonly {
    readonly node: string
    readonly total: number
    readonly scores: Readonly<Record<string, number>>
  }[]
}

export type Step =
  | { readonly cordon: readonly string[] }
  /** The pod is evicted; its replacement goes where the scheduler has it, or `to` a node, if the Filters let it. */
  | { readonly move: { readonly namespace: string; readonly name: string }; readonly to?: string }
type Unplaced = {
  readonly namespace: string
  readonly name: string
  readonly reason: string
  /** Whom kube-scheduler would delete to make room for it. */
  readonly preempts: readonly string[]
}
export type PlaceQuestion = { readonly seed: number; readonly randomTies: boolean; readonly steps: readonly Step[] }
export type PlaceAnswer = {
  readonly seed: number
  readonly placed: readonly { readonly namespace: string; readonly name: string; readonly node: string }[]
  readonly pending: readonly Unplaced[]
  /** Those that may not go where they were told to. */
  readonly refused: readonly Unplaced[]
}

export type Oracle = {
  /** What each Filter plugin says, in the order of the questions. */
  readonly filter: (snapshot: string, questions: readonly FilterQuestion[]) => Promise<readonly FilterAnswer[]>
  /** How every node that a pod fits on is scored, in the order of the questions. */
  readonly score: (snapshot: string, pods: readonly string[]) => Promise<readonly ScoreAnswer[]>
  /** Where the real algorithm puts what is moved, each time from the snapshot anew. */
  readonly place: (snapshot: string, questions: readonly PlaceQuestion[]) => Promise<readonly PlaceAnswer[]>
}

/**
 * kube-scheduler's own code as a program: `tools/kubernetes/oracle`. Snapshots are files with a List.
 * @param config a file with a KubeSchedulerConfiguration; without one the scheduler is as it comes
 */
export const oracleAt = (program: string, config?: string): Oracle => {
  const flags = config === undefined ? [] : ['--config', config]
  return {
    filter: (snapshot, questions) => ask<FilterAnswer>(program, ['filter', '--snapshot', snapshot, ...flags], questions),
    score: (snapshot, pods) =>
      ask<ScoreAnswer>(
        program,
        ['score', '--snapshot', snapshot, ...flags],
        pods.map((pod) => ({ pod })),
      ),
    place: (snapshot, questions) => ask<PlaceAnswer>(program, ['place', '--snapshot', snapshot, ...flags], questions),
  }
}

/** @throws Error with the program's last words when it ends badly or does not answer everything */
const ask = async <Answer>(
  program: string,
  args: readonly string[],
  questions: readonly object[],
): Promise<readonly Answer[]> => {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(child, 'close') as Promise<[number | null]>
  const said: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => said.push(line))
  // A program that ends early closes its input; its last words say why.
  child.stdin.on('error', (error: NodeJS.ErrnoException) => said.push(error.message))
  child.stdin.end(questions.map((question) => `${JSON.stringify(question)}\n`).join(''))
  const answers: Answer[] = []
  for await (const line of createInterface({ input: child.stdout })) answers.push(JSON.parse(line) as Answer)
  const [code] = await ended
  if (code !== 0 || answers.length !== questions.length)
    throw new Error(
      `oracle ${args[0]} ends with ${code ?? 'a signal'} after ${answers.length} answers: ${said.slice(-5).join('\n')}`,
    )
  return answers
}
