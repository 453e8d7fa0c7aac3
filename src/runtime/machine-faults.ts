import { createActor, createMachine } from 'xstate'
import { diff } from './patch.ts'
import type { Definition } from './types.ts'
import { type Action, type BuiltIn, type Invoke, isBuiltIn, type Placed, type Walk } from './walk.ts'

/** What of XState's own a commit can hold; the rest would happen outside of the journal, or not at all. */
const journaled = new Set(
  ['assign', 'raise', 'cancel', 'emit', 'spawnChild', 'stopChild', 'enqueueActions'].map((name) => `xstate.${name}`),
)
const instead: Readonly<Record<string, string>> = {
  'xstate.sendTo': 'use tell for another actor; the end of a child reaches its parent by itself',
  'xstate.log': 'give it an effect of its own',
}

/** Pure: what in the machine can't be journaled, each with its place and its remedy. */
export const machineFaults = (definition: Definition, found: Walk): readonly string[] => [
  ...found.actions.flatMap(({ where, what }) => actionFaults(definition, what).map((fault) => `${where}: ${fault}`)),
  ...found.invokes.flatMap(({ where, what }) => invokeFaults(definition, what).map((fault) => `${where}: ${fault}`)),
  ...found.guards.flatMap((guard) => guardFaults(definition, guard)),
  ...found.delays.flatMap((delay) => delayFaults(definition, delay)),
  ...contextFaults(definition),
]

const actionFaults = (definition: Definition, action: Action): readonly string[] => {
  if (isBuiltIn(action)) return builtInFaults(definition, action)
  if (typeof action === 'function')
    return [`the action ${action.name || '(anonymous)'} is written inline; name it in setup({ actions }) and give it an effect`]
  const name = nameOf(action)
  return /^(xstate\.|\$)/.test(name) ? [`the action name "${name}" is reserved; choose another`] : []
}

/** The name of an action that is none of XState's own. */
export const nameOf = (action: string | { readonly type: string }): string => (typeof action === 'string' ? action : action.type)

const builtInFaults = (definition: Definition, action: BuiltIn): readonly string[] => {
  const { type } = action
  if (!journaled.has(type)) return [`${type} is not journaled; ${instead[type] ?? 'use tell, emit or an effect'}`]
  if (type === 'xstate.spawnChild') return spawnFaults(definition, action)
  if (type === 'xstate.raise') return raiseFaults(definition, action)
  return []
}

const raiseFaults = ({ machine }: Definition, { id, delay }: BuiltIn): readonly string[] => {
  if (delay === undefined || String(id).startsWith('xstate.after.')) return [] // `after` itself: see delayFaults
  const unknown = typeof delay === 'string' && !Object.hasOwn(machine.implementations.delays, delay)
  return [
    ...(id === undefined ? ['a delayed raise has no id; give it one, so that no other timer takes its place'] : []),
    ...(unknown ? [`"${delay}" is no delay of setup({ delays }): it would never come`] : []),
  ]
}

const spawnFaults = (definition: Definition, { src, id, systemId }: BuiltIn): readonly string[] => [
  ...sourceFaults(definition, src),
  ...(id === undefined ? [`the child ${String(src)} has no id; give it one, or it has another after each restart`] : []),
  ...systemIdFaults(systemId),
]

const invokeFaults = (definition: Definition, { src, systemId, onSnapshot }: Invoke): readonly string[] => [
  ...sourceFaults(definition, src),
  ...systemIdFaults(systemId),
  ...(onSnapshot === undefined ? [] : ['onSnapshot never comes: only ends are journaled; let the effect report an event']),
]

const sourceFaults = ({ machine }: Definition, src: unknown): readonly string[] => {
  if (typeof src !== 'string') return ['src is written inline; name it in setup({ actors }) and use its name']
  return Object.hasOwn(machine.implementations.actors, src) ? [] : [`"${src}" is not in setup({ actors })`]
}

const systemIdFaults = (systemId: unknown): readonly string[] =>
  systemId === undefined ? [] : [`systemId "${String(systemId)}" is not journaled; actors are addressed as <type>/<id>`]

const guardFaults = ({ machine }: Definition, { where, what }: Placed<string>): readonly string[] =>
  Object.hasOwn(machine.implementations.guards, what) ? [] : [`${where}: the guard "${what}" is not in setup({ guards })`]

const delayFaults = ({ machine }: Definition, { where, what }: Placed<string>): readonly string[] =>
  !Number.isNaN(Number(what)) || Object.hasOwn(machine.implementations.delays, what)
    ? []
    : [`${where}: "${what}" is no delay of setup({ delays }): it would never come`]

const NULL_SAFE = 'XState calls it without input: read input?.x, and keep plain JSON'

/** XState swallows what a context factory throws, and the actor would be one without a state. */
const contextFaults = (definition: Definition): readonly string[] => {
  try {
    const changed = diff(contextOf(definition), contextOf(definition))
    const places = [...(changed.set ?? []).map(([path]) => path), ...(changed.del ?? [])]
    return places.map((path) => `context: ${path.join('.')} is another at each call; chance and time come in the input`)
  } catch (error) {
    return [`context: ${(error as Error).message}; ${NULL_SAFE}`]
  }
}

const nobody = createActor(createMachine({}))
const spawnNothing = (): never => {
  throw new Error('spawn is not journaled; use invoke or spawnChild')
}
const contextOf = ({ machine }: Definition): unknown => {
  const { context } = machine.config as { readonly context?: unknown }
  const made: unknown = typeof context === 'function' ? context({ input: undefined, self: nobody, spawn: spawnNothing }) : context
  diff(undefined, made ?? {})
  return made
}
