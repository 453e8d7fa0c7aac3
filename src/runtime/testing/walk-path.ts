import { systemChance } from '../chance.ts'
import type { Failure } from '../effects.ts'
import { type Book, book } from '../fold.ts'
import type { Ground, KillPoint, Log } from '../ground.ts'
import { startHost } from '../host.ts'
import type { Inbox, Message } from '../inbox.ts'
import { unrestricted } from '../licence.ts'
import { createTimers } from '../timers.ts'
import {
  type Address,
  addressOf,
  type Commit,
  type Definition,
  type EffectDef,
  type Intent,
  type JournaledEvent,
} from '../types.ts'
import { type MemoryInbox, memoryInbox } from './memory-inbox.ts'
import { type MemoryJournal, memoryJournal } from './memory-journal.ts'
import { freeLeases } from './memory-leases.ts'
import type { Surroundings } from './paths.ts'
import { virtualClock } from './virtual-clock.ts'

type Step = { readonly point: KillPoint; readonly nth: number }
type Run = { readonly key: string; readonly name: string }

/** One way through a machine, walked in hosts over a journal in memory. */
export type Walk = {
  readonly self: Address
  readonly commits: readonly Commit[]
  /** Commands that were sent, and those of them that nobody has decided. */
  readonly asked: readonly string[]
  readonly waiting: readonly string[]
  readonly runs: readonly Run[]
  /** Messages to other actors, each once. */
  readonly sent: readonly Message[]
  /** Every step that was reached, and how many events of the path had begun by then. */
  readonly reached: readonly (Step & { readonly begun: number })[]
}

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const never = new Promise<never>(() => {})
/** Longer than completions wait for a commit to ride on. */
const FLUSHED_MS = 60

/** @param kill the step at which the first process is killed; a second one takes over */
export const walk = async (
  definition: Definition,
  self: Address,
  surroundings: Surroundings,
  path: readonly JournaledEvent[],
  kill?: Step,
): Promise<Walk> => {
  const clock = virtualClock()
  const journal = memoryJournal()
  const inbox = memoryInbox(clock.now)
  const known = (): Book | undefined => bookOf(journal, self)
  const world = effectWorld(definition, (key) => known()?.open.get(key))
  const reached: (Step & { readonly begun: number })[] = []
  const counts = new Map<KillPoint, number>()
  let begun = 0
  let isDead = false
  const reach = (point: KillPoint): Promise<void> => {
    if (isDead) return never
    const nth = counts.get(point) ?? 0
    counts.set(point, nth + 1)
    reached.push({ point, nth, begun })
    isDead = point === kill?.point && nth === kill.nth
    return isDead ? never : Promise.resolve()
  }
  const start = (name: string, onReach?: Ground['reach']) =>
    startHost({
      ground: {
        process: name,
        journal,
        inbox: withoutOthers(inbox, definition.type),
        clock,
        chance: systemChance,
        timers: createTimers(clock),
        licence: unrestricted,
        log: silent,
        ...(onReach && { reach: onReach }),
      },
      leases: freeLeases,
      definitions: [{ ...definition, effects: world.effects }],
      root: { address: { type: 'nobody', id: self.id } },
      unhosted: Object.values(definition.children ?? {}).map(({ type }) => type),
    })

  const first = start('first', reach)
  let second: typeof first | undefined
  /** Whoever is killed says no goodbye, and somebody else takes over. */
  const takenOver = async (): Promise<void> => {
    await clock.advance(FLUSHED_MS)
    if (!isDead || second) return
    void first.stop()
    second = start('second')
    await clock.advance(FLUSHED_MS)
  }
  const asked: string[] = []
  const ask = async (verb: Message['verb'], payload: unknown): Promise<void> => {
    const key = `path/${asked.length}`
    asked.push(key)
    await inbox.send({ to: self, verb, key, payload, corr: key })
  }

  await ask('$Spawn', { input: surroundings.input, parent: { type: 'parent', id: 'one', ref: 'child' } })
  await takenOver()
  for (const event of path) {
    begun++
    const { type, at: _, ...payload } = event
    const timer = known()?.timers.get(type)
    const effect = [...(known()?.open.values() ?? [])].find(({ kind, ref }) => kind === 'invoke' && ref === event['actorId'])
    const command = definition.events[type]?.command
    if (timer) await clock.advance(Math.max(0, timer.due - clock.now()))
    else if (effect) world.end(effect.key, event)
    else if (command) {
      const cmd = `path/${asked.length}`
      asked.push(cmd)
      inbox.publish(self.type, type.slice(self.type.length + 1), payload, cmd, self.id)
    } else await ask(type.startsWith('xstate.') ? '$Child' : '$Send', { event })
    await takenOver()
  }
  await (second ?? first).stop()
  const sent = new Map(inbox.sent.filter(({ to }) => addressOf(to) !== addressOf(self)).map((message) => [message.key, message]))
  return {
    self,
    commits: journal.of(self),
    asked,
    waiting: inbox.waiting().flatMap(({ type, cmd }) => (type === self.type ? [cmd] : [])),
    runs: world.runs,
    sent: [...sent.values()],
    reached,
  }
}

/** Nobody answers for the actors that are not under test: what they do is in the path. */
const withoutOthers = (inbox: MemoryInbox, type: string): Inbox => ({
  ...inbox,
  consume: (wanted, onDelivery, signal) =>
    wanted === type
      ? inbox.consume(wanted, onDelivery, signal)
      : new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
})

const bookOf = (journal: MemoryJournal, self: Address): Book | undefined => {
  let known: Book | undefined
  for (const commit of journal.of(self)) known = book(known, self, commit, commit.n)
  return known
}

/** Effects that end when the path says so, in every process the same way; actions end well at once. */
const effectWorld = (definition: Definition, intentOf: (key: string) => Intent | undefined) => {
  const runs: Run[] = []
  /** How the effect under a key has ended, once it has. */
  const endings = new Map<string, JournaledEvent>()
  const pending = new Map<string, Set<() => void>>()
  const run =
    (name: string): EffectDef<any, any>['run'] =>
    (_, { key, signal }) => {
      runs.push({ key, name })
      if (intentOf(key)?.kind === 'action') return Promise.resolve(null)
      return new Promise((resolve, reject) => {
        const end = (): void => {
          const ending = endings.get(key)
          if (!ending) return
          if ('error' in ending) reject(new WorldSays(ending['error'] as Failure))
          else resolve(ending['output'])
        }
        pending.set(key, (pending.get(key) ?? new Set()).add(end))
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
        end()
      })
    }
  return {
    runs,
    // Time-outs and retries are the world's business: here it says itself how each effect ends.
    effects: Object.fromEntries(
      Object.entries(definition.effects).map(([name, { reach }]): [string, EffectDef<any, any>] => [
        name,
        { reach, idempotency: 'keyed', timeoutMs: 'activity', run: run(name) },
      ]),
    ),
    end: (key: string, event: JournaledEvent): void => {
      endings.set(key, event)
      for (const end of pending.get(key) ?? []) end()
    },
  }
}

class WorldSays extends Error {
  constructor({ name, message }: Failure) {
    super(message)
    this.name = name
  }
}
