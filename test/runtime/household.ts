import { createActor, type DurableActor } from '../../src/runtime/actor.ts'
import { systemChance } from '../../src/runtime/chance.ts'
import type { Ground, Log } from '../../src/runtime/ground.ts'
import type { Residence } from '../../src/runtime/handle.ts'
import type { Command } from '../../src/runtime/inbox.ts'
import { unrestricted } from '../../src/runtime/licence.ts'
import { load } from '../../src/runtime/recover.ts'
import { admitted } from '../../src/runtime/refuse.ts'
import { memoryInbox } from '../../src/runtime/testing/memory-inbox.ts'
import { type MemoryJournal, memoryJournal } from '../../src/runtime/testing/memory-journal.ts'
import { type VirtualClock, virtualClock } from '../../src/runtime/testing/virtual-clock.ts'
import { createTimers } from '../../src/runtime/timers.ts'
import { type Address, addressOf, type Commit, type Definition, type Outcome } from '../../src/runtime/types.ts'

type Listener = Parameters<Residence['watch']>[0]

export type Household = {
  readonly ground: Ground
  readonly journal: MemoryJournal
  readonly clock: VirtualClock
  readonly residence: (self: Address) => Residence
  readonly spawn: (self: Address, input?: unknown, parent?: Address & { readonly ref: string }) => Promise<Outcome>
  /** Closes the actor, as when it is idle for long; who asks for it next brings it back. */
  readonly putAway: (self: Address) => void
  /** From now on commands are not decided any more. */
  readonly shut: () => void
  /** What was logged as an error. */
  readonly errors: unknown[]
}

/** The least host: actors over a journal in memory, brought back by whoever asks for them. */
export const household = (definitions: readonly Definition[], process = 'home', journal = memoryJournal()): Household => {
  const clock = virtualClock()
  const errors: unknown[] = []
  const quiet = (): void => {}
  const log: Log = {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: (fields) => void errors.push((fields as { err?: unknown }).err),
  }
  const ground: Ground = {
    process,
    journal,
    inbox: memoryInbox(clock.now),
    clock,
    chance: systemChance,
    timers: createTimers(clock),
    licence: unrestricted,
    log,
  }
  const actors = new Map<string, DurableActor>()
  const listeners = new Map<string, Set<Listener>>()
  let isShut = false
  const definitionOf = ({ type }: Address): Definition => {
    const found = definitions.find((definition) => definition.type === type)
    if (!found) throw new Error(`nobody hosts ${type}`)
    return found
  }
  const find = async (self: Address, create = false): Promise<DurableActor | undefined> => {
    const name = addressOf(self)
    const known = await load(ground, definitionOf(self), self)
    const present = actors.get(name)
    if (present || !(known || create)) return present
    const actor = createActor(ground, definitionOf(self), self, { known })
    actors.set(name, actor)
    actor.watch((commit: Commit) => {
      for (const listener of listeners.get(name) ?? []) listener(commit, actor)
    })
    await actor.open()
    return actor
  }
  const route = async (sent: Command): Promise<Outcome> => {
    if (isShut) throw new Error('the lease is lost')
    const command = admitted(sent, definitionOf({ type: sent.type, id: '' }), clock.now())
    if (typeof command === 'string') return { ok: false, why: 'refused', detail: command }
    const actor = await find({ type: command.type, id: command.id ?? 'root' }, command.verb === '$Spawn')
    return actor ? actor.receive(command) : { ok: false, why: 'refused', detail: 'there is none' }
  }
  return {
    ground,
    journal,
    clock,
    errors,
    residence: (self) => ({
      self,
      find: () => find(self),
      route,
      watch: (listener) => {
        const name = addressOf(self)
        const heard = listeners.get(name) ?? new Set()
        listeners.set(name, heard.add(listener))
        return () => heard.delete(listener)
      },
    }),
    spawn: ({ type, id }, input, parent) =>
      route({ type, id, verb: '$Spawn', cmd: systemChance.unique(), payload: { input, parent }, sentAt: clock.now() }),
    putAway: (self) => {
      actors.get(addressOf(self))?.close(new Error('put away'))
      actors.delete(addressOf(self))
    },
    shut: () => {
      isShut = true
    },
  }
}
