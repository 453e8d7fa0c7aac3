import { type AnyMachineSnapshot, type AnyStateMachine, createActor, initialTransition } from 'xstate'
import { type Crowd, changedCrowd, crowdFrom, crowdOf, type Sources, some, sourcesOf } from './crowd.ts'
import { inCrowd, sourcesIn } from './persist.ts'
import type { Address, Commit, Definition, Intent, JournaledEvent, Timer } from './types.ts'

export type Decision = {
  readonly next: AnyMachineSnapshot
  readonly fx: readonly Intent[]
  readonly em: Commit['em']
  readonly tdel: readonly string[]
  readonly tset: readonly Timer[]
  /** Names of invoked effects whose state the transition left. */
  readonly left: readonly string[]
}
type Action = { readonly type: string; readonly params: any }

/** Pure: what the machine becomes and what it asks for. Undefined: the machine does not accept the event. */
export const decide = (
  definition: Definition,
  self: Address,
  state: AnyMachineSnapshot,
  event: JournaledEvent & { readonly at: number },
): Decision | undefined => {
  if (!state.can(event)) return undefined
  const [next, actions] = moved(definition.machine, state, event)
  return translated(definition, self, next, actions, event.at)
}

type Scope = Parameters<AnyStateMachine['transition']>[2] & { readonly asked: Action[] }
const scopes = new WeakMap<AnyStateMachine, Scope>()

/**
 * XState's `transition` makes an inert actor for every event, which costs three times the rest (and runs the context
 * factory again). A machine never changes its scope, so one is enough.
 */
const scopeOf = (machine: AnyStateMachine): Scope => {
  const known = scopes.get(machine)
  if (known) return known
  const self = createActor(machine)
  const nothing = (): void => {}
  const asked: Action[] = []
  const scope = {
    self,
    id: '',
    sessionId: '',
    system: self.system,
    logger: nothing,
    defer: nothing,
    stopChild: nothing,
    emit: nothing,
    actionExecutor: (action: Action) => void asked.push(action),
    asked,
  } as unknown as Scope
  scopes.set(machine, scope)
  return scope
}

type Moved = readonly [AnyMachineSnapshot, readonly Action[]]

const transitioned = (machine: AnyStateMachine, state: AnyMachineSnapshot, event: JournaledEvent): Moved => {
  const scope = scopeOf(machine)
  scope.asked.length = 0 // a machine that threw has left some
  const next = machine.transition(state, event, scope) as AnyMachineSnapshot
  return [next, scope.asked.splice(0)]
}

/**
 * One transition. XState copies the bag of children for each that comes or goes: of a crowd it is shown those alone that
 * the event or the states name. Where the machine has meant another, it decides again and is shown all.
 */
const moved = (machine: AnyStateMachine, state: AnyMachineSnapshot, event: JournaledEvent): Moved => {
  const crowd = crowdOf(state)
  if (!crowd) {
    const [next, actions] = transitioned(machine, state, event)
    const many = next.children === state.children ? undefined : crowdFrom(sourcesIn(next))
    return [many ? inCrowd(next, many) : next, actions]
  }
  const named = some(crowd, [String(event['actorId']), ...state._nodes.flatMap(({ invoke }) => invoke.map(({ id }) => id))])
  const first = transitioned(machine, showing(state, named), event)
  if (!isMissing(first)) return joined(crowd, named, first)
  const all = sourcesOf(crowd)
  return joined(crowd, all, transitioned(machine, showing(state, all), event))
}
/** The machine stopped a child that it was not shown, or stopped them all. */
const isMissing = ([{ status }, actions]: Moved): boolean =>
  status !== 'active' || actions.some(({ type, params }) => type === 'xstate.stopChild' && params === undefined)

/** The snapshot with these children. What XState asks of a child is its name. */
const showing = (state: AnyMachineSnapshot, sources: Sources): AnyMachineSnapshot => {
  const refs = Object.entries(sources).map(([id, src]) => [id, { id, src }])
  const children = { value: Object.fromEntries(refs), enumerable: true, configurable: true, writable: true }
  return Object.defineProperties({} as AnyMachineSnapshot, { ...Object.getOwnPropertyDescriptors(state), children })
}
/** What came of the children that were shown, joined to the others. */
const joined = (crowd: Crowd, shown: Sources, [next, actions]: Moved): Moved => {
  const now = sourcesIn(next)
  const gone = Object.keys(shown).filter((ref) => !Object.hasOwn(now, ref))
  const come = Object.entries(now).filter(([ref, src]) => !Object.hasOwn(shown, ref) || shown[ref] !== src)
  return [inCrowd(next, changedCrowd(crowd, [...gone.map((ref) => [ref, undefined] as const), ...come])), actions]
}

/** Pure: the first state. `at` (epoch ms) joins the input, because a machine reads no clock. */
export const begin = (definition: Definition, self: Address, input: unknown, at: number): Decision => {
  const known = typeof input === 'object' && input !== null ? { ...input, at } : { at }
  const [next, actions] = initialTransition(definition.machine, known)
  return translated(definition, self, next as AnyMachineSnapshot, actions as readonly Action[], at)
}

/** The actor behind a child's name, or undefined if the name is an effect. */
export const childAddress = (definition: Definition, self: Address, src: string, ref: string): Address | undefined => {
  const child = definition.children?.[src]
  return child && { type: child.type, id: child.id === 'parent' ? self.id : ref }
}

const addressed = (text: string): Address => {
  const slash = text.indexOf('/')
  return { type: text.slice(0, slash), id: text.slice(slash + 1) }
}

/** XState numbers what has no name, from one on in every process: such a name would be used twice. */
const GENERATED_ID = /^x:\d+$/

type Raise = { readonly id?: string; readonly delay: number; readonly event: JournaledEvent }
const timerOf = ({ timers = {}, events }: Definition, self: Address, at: number, { id, delay, event }: Raise): Timer => {
  if (id === undefined) throw new Error(`${self.type}: ${event.type} is raised with a delay and without an id`)
  if (!Number.isFinite(delay)) throw new Error(`${self.type}: the delay of ${id} is ${delay}, no number of milliseconds`)
  const policy = timers[id] ?? timers[delayOf(id)] ?? 'absolute'
  const sv = events[event.type]?.v
  return {
    id,
    due: at + delay,
    ev: event,
    ...(policy !== 'absolute' && { after: delay, policy }),
    ...(sv !== undefined && { sv }),
  }
}
/** `cooldown` of `xstate.after.cooldown.worker.cooling`. */
const delayOf = (id: string): string => /^xstate\.after\.([^.]+)\./.exec(id)?.[1] ?? ''

/** Pure: the timers of a reopened actor that are not simply due when they were; `seen` is when it was last alive. */
export const redated = (timers: Iterable<Timer>, seen: number, now: number): readonly Timer[] =>
  [...timers].flatMap((timer) => {
    const due = dueAgain(timer, seen, now)
    return due === timer.due ? [] : [{ ...timer, due }]
  })
const dueAgain = ({ due, after = 0, policy }: Timer, seen: number, now: number): number =>
  policy === 'restart' ? now + after : policy === 'remaining' ? now + Math.max(0, due - seen) : due

/** An effect whose state was entered and left again in the same transition is never asked for. */
const dropped = (fx: Intent[], ref: string): boolean => {
  const at = fx.findLastIndex((intent) => intent.kind === 'invoke' && intent.ref === ref)
  if (at >= 0) fx.splice(at, 1)
  return at >= 0
}

const translated = (
  definition: Definition,
  self: Address,
  next: AnyMachineSnapshot,
  actions: readonly Action[],
  at: number,
): Decision => {
  const fx: Intent[] = []
  const em: Commit['em'] = []
  const tset = new Map<string, Timer>()
  const tdel: string[] = []
  const left: string[] = []
  actions.forEach(({ type, params }, i) => {
    switch (type) {
      case 'xstate.spawnChild': {
        if (GENERATED_ID.test(params.id)) throw new Error(`${self.type}: a child "${params.src}" is spawned without an id`)
        const to = childAddress(definition, self, params.src, params.id)
        const asked = { i, name: params.src, ref: params.id, ...(params.input !== undefined && { input: params.input }) }
        fx.push(to ? { ...asked, kind: 'spawn', to } : { ...asked, kind: 'invoke' })
        break
      }
      case 'xstate.stopChild': {
        if (!params) break
        const to = childAddress(definition, self, params.src, params.id)
        if (to) fx.push({ i, kind: 'stop', name: params.src, ref: params.id, to })
        else if (!dropped(fx, params.id)) left.push(params.id)
        break
      }
      case 'xstate.raise': // without a delay it is already part of this transition
        if (params.delay !== undefined) tset.set(params.id, timerOf(definition, self, at, params))
        break
      case 'xstate.cancel':
        tset.delete(params.sendId)
        tdel.push(params.sendId)
        break
      case 'xstate.emit':
        em.push({ i, ev: params.event })
        break
      case 'tell':
        fx.push({ i, kind: 'send', name: params.event.type, to: addressed(params.to), input: params.event })
        break
      default:
        if (type.startsWith('xstate.')) throw new Error(`${self.type}: ${type} is not journaled; use tell, emit or an effect`)
        fx.push({ i, kind: 'action', name: type, ...(params !== undefined && { input: params }) })
    }
  })
  return { next, fx, em, tdel, tset: [...tset.values()], left }
}
