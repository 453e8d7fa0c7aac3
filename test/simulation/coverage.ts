import type { AnyStateMachine } from 'xstate'
import type { Definition } from '../../src/runtime/types.ts'

/** The states of a machine in which it can rest, as `<type>.<path>`; what a state value names is one of them, or above one. */
export type Coverage = { readonly visited: number; readonly all: number; readonly missing: readonly string[] }

type Node = {
  readonly path: readonly string[]
  readonly type: string
  readonly states: Readonly<Record<string, Node>>
  readonly always?: unknown
}

const nodesIn = (node: Node): readonly Node[] => [node, ...Object.values(node.states).flatMap(nodesIn)]

/** A state with an `always` that has no guard is only passed through. */
const isResting = ({ type, path, always }: Node): boolean =>
  type !== 'history' &&
  path.length > 0 &&
  !((always as readonly { readonly guard?: unknown }[] | undefined) ?? []).some(({ guard }) => guard === undefined)

const pathsIn = (value: unknown, above: readonly string[]): readonly string[] =>
  typeof value === 'string'
    ? [[...above, value].join('.')]
    : Object.entries((value ?? {}) as Record<string, unknown>).flatMap(([key, inner]) => [
        [...above, key].join('.'),
        ...pathsIn(inner, [...above, key]),
      ])

/** How many of the states of these machines were rested in. @param states `<type> <state value as JSON>` */
export const coverageOf = (definitions: readonly Definition[], states: Iterable<string>): Coverage => {
  const all = definitions.flatMap(({ type, machine }) =>
    nodesIn((machine as AnyStateMachine).root as unknown as Node)
      .filter(isResting)
      .map(({ path }) => `${type}.${path.join('.')}`),
  )
  const seen = new Set<string>()
  for (const state of states) {
    const space = state.indexOf(' ')
    for (const path of pathsIn(JSON.parse(state.slice(space + 1)), [state.slice(0, space)])) seen.add(path)
  }
  const missing = all.filter((path) => !seen.has(path))
  return { visited: all.length - missing.length, all: all.length, missing }
}
