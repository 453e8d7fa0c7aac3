import { type Book, book } from '../fold.ts'
import type { KillPoint } from '../ground.ts'
import { type Address, addressOf, type Definition, type JournaledEvent } from '../types.ts'
import { verdictLine, verify } from '../verify.ts'
import { pathsOf, type Surroundings } from './paths.ts'
import { type Walk, walk } from './walk-path.ts'

/** What was tried, and that all of it went well. */
export type Tally = {
  readonly paths: number
  /** Times that a process was killed and another one took over. */
  readonly kills: number
}

/** Something was lost, doubled, or came out otherwise after a kill. */
export class NotRecovered extends Error {
  override name = 'NotRecovered'
}

/**
 * Kills the process of a machine each time it reaches the step, on every path through the machine, and has another one
 * take over. `everyPath` resolves when each of them has come to the state that it comes to undisturbed, with no command
 * lost, each effect's runs under one key, and a journal that verifies.
 * @throws NotRecovered naming the path and what is wrong
 */
export const killAt = (
  step: KillPoint,
): { readonly everyPath: (definition: Definition, surroundings?: Surroundings) => Promise<Tally> } => ({
  everyPath: async (definition, surroundings = {}) => {
    const self = { type: definition.type, id: 'one' }
    const paths = pathsOf(definition, self, surroundings)
    if (paths.length === 0) throw new Error(`${definition.type}: no path leads through the machine; name the events it accepts`)
    /** Beginnings of paths on which the process was killed already at their last event. */
    const killed = new Set<string>()
    let kills = 0
    for (const path of paths) {
      const undisturbed = await walk(definition, self, surroundings, path)
      check(definition, path, 'undisturbed', undisturbed, undisturbed)
      for (const { nth, begun } of undisturbed.reached.filter((each) => each.point === step)) {
        const beginning = JSON.stringify([path.slice(0, begun), nth])
        if (killed.has(beginning)) continue
        killed.add(beginning)
        kills++
        const recovered = await walk(definition, self, surroundings, path, { point: step, nth })
        check(definition, path, `killed ${step}, occurrence ${nth}`, recovered, undisturbed)
      }
    }
    return { paths: paths.length, kills }
  },
})

const check = (definition: Definition, path: readonly JournaledEvent[], how: string, walked: Walk, undisturbed: Walk): void => {
  const wrong = [
    ...unverified(definition, walked),
    ...lost(walked),
    ...doubled(walked),
    ...differences(outcomeOf(walked), outcomeOf(undisturbed)),
  ]
  if (wrong.length === 0) return
  const way = path.map((event) => event.type + ('error' in event ? ` (${(event['error'] as Error).name})` : '')).join(' → ')
  throw new NotRecovered(`${definition.type}, ${how}: ${way}\n${wrong.map((each) => `- ${each}`).join('\n')}`)
}

const unverified = (definition: Definition, { self, commits }: Walk): readonly string[] => {
  const verdict = verify(definition, self, commits)
  return verdict.fault ? [verdictLine(verdict)] : []
}

const lost = ({ asked, waiting, commits }: Walk): readonly string[] => [
  ...waiting.map((cmd) => `the command ${cmd} was not decided`),
  ...asked.flatMap((cmd) => {
    const times = commits.filter((commit) => commit.ext && commit.cmd === cmd).length
    return times === 1 ? [] : [`the command ${cmd} was decided ${times} times`]
  }),
]

/** An effect may run again, but as itself; nothing runs that was not asked for. */
const doubled = ({ self, runs, commits }: Walk): readonly string[] => {
  const asked = new Map(
    commits.flatMap(({ n, fx }) => fx.map(({ i, name }): [string, string] => [`${addressOf(self)}/${n}/${i}`, name])),
  )
  return runs.flatMap(({ key, name }) => (asked.get(key) === name ? [] : [`${name} ran as ${key}, which nobody asked for`]))
}

/** What has to be the same however often the process was killed. */
const outcomeOf = ({ self, commits, sent, runs }: Walk): Readonly<Record<string, unknown>> => {
  const known = folded(self, commits)
  const keysOf = new Map(runs.map(({ key, name }) => [key, name]))
  return {
    state: timeless(known?.state),
    owed: [...(known?.open.values() ?? [])].map(({ kind, name, input }) => timeless([kind, name, input])),
    effects: [...keysOf.values()].toSorted(),
    facts: commits.flatMap(({ em }) => em.map(({ ev }) => timeless({ ...ev, at: undefined }))),
    messages: timeless(sent.map(({ to, verb, payload }) => [to, verb, payload])),
  }
}

const folded = (self: Address, commits: Walk['commits']): Book | undefined => {
  let known: Book | undefined
  for (const commit of commits) known = book(known, self, commit, commit.n)
  return known
}

/** A kill takes time: times differ. Numbers above are epoch milliseconds. */
const EARLIEST = 1_000_000_000_000
const timeless = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value ?? null, (_, each: unknown) => (typeof each === 'number' && each > EARLIEST ? 'a time' : each)))

const differences = (actual: Readonly<Record<string, unknown>>, expected: Readonly<Record<string, unknown>>): readonly string[] =>
  Object.keys(expected).flatMap((part) => {
    const [found, wanted] = [JSON.stringify(actual[part]), JSON.stringify(expected[part])]
    return found === wanted ? [] : [`${part}: ${found}, undisturbed ${wanted}`]
  })
