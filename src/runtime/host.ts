import type { AnyStateMachine } from 'xstate'
import { z } from 'zod'
import type { DurableActor } from './actor.ts'
import { type Census, censusOf } from './census.ts'
import { pause } from './clock.ts'
import { define } from './define.ts'
import { failureOf } from './effects.ts'
import { type Book, remember } from './fold.ts'
import type { Ground } from './ground.ts'
import { type DurableHandle, handleOf } from './handle.ts'
import type { Command, Delivery, Leases, Message } from './inbox.ts'
import { Corrupt } from './journal.ts'
import { keep } from './keeper.ts'
import { STEP_MS } from './licence.ts'
import { type Refused, recover, written } from './recover.ts'
import { admitted, effectVerbs } from './refuse.ts'
import { replied } from './reply.ts'
import { createResidents, type Tenure } from './residents.ts'
import { type ActorDef, Address, addressOf, type Definition, type Outcome, type Refusal } from './types.ts'

export type HostOptions = {
  readonly ground: Ground
  readonly leases: Leases
  /** What this process offers to host. */
  readonly definitions: readonly Definition[]
  /** The actor that nobody spawns, and the id that commands without one mean. */
  readonly root: { readonly address: Address; readonly input?: unknown }
  /** Actor types that exist but that nobody here hosts: the root's host refuses their commands by name. */
  readonly unhosted?: readonly string[]
  /** How many actors are kept in memory; those beyond are in the journal until somebody needs them. Default `RESIDENTS`. */
  readonly residents?: number
}

/** `waiting`: another process holds the lease, or nobody answers who does. `since` is monotonic, ms. */
export type Serving = { readonly stage: 'waiting' | 'recovering' | 'serving'; readonly since: number }

export type Host = {
  /** Every actor in memory here that is alive or has something parked. */
  readonly actors: () => readonly DurableActor[]
  /** An actor hosted here, as XState knows actors. @throws Error when there is none, Corrupt when it may not act */
  readonly ref: <M extends AnyStateMachine>(definition: ActorDef<M>, id: string) => Promise<DurableHandle<M>>
  /** What is in memory here, by actor type. */
  readonly census: () => ReadonlyMap<string, Census>
  /** How far each offered type is. */
  readonly serving: () => ReadonlyMap<string, Serving>
  /** Keeps so many actors in memory from now on; those beyond that have nothing to do are put away. */
  readonly keep: (residents: number) => void
  /** Why actors may not act, by their name: their journal has a hole, or was written by a newer release. */
  readonly quarantined: () => ReadonlyMap<string, string>
  /** Resolves when every offered type is recovered and served. */
  readonly ready: Promise<void>
  /** Resolves when nothing is under way any more. */
  readonly stop: () => Promise<void>
}

const AGAIN_MS = 1_000
/** Actors that are kept in memory unless another number is asked for. */
export const RESIDENTS = 20_000
/** So many recovered actors claim their journals at once. */
const OPENINGS = 64

const withIdInPayload = (command: Command): Command =>
  command.verb.startsWith('$') || effectVerbs[command.verb] || typeof command.payload !== 'object'
    ? command
    : { ...command, id: undefined, payload: { id: command.id ?? command.cmd, ...command.payload } }

const Parented = z.object({ parent: Address.extend({ ref: z.string() }) })

const isShown = (known: Book | undefined): boolean =>
  known !== undefined && (known.state.status === 'active' || [...known.open.values()].some(({ parked }) => parked !== undefined))

/** Hosts actor types: lease, recovery, then commands; again whenever a lease is lost and won back. */
export const startHost = (options: HostOptions): Host => {
  const { ground, leases, root, definitions, unhosted = [] } = options
  const { journal, inbox, clock, log } = ground
  const life = new AbortController()
  const types = new Set([...definitions.map(({ type }) => type), ...unhosted])
  for (const definition of definitions) define(definition, types)
  const byType = new Map(definitions.map((definition) => [definition.type, definition]))
  /** Its signal aborts when the type's lease is lost: nothing of the type may live here then. */
  const tenures = new Map<string, Tenure>()
  /** By type. A repeat of what was refused for want of an actor is not accepted because there is one now. */
  const turnedAway = new Map<string, Refused>()
  /** Why a command was refused whose refusal nobody has acknowledged yet: it may be stored already, so it stands. */
  const turningAway = new Map<string, string>()
  const stages = new Map<string, Serving>()
  const enter = (type: string, stage: Serving['stage']): void => void stages.set(type, { stage, since: clock.monotonic() })
  for (const type of byType.keys()) enter(type, 'waiting')
  const tenureOf = (type: string): Tenure | undefined => tenures.get(type)
  const isHeld = (type: string): boolean => tenureOf(type)?.held.aborted === false
  const residents = createResidents({ ground, definitions: byType, tenureOf, most: options.residents ?? RESIDENTS })
  const readers = recover(journal, [...types])

  const hostType = async (definition: Definition, onReady: () => void): Promise<void> => {
    const { type } = definition
    while (!life.signal.aborted) {
      const lease = await leases.acquire(type, ground.process, life.signal)
      enter(type, 'recovering')
      const held = AbortSignal.any([lease.lost, life.signal])
      tenures.set(type, { held, quietAt: lease.quietAt })
      // At once, whatever else NATS keeps waiting.
      const lose = (): void => {
        enter(type, 'waiting')
        void residents.dismiss(type)
      }
      held.addEventListener('abort', lose, { once: true })
      await serveType(definition, held, onReady).catch(async (error: unknown) => {
        if (held.aborted) return
        log.error({ type, err: failureOf(error) }, 'actor type could not be served, trying again')
        await pause(clock, AGAIN_MS, life.signal)
      })
      if (!held.aborted) enter(type, 'waiting')
      tenures.set(type, { held: AbortSignal.abort(), quietAt: 0 })
      // Whoever gets the lease next may count on it: nothing of ours is under way.
      await Promise.race([residents.dismiss(type), pause(clock, STEP_MS)])
      await lease.release()
    }
  }

  const serveType = async (definition: Definition, held: AbortSignal, onReady: () => void): Promise<void> => {
    const { type } = definition
    const quietAt = tenureOf(type)?.quietAt ?? 0
    const readAt = clock.monotonic()
    const others = root.address.type === type ? unhosted : []
    const [{ books, corrupt, refused, upTo }, ...theirs] = await Promise.all([
      readers.read(type),
      ...others.map((other) => readers.read(other)),
    ])
    if (held.aborted) return
    turnedAway.set(type, refused)
    for (const [index, other] of others.entries()) turnedAway.set(other, theirs[index]?.refused ?? refused)
    for (const { actor, error } of corrupt) residents.quarantine(actor, error)
    const opening = openAll(
      books.map(({ actor, state }) => residents.admit(actor, state)),
      held,
    )
    if (root.address.type === type) await createRoot(books)
    const deliver = inOrder(definition, held)
    const ended = [
      keptUp(() => inbox.consume(type, deliver, held), held),
      keptUp(() => inbox.serve(type, called, held), held),
      keep(ground, definition, residents, held),
      opening,
      ...(quietAt > readAt ? [readOn(type, upTo, held)] : []),
    ]
    for (const other of others)
      ended.push(keptUp(() => inbox.consume(other, (delivery) => void refuseUnhosted(delivery, held), held), held))
    if (!held.aborted) enter(type, 'serving')
    onReady()
    await Promise.all(ended)
  }

  /** A late write of the owner before fences an actor once: it closes, and is then brought back like any other. */
  const openAll = async (admitted: readonly DurableActor[], held: AbortSignal): Promise<void> => {
    const queue = admitted.values()
    const worker = async (): Promise<void> => {
      for (const actor of queue) {
        if (held.aborted) return
        await actor.open().catch((error: unknown) => {
          log.warn({ actor: addressOf(actor.self), err: failureOf(error) }, 'actor not opened at once')
        })
      }
    }
    await Promise.all(Array.from({ length: OPENINGS }, worker))
  }

  /** What the owner before had under way when the journal was read: an actor that it began then would be nobody's. */
  const readOn = async (type: string, after: number, held: AbortSignal): Promise<void> => {
    await pause(clock, (tenureOf(type)?.quietAt ?? 0) - clock.monotonic(), held)
    const bring = async (): Promise<void> => {
      const { actors, refused } = await written(journal, type, { after, except: ground.process })
      for (const [cmd, ts] of refused.formed) remember(turnedAway.get(type)?.formed, cmd, ts)
      for (const [cmd, ts] of refused.malformed) remember(turnedAway.get(type)?.malformed, cmd, ts)
      for (const self of actors) await found(self)
    }
    await insist(bring, held, { type }, 'what was written late could not be read, trying again')
  }
  const found = async (self: Address): Promise<void> => {
    await Promise.resolve(residents.find(self)).catch((error: unknown) => {
      if (!(error instanceof Corrupt)) throw error // it is quarantined
    })
  }

  /** Begins again whatever ends before it should. */
  const keptUp = async (begin: () => Promise<void>, held: AbortSignal): Promise<void> => {
    while (!held.aborted) {
      await begin().catch((error: unknown) => log.warn({ err: failureOf(error) }, 'commands are not heard for a moment'))
      await pause(clock, AGAIN_MS, held)
    }
  }

  const createRoot = async (books: readonly { readonly actor: Address }[]): Promise<void> => {
    const { type, id } = root.address
    if (books.some(({ actor }) => actor.id === id) || residents.quarantined.has(addressOf(root.address))) return
    const payload = { input: { id, ...(root.input as object) } }
    await route({ type, id, verb: '$Spawn', cmd: `root/${id}`, payload, sentAt: clock.now() })
  }

  /** Commands of one actor wait for each other: one that has to be tried again is not overtaken. */
  const inOrder = ({ idInPayload }: Definition, held: AbortSignal): ((delivery: Delivery) => void) => {
    const newest = new Map<string, Promise<void>>()
    return (delivery) => {
      const { id } = delivery.command
      const lane = idInPayload || id === undefined ? root.address.id : id
      const decided = (newest.get(lane) ?? Promise.resolve()).then(() => untilDone(() => route(delivery.command), delivery, held))
      newest.set(lane, decided)
      void decided.then(() => newest.get(lane) === decided && newest.delete(lane))
    }
  }

  /** A stored command is ours until it is decided, however long NATS stays silent. */
  const untilDone = async (work: () => Promise<unknown>, { command, done }: Delivery, held: AbortSignal): Promise<void> => {
    if (await insist(work, held, { command: command.cmd }, 'command not decided yet, trying again')) done()
  }

  /** Tries again until it is done; false: the lease was lost before. */
  const insist = async (work: () => Promise<unknown>, held: AbortSignal, about: object, failure: string): Promise<boolean> => {
    while (!held.aborted) {
      try {
        await work()
        return true
      } catch (error) {
        if (held.aborted) return false
        log.warn({ ...about, err: failureOf(error) }, failure)
        await pause(clock, AGAIN_MS, held)
      }
    }
    return false
  }

  /** Commands on their way, by type and id: a repeat waits, and then finds out what became of the first. */
  const underWay = new Map<string, Promise<unknown>>()
  const route = async (sent: Command): Promise<Outcome> => {
    const name = `${sent.type}/${sent.cmd}`
    for (let first = underWay.get(name); first; first = underWay.get(name)) await first
    const decided = decide(sent)
    const over = decided.then(
      (outcome) => {
        underWay.delete(name)
        ground.meter?.decided(sent, outcome)
      },
      () => void underWay.delete(name),
    )
    underWay.set(name, over)
    return decided
  }

  /** The same for whoever waits for the answer. */
  const called = (command: Command): Promise<Outcome> => {
    const { type, verb, id } = command
    const definition = byType.get(type)
    const answer = definition?.events[`${type}.${verb}`]?.answer
    if (!answer) return route(command)
    const self = { type, id: definition?.idInPayload || id === undefined ? root.address.id : id }
    return replied({ clock, answer, send: () => route(command), watch: (listener) => residents.watch(self, listener) })
  }

  /** Brings a command to its actor, or says at the door why not. */
  const decide = async (sent: Command): Promise<Outcome> => {
    const definition = byType.get(sent.type)
    const command = admitted(definition?.idInPayload ? withIdInPayload(sent) : sent, definition, clock.now())
    if (typeof command === 'string') return turnAway(sent, command)
    const self = { type: command.type, id: command.id ?? root.address.id }
    const tenure = tenureOf(self.type)
    for (;;) {
      // Under another tenure somebody else may have decided it meanwhile: it is delivered again.
      if (tenureOf(self.type) !== tenure) throw new Error(`the lease of ${self.type} was lost meanwhile`)
      const outcome = decidedBefore(command) ?? (await attempt(command, self))
      if (typeof outcome === 'string') return turnAway(command, outcome, true)
      if (outcome) return outcome
      await residents.reopen(self)
    }
  }

  /** Refused before, or being refused: then why. */
  const decidedBefore = ({ type, cmd }: Command): Outcome | string | undefined =>
    turnedAway.get(type)?.formed.has(cmd)
      ? { ok: false, why: 'duplicate', detail: `${cmd} was refused before` }
      : turningAway.get(`${type}/${cmd}`)

  /** What its actor decides, or why there is nobody to decide. Undefined: the actor was closed meanwhile. */
  const attempt = async (command: Command, self: Address): Promise<Outcome | string | undefined> => {
    const name = addressOf(self)
    try {
      const found = await findFor(command, self)
      return found ? await found.receive(command) : `there is no ${name}`
    } catch (error) {
      if (error instanceof Corrupt) return `${name} is quarantined: ${error.message}`
      if (!isHeld(self.type)) throw error
      log.warn({ actor: name, command: command.cmd, err: failureOf(error) }, 'actor closed while deciding')
      return undefined
    }
  }

  /** Of a one-shot actor that is spawned nothing is known yet, as a rule. */
  const findFor = async ({ verb }: Command, self: Address): Promise<DurableActor | undefined> => {
    if (verb !== '$Spawn') return residents.find(self)
    return residents.find(self, byType.get(self.type)?.oneShot ? 'unread' : 'read')
  }

  const turnAway = async (command: Command, reason: string, formed = false): Promise<Outcome> => {
    const { type, verb, cmd, who } = command
    const ts = clock.now()
    const before = turnedAway.get(type)
    if (formed) turningAway.set(`${type}/${cmd}`, reason)
    // An actor's stop of what is not there any more is no refusal, and happens every day.
    const isSilent = (verb === '$Stop' && who === undefined) || (!formed && before?.malformed.has(cmd) === true)
    if (!isSilent) await journal.refuse(refusalOf(command, reason, formed, ts))
    const letter = letterOfRefusal(command, reason)
    if (letter) await inbox.send(letter)
    remember(formed ? before?.formed : before?.malformed, cmd, ts)
    turningAway.delete(`${type}/${cmd}`)
    return { ok: false, why: 'refused', detail: reason }
  }
  const refusalOf = ({ type, verb, id, cmd, who }: Command, reason: string, formed: boolean, ts: number): Refusal => ({
    f: 1,
    refused: { type, verb, ...(id !== undefined && { id }), reason, ...(formed && { formed }) },
    own: ground.process,
    ts,
    cmd,
    ...(who !== undefined && { who }),
  })
  /** A parent waits for its child: it hears that there will be none. */
  const letterOfRefusal = ({ payload, cmd, corr, verb }: Command, reason: string, name = 'Refused'): Message | undefined => {
    const parent = verb === '$Spawn' ? Parented.safeParse(payload).data?.parent : undefined
    if (!parent || !byType.has(parent.type)) return undefined
    const { ref, ...to } = parent
    const event = { type: `xstate.error.actor.${ref}`, actorId: ref, error: { name, message: reason } }
    return { to, verb: '$Child', key: `${cmd}/refused`, payload: { event }, corr: corr ?? cmd }
  }

  const refuseUnhosted = (delivery: Delivery, held: AbortSignal): Promise<void> => {
    const { command } = delivery
    const reason = `no process offers to host ${command.type}`
    const letter = letterOfRefusal(command, reason, 'NotHosted')
    return untilDone(() => (letter ? inbox.send(letter) : turnAway(command, reason)), delivery, held)
  }

  const serving = definitions.map((definition) => {
    let onReady: () => void = () => {}
    const ready = new Promise<void>((resolve) => {
      onReady = resolve
    })
    return { ready, ended: hostType(definition, onReady) }
  })
  const failed = Promise.all(serving.map(({ ended }) => ended)).then(() => {})
  return {
    actors: () => residents.all().filter((actor) => isShown(actor.book())),
    ref: (definition, id) => {
      const self = { type: definition.type, id }
      const watch = residents.watch.bind(undefined, self)
      return handleOf(ground, definition, { self, find: async () => residents.find(self), route: called, watch })
    },
    census: () => censusOf(residents.all()),
    serving: () => stages,
    keep: residents.limit,
    quarantined: () => residents.quarantined,
    ready: Promise.race([Promise.all(serving.map(({ ready }) => ready)).then(() => {}), failed]),
    stop: async () => {
      life.abort(new Error('the host stops'))
      await failed.catch(() => {})
    },
  }
}
