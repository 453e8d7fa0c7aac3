import { createActor, type DurableActor } from './actor.ts'
import { pause } from './clock.ts'
import { failureOf } from './effects.ts'
import { type Book, snapshotOf } from './fold.ts'
import type { Ground } from './ground.ts'
import { Corrupt } from './journal.ts'
import { load } from './recover.ts'
import { createSlots } from './slots.ts'
import { type Address, addressOf, type Commit, type Definition } from './types.ts'

/** How long a process holds an actor type, and from when (monotonic) nothing of the holder before can be under way. */
export type Tenure = { readonly held: AbortSignal; readonly quietAt: number }

export type Residents = {
  /** Every actor in memory. */
  readonly all: () => readonly DurableActor[]
  /** Why an actor may not act, by its name. */
  readonly quarantined: ReadonlyMap<string, string>
  readonly quarantine: (self: Address, error: Corrupt) => void
  /**
   * The actor, brought back from the journal if need be. With `create` there is one afterwards: a new one if the journal
   * has none, or, where 'unread', without having asked it: the fence tells if that was wrong. @throws Corrupt, Unanswered
   */
  readonly find: (self: Address, create?: 'read' | 'unread') => DurableActor | Promise<DurableActor | undefined>
  /** Takes in an actor that was folded, and is to be opened, or one of which nothing is known. */
  readonly admit: (self: Address, state?: Book) => DurableActor
  /** After a fence or an error: the journal says what is true. */
  readonly reopen: (self: Address) => Promise<void>
  /** Hears every commit of an actor that this process writes, in whichever of its lives. The result ends it. */
  readonly watch: (self: Address, listener: Listener) => () => void
  /** So many are kept from now on. */
  readonly limit: (most: number) => void
  /** Forgets every actor of a type; resolves when none of their effects is under way. */
  readonly dismiss: (type: string) => Promise<void>
}

type Listener = (commit: Commit, actor: DurableActor) => void

type Options = {
  readonly ground: Ground
  readonly definitions: ReadonlyMap<string, Definition>
  readonly tenureOf: (type: string) => Tenure | undefined
  /** At first; more than these are kept in the journal only, until somebody needs them. */
  readonly most: number
}

/** It has nothing to do and nobody asks for it: it is in the journal. */
class PutAway extends Error {
  override name = 'PutAway'
}

const REOPEN_MS = 1_000
const SWEEP_MS = 1_000
/** Of a cached snapshot's age in commits: reading so many takes milliseconds. */
const SNAPSHOT_EVERY = 100
/** An actor that remembers many command ids has a large snapshot: per commit it costs no more than writing ten of them. */
const intervalOf = (actor: DurableActor): number => Math.max(SNAPSHOT_EVERY, (actor.book()?.cmds.size ?? 0) / 10)
/** Whoever was asked for so recently may not have been given its command yet. */
const USED_MS = 1_000
/** Whose timer is due so soon is not put away: many that are due together would push each other out. */
const SOON_MS = 10_000
/** Among the longest unused, so many more are looked at than have to be put away. */
const LOOKED_AT = 64

/** What is parked waits for a person, as long as it takes. */
const hasOnlyParked = ({ open }: Book): boolean => open.size > 0 && [...open.values()].every(({ parked }) => parked !== undefined)

/** When the next timer of an actor is due, epoch ms. */
const dueOf = (actor: DurableActor): number => {
  let due = Number.POSITIVE_INFINITY
  for (const timer of actor.book()?.timers.values() ?? []) due = Math.min(due, timer.due)
  return due
}

/** The actors of a process that are in memory: found, brought back, put away when they are idle, reopened when fenced. */
export const createResidents = ({ ground, definitions, tenureOf, ...options }: Options): Residents => {
  const { clock, log } = ground
  const slots = createSlots()
  let most = options.most
  /** In the order of their last use. */
  const actors = new Map<string, DurableActor>()
  const usedAt = new WeakMap<DurableActor, number>()
  const bringing = new Map<string, Promise<DurableActor | undefined>>()
  /** What wakes an actor that was put away with a timer. */
  const asleep = new Map<string, { readonly type: string; readonly disarm: () => void }>()
  const ended = new Set<DurableActor>()
  /** By type: resolves when nothing of an actor is under way any more. */
  const leaving = new Map<string, Set<Promise<void>>>()
  const reopenedAt = new Map<string, number>()
  const quarantined = new Map<string, string>()
  const listeners = new Map<string, Set<Listener>>()
  const isHeld = (type: string): boolean => tenureOf(type)?.held.aborted === false

  const quarantine = (self: Address, error: Corrupt): void => {
    const name = addressOf(self)
    log.error({ actor: name, err: error }, 'actor quarantined: its journal can not be gone on with')
    quarantined.set(name, error.message)
    const refused = { type: self.type, verb: '$Open', id: self.id, reason: error.message }
    const cmd = `quarantine/${name}/${ground.process}`
    void ground.journal
      .refuse({ f: 1, refused, own: ground.process, ts: clock.now(), cmd })
      .catch((failure: unknown) => log.warn({ actor: name, err: failureOf(failure) }, 'the quarantine could not be told'))
  }

  const definitionOf = ({ type }: Address): Definition => {
    const definition = definitions.get(type)
    if (!definition) throw new Error(`nobody hosts ${type}`)
    return definition
  }

  const take = (self: Address, known?: Book): DurableActor => {
    const name = addressOf(self)
    const conditions = { slots, quietAt: tenureOf(self.type)?.quietAt ?? Number.NEGATIVE_INFINITY }
    const actor = createActor(ground, definitionOf(self), self, { known, conditions })
    asleep.get(name)?.disarm()
    asleep.delete(name)
    touch(name, actor)
    let cachedAt = known?.n ?? 0
    actor.watch((commit) => {
      for (const listener of listeners.get(name) ?? []) listener(commit, actor)
      if (commit.n - cachedAt >= intervalOf(actor)) {
        cachedAt = commit.n
        cache(actor)
      }
      if (actor.book()?.state.status !== 'active') isOver(actor)
    })
    void actor.closed.then((why) => left(actor, why))
    const gone = actor.closed.then(actor.quiet).finally(() => leaving.get(self.type)?.delete(gone))
    leaving.set(self.type, (leaving.get(self.type) ?? new Set()).add(gone))
    makeRoom()
    return actor
  }

  const left = (actor: DurableActor, why: Error): void => {
    const name = addressOf(actor.self)
    const isOurs = actors.get(name) === actor
    if (isOurs) actors.delete(name)
    if (why instanceof PutAway) return
    if (why instanceof Corrupt) quarantine(actor.self, why)
    else if (isOurs && isHeld(actor.self.type)) {
      log.warn({ actor: name, why: why.message }, 'actor closed, it is opened again')
      void reopen(actor.self).catch(() => {}) // it ends with the lease
    }
  }

  const cache = (actor: DurableActor): void => {
    const known = actor.book()
    if (!known || !ground.snapshots) return
    void ground.snapshots
      .put(actor.self, snapshotOf(known))
      .catch((error: unknown) => log.debug({ actor: addressOf(actor.self), err: failureOf(error) }, 'no snapshot kept'))
  }

  // Ended actors go as soon as nothing of them is under way.
  let sweeping = false
  const sweepSoon = (): void => {
    if (sweeping) return
    sweeping = true
    clock.after(SWEEP_MS, sweep)
  }
  const sweep = (): void => {
    sweeping = false
    for (const actor of [...ended]) {
      const known = actor.book()
      const isWaiting = known && known.state.status !== 'active' && !hasOnlyParked(known)
      if (isWaiting && !actor.isIdle()) continue
      ended.delete(actor)
      if (isWaiting) putAway(actor)
    }
    makeRoom()
    if (ended.size > 0) sweepSoon()
  }
  const isOver = (actor: DurableActor): void => {
    ended.add(actor)
    sweepSoon()
  }

  const putAway = (actor: DurableActor): void => {
    const name = addressOf(actor.self)
    if (actors.get(name) !== actor) return
    actors.delete(name)
    const known = actor.book()
    const due = dueOf(actor)
    actor.close(new PutAway('idle'))
    if (known && known.n % SNAPSHOT_EVERY !== 0 && known.n > SNAPSHOT_EVERY) cache(actor)
    if (Number.isFinite(due))
      asleep.set(name, { type: actor.self.type, disarm: ground.timers.arm(due, () => wake(name, actor.self)) })
  }
  const wake = (name: string, self: Address): void => {
    asleep.delete(name)
    if (!isHeld(self.type)) return
    void Promise.resolve(find(self)).catch((error: unknown) => {
      log.error({ actor: name, err: failureOf(error) }, 'actor could not be woken, trying again')
      clock.after(REOPEN_MS, () => wake(name, self))
    })
  }

  const makeRoom = (): void => {
    if (actors.size <= most) return
    let looks = actors.size - most + LOOKED_AT
    for (const [name, actor] of actors) {
      if (actors.size <= most || looks-- === 0) break
      if (isUnused(actor)) putAway(actor)
      else queue(name, actor)
    }
    if (actors.size > most) sweepSoon()
  }
  const isUnused = (actor: DurableActor): boolean =>
    actor.isIdle() && clock.monotonic() - (usedAt.get(actor) ?? 0) > USED_MS && dueOf(actor) > clock.now() + SOON_MS
  const queue = (name: string, actor: DurableActor): void => {
    actors.delete(name)
    actors.set(name, actor)
  }
  const touch = (name: string, actor: DurableActor): void => {
    usedAt.set(actor, clock.monotonic())
    queue(name, actor)
  }

  const find: Residents['find'] = (self, create) => {
    const name = addressOf(self)
    const reason = quarantined.get(name)
    if (reason !== undefined) return Promise.reject(new Corrupt(reason))
    const pending = bringing.get(name)
    if (pending)
      return create
        ? coming(
            name,
            pending.then((found) => found ?? take(self)),
          )
        : pending
    const known = actors.get(name)
    if (known) {
      touch(name, known)
      return known
    }
    if (create === 'unread') return take(self)
    return coming(name, create ? bring(self).then((found) => found ?? take(self)) : bring(self))
  }

  /** Invariant: whoever waits for an actor gets it before those who ask later. */
  const coming = (name: string, brought: Promise<DurableActor | undefined>): Promise<DurableActor | undefined> => {
    const over = (): void => {
      if (bringing.get(name) === brought) bringing.delete(name)
    }
    brought.then(over, over)
    bringing.set(name, brought)
    return brought
  }

  const bring = async (self: Address): Promise<DurableActor | undefined> => {
    try {
      const tenure = tenureOf(self.type)
      const state = await load(ground, definitionOf(self), self)
      // Won back meanwhile, everything was read anew: what was begun under the lease before is not mixed with it.
      if (tenureOf(self.type) !== tenure || !isHeld(self.type)) throw new Error(`the lease of ${self.type} was lost meanwhile`)
      if (!state) return undefined
      const actor = take(self, state)
      await actor.open()
      if (state.state.status !== 'active') isOver(actor)
      return actor
    } catch (error) {
      if (error instanceof Corrupt && !quarantined.has(addressOf(self))) quarantine(self, error)
      throw error
    }
  }

  const reopen = async (self: Address): Promise<void> => {
    const name = addressOf(self)
    const tenure = tenureOf(self.type)
    // Under another tenure everything is read anew anyway.
    const isDue = (): boolean =>
      tenureOf(self.type) === tenure && isHeld(self.type) && !actors.has(name) && !quarantined.has(name)
    while (isDue()) {
      const soonest = (reopenedAt.get(name) ?? Number.NEGATIVE_INFINITY) + REOPEN_MS
      if (soonest > clock.monotonic()) await pause(clock, soonest - clock.monotonic(), tenure?.held)
      if (!isDue()) return
      reopenedAt.set(name, clock.monotonic())
      try {
        await (bringing.get(name) ?? coming(name, bring(self)))
        return
      } catch (error) {
        if (isDue()) log.error({ actor: name, err: failureOf(error) }, 'actor could not be reopened, trying again')
      }
    }
  }

  const watch: Residents['watch'] = (self, listener) => {
    const name = addressOf(self)
    const known = listeners.get(name) ?? new Set()
    listeners.set(name, known.add(listener))
    return () => {
      known.delete(listener)
      if (known.size === 0 && listeners.get(name) === known) listeners.delete(name)
    }
  }

  const dismiss = async (type: string): Promise<void> => {
    for (const actor of [...actors.values()]) if (actor.self.type === type) actor.close(new Error('the lease is lost'))
    for (const name of bringing.keys()) if (name.startsWith(`${type}/`)) bringing.delete(name)
    for (const [name, sleeper] of asleep) {
      if (sleeper.type !== type) continue
      sleeper.disarm()
      asleep.delete(name)
    }
    for (const name of quarantined.keys()) if (name.startsWith(`${type}/`)) quarantined.delete(name)
    await Promise.all([...(leaving.get(type) ?? [])])
  }

  return {
    all: () => [...actors.values()],
    quarantined,
    quarantine,
    find,
    admit: take,
    reopen,
    watch,
    limit: (count) => {
      most = count
      makeRoom()
    },
    dismiss,
  }
}
