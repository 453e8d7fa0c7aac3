import type { ActorRefFrom, AnyEventObject, AnyMachineSnapshot, AnyStateMachine, EventFrom, Observer, Subscription } from 'xstate'
import type { DurableActor } from './actor.ts'
import { failureOf } from './effects.ts'
import type { Ground } from './ground.ts'
import type { Command } from './inbox.ts'
import { createObservers, type Observers } from './observers.ts'
import { type Address, addressOf, type Commit, type Definition, type Outcome } from './types.ts'

/** What a handle needs of the host: its actor may be in memory, put away, fenced and opened again. */
export type Residence = {
  readonly self: Address
  /** The actor, brought back from the journal if need be. Undefined: there is none. */
  readonly find: () => Promise<DurableActor | undefined>
  /** Brings a command to the actor, wherever it is; answers after the commit. */
  readonly route: (command: Command) => Promise<Outcome>
  /** Hears every commit of the actor that this process writes, whichever of its lives writes it. The result ends it. */
  readonly watch: (listener: (commit: Commit, actor: Pick<DurableActor, 'snapshot'>) => void) => () => void
}

/** `cmd` is the command's identity: sent again under the same one, it is decided once. */
type SendOptions = Partial<Pick<Command, 'cmd' | 'cause' | 'corr' | 'trace' | 'who' | 'deadline'>>

// The time is put in by the host.
type Sendable<E> = E extends unknown ? Omit<E, 'at'> & { readonly at?: number } : never

/** A durable actor as XState knows actors: for `waitFor`, `sendTo`, `useSelector` and all that takes an actor. */
export type DurableHandle<M extends AnyStateMachine> = Omit<ActorRefFrom<M>, 'send' | 'stop'> & {
  /** Resolves when it is decided and journaled, or refused. It never rejects: nobody has to wait for it. */
  readonly send: (event: Sendable<EventFrom<M>>, options?: SendOptions) => Promise<Outcome>
  readonly stop: () => Promise<Outcome>
  /** Hears nothing more; the actor lives on. */
  [Symbol.dispose](): void
}

type Held = { readonly n: number; readonly snapshot: AnyMachineSnapshot }

/**
 * The handle of a durable actor. Its snapshot is that of the newest commit that this process knows.
 * @throws Error when there is no such actor
 */
export const handleOf = async <M extends AnyStateMachine>(
  ground: Pick<Ground, 'clock' | 'chance' | 'log'>,
  definition: Pick<Definition, 'events' | 'idInPayload'> & { readonly machine: M },
  residence: Residence,
): Promise<DurableHandle<M>> => {
  const name = addressOf(residence.self)
  const observers = createObservers<AnyMachineSnapshot, AnyEventObject>((error) =>
    ground.log.error({ actor: name, err: error }, 'what listens to the actor threw'),
  )
  const heard: { last?: Held } = {}
  const unwatch = residence.watch((commit, actor) => hear(name, heard, observers, commit, actor))
  const actor = await residence.find()
  const known = actor?.book()
  if (!actor || !known) {
    unwatch()
    throw new Error(`there is no ${name}: it has to be spawned by another actor, or be the root of its host`)
  }
  if ((heard.last?.n ?? 0) < known.n) heard.last = { n: known.n, snapshot: asEnded(name, snapshotOf(actor), known.state.status) }
  const getSnapshot = (): AnyMachineSnapshot => (heard.last as Held).snapshot
  const dispose = (): void => {
    unwatch()
    observers.clear()
  }
  const isChild = known.parent !== undefined
  const door = doorOf(ground, definition, residence)
  return reference(definition.machine, residence.self, door, { getSnapshot, observers, isChild, dispose }) as DurableHandle<M>
}

const snapshotOf = ({ snapshot }: Pick<DurableActor, 'snapshot'>): AnyMachineSnapshot => snapshot() as AnyMachineSnapshot

/** As XState has it: first the snapshot is changed, then what was emitted is heard, then the snapshot. */
const hear = (
  name: string,
  heard: { last?: Held },
  observers: Observers<AnyMachineSnapshot, AnyEventObject>,
  commit: Commit,
  actor: Pick<DurableActor, 'snapshot'>,
): void => {
  const { n, ev, em } = commit
  const before = heard.last
  const isChanged = before?.n !== n - 1 || changes(commit)
  heard.last = { n, snapshot: isChanged ? after(name, commit, actor) : before.snapshot }
  // What the host itself has to say of an actor is not emitted by the machine.
  if (!ev.type.startsWith('$')) for (const { ev: emitted } of em) observers.emit(emitted)
  if (isChanged) observers.next(heard.last.snapshot)
}

const changes = ({ ev, p }: Commit): boolean =>
  ev.type !== '$checkpoint' && ((p.set?.length ?? 0) > 0 || (p.del?.length ?? 0) > 0)

const after = (name: string, { ev }: Commit, actor: Pick<DurableActor, 'snapshot'>): AnyMachineSnapshot => {
  const status = ev.type === '$stop' ? 'stopped' : ev.type === '$stillborn' ? 'error' : undefined
  return asEnded(name, snapshotOf(actor), status, ev['error'])
}

/** The machine itself knows no stop and no stillbirth: the journal says how it ended. */
const asEnded = (name: string, snapshot: AnyMachineSnapshot, status: string | undefined, error?: unknown): AnyMachineSnapshot => {
  if (status === 'stopped') return { ...snapshot, status } as AnyMachineSnapshot
  if (status !== 'error') return snapshot
  return { ...snapshot, status, error: error ?? new Error(`${name} has ended in an error; its journal says which`) } as never
}

type Door = {
  readonly send: (event: AnyEventObject, options?: SendOptions) => Promise<Outcome>
  readonly stop: () => Promise<Outcome>
}

const doorOf = (
  { clock, chance }: Pick<Ground, 'clock' | 'chance'>,
  definition: Pick<Definition, 'events' | 'idInPayload'>,
  { self, route }: Residence,
): Door => {
  const deliver = (said: Said, { cmd = `handle/${chance.unique()}`, ...options }: SendOptions = {}): Promise<Outcome> =>
    route({ type: self.type, cmd, sentAt: clock.now(), ...options, ...said }).catch((error: unknown) => undecided(cmd, error))
  return {
    send: (event, options) =>
      /^(xstate\.|\$)/.test(event.type)
        ? Promise.resolve(refused(`${event.type} comes from the host: nobody else sends it`))
        : deliver(worded(definition, self, event), options),
    stop: () => deliver({ verb: '$Stop', id: self.id, payload: {} }),
  }
}

const refused = (detail: string): Outcome => ({ ok: false, why: 'refused', detail })

const undecided = (cmd: string, error: unknown): Outcome => ({
  ok: false,
  why: 'fenced',
  detail: `${failureOf(error).message}: send it again with the cmd ${cmd}, it is then decided once`,
})

type Said = Pick<Command, 'verb' | 'id' | 'payload'>

/** What may come from outside is said as a command; the rest as one actor tells another. */
const worded = (
  { events, idInPayload }: Pick<Definition, 'events' | 'idInPayload'>,
  { type: own, id }: Address,
  { type, at: _, ...payload }: AnyEventObject,
): Said =>
  events[type]?.command
    ? { verb: type.slice(own.length + 1), id: idInPayload ? undefined : id, payload }
    : { verb: '$Send', id, payload: { event: { type, ...payload } } }

type Hearing = {
  readonly getSnapshot: () => AnyMachineSnapshot
  readonly observers: Observers<AnyMachineSnapshot, AnyEventObject>
  readonly isChild: boolean
  readonly dispose: () => void
}
type Next = (snapshot: AnyMachineSnapshot) => void

/** The members of XState's ActorRef. */
const reference = (machine: AnyStateMachine, self: Address, { send, stop }: Door, hearing: Hearing): object => {
  const { getSnapshot, observers, isChild, dispose } = hearing
  const name = addressOf(self)
  const subscribe = (next?: Next | Observer<AnyMachineSnapshot>, error?: (error: unknown) => void, complete?: () => void) =>
    observers.subscribe(typeof next === 'object' ? next : observerOf(next, error, complete), getSnapshot())
  const handle = {
    id: self.id,
    sessionId: name,
    src: machine,
    send,
    /** What XState's own sendTo calls. */
    _send: (event: AnyEventObject): void => void send(event),
    start: (): void => {}, // it runs already, or what it is sent brings it back
    stop: () => {
      if (isChild) throw new Error(`${name} is a child: only its parent stops it`)
      return stop()
    },
    getSnapshot,
    getPersistedSnapshot: () => machine.getPersistedSnapshot(getSnapshot()),
    subscribe,
    select: selecting(getSnapshot, subscribe),
    on: observers.on,
    toJSON: () => self,
    [Symbol.dispose]: dispose,
    [(Symbol as { readonly observable?: symbol }).observable ?? '@@observable']: (): unknown => handle,
  }
  // Not among the properties that a logger or a comparison looks at.
  return Object.defineProperty(handle, 'system', {
    get: () => {
      throw new Error(`${name} belongs to no actor system: the host finds actors by <type>/<id>`)
    },
  })
}

const observerOf = (
  next: Next | undefined,
  error: ((error: unknown) => void) | undefined,
  complete: (() => void) | undefined,
): Observer<AnyMachineSnapshot> => ({ ...(next && { next }), ...(error && { error }), ...(complete && { complete }) })

const selecting =
  (getSnapshot: () => AnyMachineSnapshot, subscribe: (next: Next) => Subscription) =>
  <Selected>(select: (snapshot: AnyMachineSnapshot) => Selected, isSame: (a: Selected, b: Selected) => boolean = Object.is) => ({
    get: () => select(getSnapshot()),
    subscribe: (observer: Observer<Selected> | ((selected: Selected) => void)) => {
      const tell = typeof observer === 'function' ? observer : (selected: Selected) => observer.next?.(selected)
      let last = select(getSnapshot())
      return subscribe((snapshot) => {
        const selected = select(snapshot)
        if (isSame(last, selected)) return
        last = selected
        tell(selected)
      })
    },
  })
