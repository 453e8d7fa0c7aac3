import { z } from 'zod'
import { createActor, type DurableActor } from './actor.ts'
import { pause } from './clock.ts'
import { failureOf } from './effects.ts'
import { type Book, book } from './fold.ts'
import type { Ground } from './ground.ts'
import type { Command, Delivery, Leases } from './inbox.ts'
import { recover } from './recover.ts'
import { refusalOf } from './refuse.ts'
import { Address, addressOf, type Definition, type Outcome } from './types.ts'

export type HostOptions = {
  readonly ground: Ground
  readonly leases: Leases
  /** What this process offers to host. */
  readonly definitions: readonly Definition[]
  /** The actor that nobody spawns, and the id that commands without one mean. */
  readonly root: { readonly address: Address; readonly input?: unknown }
  /** Actor types that exist but that nobody here hosts: the root's host refuses their commands by name. */
  readonly unhosted?: readonly string[]
}

export type Host = {
  /** Every actor that is alive here. */
  readonly actors: () => readonly DurableActor[]
  /** Resolves when every offered type is recovered and served. */
  readonly ready: Promise<void>
  readonly stop: () => Promise<void>
}

const REOPEN_MS = 1_000

const withIdInPayload = (command: Command): Command =>
  command.verb.startsWith('$') || typeof command.payload !== 'object'
    ? command
    : { ...command, id: undefined, payload: { id: command.id ?? command.cmd, ...command.payload } }

const Parented = z.object({ parent: Address.extend({ ref: z.string() }) })

/** Whether the actor has something to do by itself: alive, or with messages or effects that are owed. */
const owes = ({ state, open }: Book): boolean =>
  state.status === 'active' || [...open.values()].some(({ parked }) => parked === undefined)

/** Hosts actor types: lease, recovery, then commands; again whenever a lease is lost and won back. */
export const startHost = ({ ground, leases, definitions, root, unhosted = [] }: HostOptions): Host => {
  const { journal, inbox, clock, log } = ground
  const life = new AbortController()
  const byType = new Map(definitions.map((definition) => [definition.type, definition]))
  const actors = new Map<string, DurableActor>()
  /** Ended actors: only their books, until somebody wakes them. */
  const books = new Map<string, Book>()
  const reopening = new Map<string, Promise<DurableActor>>()
  const readers = recover(journal, [...byType.keys()])
  /** Aborts when the type's lease is lost: nothing of the type may live here then. */
  const holds = new Map<string, AbortSignal>()
  const isHeld = (type: string): boolean => holds.get(type)?.aborted === false

  const hostType = async (definition: Definition, onReady: () => void): Promise<void> => {
    while (!life.signal.aborted) {
      const lease = await leases.acquire(definition.type, ground.process, life.signal)
      const held = AbortSignal.any([lease.lost, life.signal])
      holds.set(definition.type, held)
      await serveType(definition, held, onReady).catch(async (error: unknown) => {
        if (life.signal.aborted) return
        log.error({ type: definition.type, err: failureOf(error) }, 'actor type could not be served, trying again')
        await pause(clock, REOPEN_MS, life.signal)
      })
      dismiss(definition.type)
      await lease.release()
    }
  }
  const dismiss = (type: string): void => {
    holds.set(type, AbortSignal.abort())
    for (const actor of actors.values()) if (actor.self.type === type) actor.close(new Error('the lease is lost'))
    for (const name of books.keys()) if (name.startsWith(`${type}/`)) books.delete(name)
  }

  const serveType = async (definition: Definition, held: AbortSignal, onReady: () => void): Promise<void> => {
    const { type } = definition
    const { books: recovered, corrupt } = await readers.read(type)
    for (const { actor, error } of corrupt)
      log.error({ actor: addressOf(actor), err: error }, 'actor quarantined: its journal can not be folded')
    for (const { actor, state } of recovered) await revive(definition, actor, state)
    const isQuarantined = corrupt.some(({ actor }) => addressOf(actor) === addressOf(root.address))
    if (root.address.type === type && !isQuarantined && !actors.has(addressOf(root.address))) await createRoot()
    const ended = [
      keptUp(() => inbox.consume(type, (delivery) => void receive(delivery, held), held), held),
      keptUp(() => inbox.serve(type, route, held), held),
    ]
    if (root.address.type === type)
      for (const other of unhosted)
        ended.push(keptUp(() => inbox.consume(other, (delivery) => void refuseUnhosted(delivery, held), held), held))
    onReady()
    await Promise.all(ended)
  }

  /** Begins again whatever ends before it should. */
  const keptUp = async (begin: () => Promise<void>, held: AbortSignal): Promise<void> => {
    while (!held.aborted) {
      await begin().catch((error: unknown) => log.warn({ err: failureOf(error) }, 'commands are not heard for a moment'))
      await pause(clock, REOPEN_MS, held)
    }
  }

  const revive = async (definition: Definition, self: Address, state: Book): Promise<void> => {
    if (!owes(state)) books.set(addressOf(self), state)
    // A late write of the owner before fences us once; the actor is then opened again like any other.
    else
      await adopt(definition, self, state)
        .open()
        .catch((error: unknown) => log.warn({ err: failureOf(error) }, 'not opened at once'))
  }

  const createRoot = async (): Promise<void> => {
    const { type, id } = root.address
    const payload = { input: { id, ...(root.input as object) } }
    await route({ type, id, verb: '$Spawn', cmd: `root/${id}`, payload, sentAt: clock.now() })
  }

  const adopt = (definition: Definition, self: Address, known?: Book): DurableActor => {
    const name = addressOf(self)
    const actor = createActor(ground, definition, self, known)
    actors.set(name, actor)
    books.delete(name)
    void actor.closed.then((why) => {
      if (actors.get(name) === actor) actors.delete(name)
      if (!life.signal.aborted) log.warn({ actor: name, why: why.message }, 'actor closed')
      if (!isHeld(self.type) || actors.has(name)) return
      const state = actor.book()
      if (state && !owes(state)) books.set(name, state)
      else void reopen(definition, self).catch(() => {}) // it ends with the lease
    })
    return actor
  }

  /** After a fence or an error: the journal says what is true. */
  const reopen = (definition: Definition, self: Address): Promise<DurableActor> => {
    const name = addressOf(self)
    const known = reopening.get(name)
    if (known) return known
    const opened = (async () => {
      for (;;) {
        await pause(clock, REOPEN_MS, holds.get(self.type))
        if (!isHeld(self.type)) throw new Error(`the lease of ${self.type} is lost`)
        try {
          let state: Book | undefined
          await journal.read(self, 0, ({ seq, commit }) => {
            state = book(state, self, commit, seq)
          })
          const actor = adopt(definition, self, state)
          await actor.open()
          return actor
        } catch (error) {
          log.error({ actor: name, err: failureOf(error) }, 'actor could not be reopened, trying again')
        }
      }
    })().finally(() => reopening.delete(name))
    opened.catch(() => {})
    reopening.set(name, opened)
    return opened
  }

  const find = (definition: Definition, self: Address, create: boolean): DurableActor | Promise<DurableActor> | undefined => {
    const name = addressOf(self)
    const state = books.get(name)
    // While an actor is being opened it is among `actors` already: who waits for it comes first.
    return reopening.get(name) ?? actors.get(name) ?? (state || create ? adopt(definition, self, state) : undefined)
  }

  /** A stored command is ours until it is decided, however long NATS stays silent. */
  const receive = (delivery: Delivery, held: AbortSignal): Promise<void> =>
    untilDone(() => route(delivery.command), delivery, held)

  const untilDone = async (work: () => Promise<unknown>, { command, done }: Delivery, held: AbortSignal): Promise<void> => {
    while (!held.aborted) {
      try {
        await work()
        return done()
      } catch (error) {
        if (held.aborted) return
        log.warn({ command: command.cmd, err: failureOf(error) }, 'command not decided yet, trying again')
        await pause(clock, REOPEN_MS, held)
      }
    }
  }

  /** Brings a command to its actor, or says at the door why not. */
  const route = async (sent: Command): Promise<Outcome> => {
    const definition = byType.get(sent.type)
    const command = definition?.idInPayload ? withIdInPayload(sent) : sent
    const self = { type: command.type, id: command.id ?? root.address.id }
    const refusal = refusalOf(command, definition)
    if (refusal !== undefined || !definition) return refuse(command, refusal ?? `nobody hosts ${command.type}`)
    for (;;) {
      const actor = find(definition, self, command.verb === '$Spawn')
      if (!actor) return command.verb.startsWith('$') ? unknown(self) : refuse(command, unknown(self).detail)
      const found = actor instanceof Promise ? await actor : actor
      try {
        return await found.receive(command)
      } catch (error) {
        if (!isHeld(self.type)) throw error
        log.warn(
          { actor: addressOf(self), command: command.cmd, err: failureOf(error) },
          'actor closed while deciding, trying again',
        )
        if (actors.get(addressOf(self)) === found) actors.delete(addressOf(self))
        await reopen(definition, self)
      }
    }
  }
  const unknown = (self: Address) => ({ ok: false, why: 'refused', detail: `there is no ${addressOf(self)}` }) as const

  const refuse = async ({ type, verb, id, cmd }: Command, reason: string): Promise<Outcome> => {
    await journal.refuse({
      f: 1,
      refused: { type, verb, ...(id !== undefined && { id }), reason },
      own: ground.process,
      ts: clock.now(),
      cmd,
    })
    return { ok: false, why: 'refused', detail: reason }
  }

  const refuseUnhosted = (delivery: Delivery, held: AbortSignal): Promise<void> => {
    const { command } = delivery
    const reason = `no process offers to host ${command.type}`
    const parent = Parented.safeParse(command.payload).data?.parent
    if (!parent || !byType.has(parent.type)) return untilDone(() => refuse(command, reason), delivery, held)
    const { ref, ...to } = parent
    const type = `xstate.error.actor.${ref}`
    const event = { type, actorId: ref, error: { name: 'NotHosted', message: reason } }
    const letter = { to, verb: '$Child', key: `${command.cmd}/refused`, payload: { event }, corr: command.cmd } as const
    return untilDone(() => inbox.send(letter), delivery, held)
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
    actors: () => [...actors.values()].filter((actor) => actor.book()?.state.status === 'active'),
    ready: Promise.race([Promise.all(serving.map(({ ready }) => ready)).then(() => {}), failed]),
    stop: async () => {
      life.abort(new Error('the host stops'))
      for (const actor of actors.values()) actor.close(new Error('the host stops'))
      await failed.catch(() => {})
    },
  }
}
