import type { AnyStateMachine, AnyStateNode } from 'xstate'

/** Something that a machine says, and where: `#worker.idle on "worker.Begin"`. */
export type Placed<What> = { readonly where: string; readonly what: What }

/** XState's own action: a function that carries its type and what it was made with. */
export type BuiltIn = { readonly type: string; readonly resolve: unknown; readonly [made: string]: unknown }
/** An action as a machine may hold it: by name, one of XState's own, or a function of the author's. */
export type Action = string | { readonly type: string } | BuiltIn | (() => unknown)

type Guard = string | { readonly type: string } | { readonly guards?: readonly Guard[] }
export type Invoke = { readonly [setting: string]: unknown }

/** Everything that a machine says before it runs. What a function asks for (`enqueueActions`) is not seen. */
export type Walk = {
  readonly actions: readonly Placed<Action>[]
  readonly invokes: readonly Placed<Invoke>[]
  /** Names of guards, those inside `and`, `or` and `not` too. */
  readonly guards: readonly Placed<string>[]
  /** Keys of `after`: the name of a delay, or milliseconds. */
  readonly delays: readonly Placed<string>[]
  /** Event descriptors with a transition, wildcards and XState's own among them. */
  readonly events: readonly Placed<string>[]
}

/** XState's own actions are functions too: what tells them is that they resolve themselves. */
export const isBuiltIn = (action: unknown): action is BuiltIn => typeof action === 'function' && 'resolve' in action

/** Walks the machine's state nodes, whose forms XState has normalised, and the actions of `setup`. */
export const walk = (machine: AnyStateMachine): Walk => {
  const nodes = nodesOf(machine.root)
  const transitions = nodes.flatMap(transitionsOf)
  return {
    actions: [
      ...nodes.flatMap((node) => [...listed(node.entry, node, 'entry'), ...listed(node.exit, node, 'exit')]),
      ...transitions.flatMap(({ where, what }) => what.actions.map((action) => ({ where, what: action as Action }))),
      ...Object.entries(machine.implementations.actions).flatMap(([name, action]) =>
        isBuiltIn(action) ? [{ where: `setup.actions.${name}`, what: action as Action }] : [],
      ),
    ],
    invokes: nodes.flatMap((node) =>
      [node.config.invoke ?? []].flat().map((what, i) => ({ where: `#${node.id} invoke[${i}]`, what: what as Invoke })),
    ),
    guards: transitions.flatMap(({ where, what }) => guardsOf(what.guard as Guard).map((name) => ({ where, what: name }))),
    delays: nodes.flatMap((node) => Object.keys(node.config.after ?? {}).map((what) => ({ where: `#${node.id} after`, what }))),
    events: nodes.flatMap((node) => [...node.transitions.keys()].map((what) => ({ where: `#${node.id}`, what }))),
  }
}

const nodesOf = (node: AnyStateNode): readonly AnyStateNode[] => [
  node,
  ...Object.values(node.states as Record<string, AnyStateNode>).flatMap(nodesOf),
]

const listed = (actions: readonly unknown[], node: AnyStateNode, place: string): readonly Placed<Action>[] =>
  actions.map((action) => ({ where: `#${node.id} ${place}`, what: action as Action }))

type Transition = { readonly actions: readonly unknown[]; readonly guard?: unknown }
const transitionsOf = (node: AnyStateNode): readonly Placed<Transition>[] => [
  ...[...node.transitions].flatMap(([event, found]) =>
    (found as readonly Transition[]).map((what) => ({ where: `#${node.id} on "${event}"`, what })),
  ),
  ...(node.always ?? []).map((what) => ({ where: `#${node.id} always`, what })),
  ...(node.type === 'compound' ? [{ where: `#${node.id} initial`, what: node.initial }] : []),
]

const guardsOf = (guard: Guard | undefined): readonly string[] => {
  if (guard === undefined) return []
  if (typeof guard === 'string') return [guard]
  if ('guards' in guard) return (guard.guards ?? []).flatMap(guardsOf)
  return typeof guard === 'object' && 'type' in guard ? [guard.type] : []
}
