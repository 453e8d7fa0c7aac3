import { machineFaults, nameOf } from './machine-faults.ts'
import { effectVerbs } from './refuse.ts'
import { type Definition, type EffectDef, type EventDef, TimerPolicy } from './types.ts'
import { isBuiltIn, type Walk, walk } from './walk.ts'

/** A definition that cannot be hosted, with everything that is wrong with it. */
export class Misdefined extends Error {
  override name = 'Misdefined'
  readonly faults: readonly string[]
  constructor(type: string, faults: readonly string[]) {
    super(`the definition of "${type}" is refused:\n${faults.map((fault) => `- ${fault}`).join('\n')}`)
    this.faults = faults
  }
}

/**
 * Refuses a definition that the journal could not hold or the host could not serve.
 * @param types every actor type that exists; without it the types of children are not looked up
 * @throws Misdefined with all faults at once
 */
export const define = <D extends Definition>(definition: D, types?: ReadonlySet<string>): D => {
  const faults = faultsOf(definition, types)
  if (faults.length > 0) throw new Misdefined(definition.type, faults)
  return definition
}

/** Pure: everything that is wrong with a definition, each with its place, its reason and its remedy. */
export const faultsOf = (definition: Definition, types?: ReadonlySet<string>): readonly string[] => {
  const found = walk(definition.machine)
  return [
    ...typeFaults(definition),
    ...machineFaults(definition, found),
    ...eventFaults(definition, found),
    ...Object.entries(definition.events).flatMap(([name, event]) => eventDefFaults(definition.type, name, event)),
    ...versionFaults('version', definition.version, 'migrate', definition.migrate),
    ...effectNameFaults(definition, found),
    ...Object.entries(definition.effects).flatMap(([name, effect]) =>
      effectFaults(effect).map((fault) => `effects.${name}: ${fault}`),
    ),
    ...childFaults(definition, types),
    ...timerFaults(definition, found),
    ...periodFaults('oneShot.retainMs', definition.oneShot?.retainMs),
  ]
}

const typeFaults = ({ type }: Definition): readonly string[] =>
  /^[a-z][a-z0-9-]*$/.test(type) ? [] : [`type "${type}": it is part of subjects; small letters, digits and "-" only`]

const eventDefFaults = (type: string, name: string, { command, deadlineMs, v, upcast }: EventDef): readonly string[] => [
  ...nameFaults(type, name, command).map((fault) => `events["${name}"]: ${fault}`),
  ...versionFaults(`events["${name}"].v`, v, 'upcast', upcast),
  ...periodFaults(`events["${name}"].deadlineMs`, deadlineMs),
]

const nameFaults = (type: string, name: string, command: true | undefined): readonly string[] => {
  const verb = name.slice(name.indexOf('.') + 1)
  if (verb.startsWith('$')) return ['verbs that begin with "$" are the host\'s own']
  if (command && effectVerbs[verb]) return [`every actor has the command ${verb} already`]
  return name === `${type}.${verb}` && /^[A-Z][A-Za-z0-9]*$/.test(verb) ? [] : [`not named ${type}.<Verb>, as its subject is`]
}

/** What the machine listens to has to be checked when it comes in. */
const eventFaults = ({ events }: Definition, found: Walk): readonly string[] =>
  found.events.flatMap(({ where, what }) =>
    what.startsWith('xstate.') || what.endsWith('*') || Object.hasOwn(events, what)
      ? []
      : [`${where} listens to "${what}", which has no schema in events`],
  )

const isVersion = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 1

/** Every version but the newest needs its step: nobody knows which of them sleeps in a journal. */
const versionFaults = (
  field: string,
  version: number,
  kind: string,
  steps: Readonly<Record<number, unknown>> | undefined,
): readonly string[] => {
  if (!isVersion(version)) return [`${field}: ${version} is not one of 1, 2, 3 …`]
  const needed = Array.from({ length: version - 1 }, (_, i) => String(i + 1))
  const given = Object.keys(steps ?? {})
  const missing = needed.filter((step) => !given.includes(step))
  const odd = given.filter((step) => !needed.includes(step))
  return [
    ...missing.map((step) => `${field}: ${kind} has no step from ${step} to ${Number(step) + 1}`),
    ...odd.map((step) => `${field}: ${kind} has a step from ${step}, but ${version} is the newest version`),
  ]
}

const periodFaults = (field: string, ms: number | undefined): readonly string[] =>
  ms === undefined || (Number.isFinite(ms) && ms > 0) ? [] : [`${field}: ${ms} is no time in milliseconds`]

/** Names that the machine may ask effects by. What `setup` names counts: it may be asked for inside enqueueActions. */
const asked = ({ machine, children = {} }: Definition, { actions }: Walk): ReadonlySet<string> => {
  const { actions: own, actors } = machine.implementations
  const named = actions.flatMap(({ what }) => (typeof what === 'function' || isBuiltIn(what) ? [] : [nameOf(what)]))
  const performed = [...named, ...Object.keys(own)].filter((name) => name !== 'tell' && !isBuiltIn(own[name]))
  return new Set([...performed, ...Object.keys(actors).filter((name) => !Object.hasOwn(children, name))])
}

const effectNameFaults = (definition: Definition, found: Walk): readonly string[] => {
  const names = asked(definition, found)
  const given = Object.keys(definition.effects)
  return [
    ...[...names]
      .filter((name) => !given.includes(name))
      .map((name) => `effects.${name} is missing: the machine names it, and it is no child`),
    ...given.filter((name) => !names.has(name)).map((name) => `effects.${name}: the machine never asks for it`),
  ]
}

/** One request to the world; longer work there is a machine of many effects. What stays inside may take its time. */
const LONGEST_REQUEST_MS = 10_000

const limitFaults = ({ reach, timeoutMs }: EffectDef<any, any>): readonly string[] => {
  if (timeoutMs === 'activity') return []
  if (!(Number.isFinite(timeoutMs) && timeoutMs > 0)) return [`timeoutMs: ${timeoutMs} is no time in milliseconds`]
  return reach === 'internal' || timeoutMs <= LONGEST_REQUEST_MS
    ? []
    : [`timeoutMs: ${timeoutMs} is more than one request to the world may take, ${LONGEST_REQUEST_MS} ms`]
}

const effectFaults = (effect: EffectDef<any, any>): readonly string[] => {
  const { reach, timeoutMs, concurrency, oneByOne, idempotency } = effect
  return [
    ...(typeof effect.run === 'function' ? [] : ['run is no function']),
    ...(['disruptive', 'restoring', 'internal'].includes(reach) ? [] : [`reach: "${reach}" is not known`]),
    ...(['natural', 'keyed', 'probe'].includes(idempotency) ? [] : [`idempotency: "${idempotency}" is not known`]),
    ...(idempotency === 'probe' && typeof effect.probe !== 'function' ? ['probe is missing'] : []),
    ...(idempotency === 'probe' && timeoutMs === 'activity' ? ['an activity is begun again, not probed'] : []),
    ...limitFaults(effect),
    ...(concurrency === undefined || isVersion(concurrency) ? [] : [`concurrency: ${concurrency} is not one of 1, 2, 3 …`]),
    ...(oneByOne === undefined || typeof oneByOne === 'function' ? [] : ['oneByOne is no function']),
    ...retryFaults(effect),
  ]
}

const retryFaults = ({ retry }: EffectDef<any, any>): readonly string[] => {
  if (!retry) return []
  const { attempts, backoffMs, on } = retry
  return [
    ...(isVersion(attempts) ? [] : [`retry.attempts: ${attempts} is not one of 1, 2, 3 …`]),
    ...(Number.isFinite(backoffMs) && backoffMs >= 0 ? [] : [`retry.backoffMs: ${backoffMs} is no time in milliseconds`]),
    ...(on.length > 0 ? [] : ['retry.on names no error: nothing would be tried again']),
  ]
}

const childFaults = (
  { type: own, machine, effects, children = {} }: Definition,
  types: ReadonlySet<string> | undefined,
): readonly string[] =>
  Object.entries(children).flatMap(([name, { type, id }]) =>
    [
      ...(Object.hasOwn(machine.implementations.actors, name) ? [] : ['setup({ actors }) has no such name']),
      ...(Object.hasOwn(effects, name) ? ['it is an effect too; it can be one only'] : []),
      ...(types && !types.has(type) ? [`no definition has the type "${type}"`] : []),
      ...(id === 'parent' || id === 'ref' ? [] : [`id: "${String(id)}" is not parent or ref`]),
      ...(type === own && id === 'parent' ? [`it would be the ${own} itself; use id: 'ref'`] : []),
    ].map((fault) => `children.${name}: ${fault}`),
  )

/** A policy goes by what is journaled of a timer: the delay's name out of its id, which ends at the next dot, or a whole id. */
const timerFaults = ({ timers = {} }: Definition, { delays, actions }: Walk): readonly string[] => {
  const raised = actions.flatMap(({ what }) => (isBuiltIn(what) && what.type === 'xstate.raise' ? [what['id']] : []))
  const known = new Set<unknown>([...delays.map(({ what }) => what).filter((name) => !name.includes('.')), ...raised])
  return Object.entries(timers).flatMap(([name, policy]) => [
    ...(known.has(name) ? [] : [`timers.${name}: no state is left after this delay, and no raise has this id`]),
    ...(TimerPolicy.safeParse(policy).success ? [] : [`timers.${name}: "${policy}" is not ${TimerPolicy.options.join(', ')}`]),
  ])
}
