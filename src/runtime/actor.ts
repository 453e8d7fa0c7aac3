import { createHash } from 'node:crypto'
import type { AnyMachineSnapshot } from 'xstate'
import { append, Fenced } from './append.ts'
import { begin, type Decision, decide } from './decide.ts'
import {
  type Answering,
  answering,
  checkpointing,
  claiming,
  deadEvent,
  decidedEffect,
  ignoredLetter,
  isWhole,
  migrating,
  objection,
  parkedEffect,
  refusal,
  repeatedSpawn,
  secondSpawn,
  stillbirth,
  stopping,
  type Unstamped,
  unfinishedEffects,
} from './drafts.ts'
import { failureOf } from './effects.ts'
import { type Book, book, INIT, type Kept, type Open, type Parent } from './fold.ts'
import type { Ground } from './ground.ts'
import type { Command } from './inbox.ts'
import { Corrupt, type Stored, Unstorable } from './journal.ts'
import { isSameJson, NotJson } from './patch.ts'
import { hydrate, type Persisted, persist } from './persist.ts'
import { type Draft, recorded } from './record.ts'
import { lateness } from './refuse.ts'
import { type Conditions, createRunning, type Ending } from './running.ts'
import { createSender } from './sender.ts'
import { createSlots } from './slots.ts'
import { type Address, addressOf, type Commit, type Definition, type JournaledEvent, keyOf, type Outcome } from './types.ts'
import { upcast } from './upcast.ts'
import { migrated, newInvokes } from './versions.ts'

export type DurableActor = {
  readonly self: Address
  readonly book: () => Book | undefined
  readonly snapshot: () => AnyMachineSnapshot | undefined
  /** After recovery: claims the journal, then resumes what is still owed. @throws Corrupt, Fenced */
  readonly open: () => Promise<void>
  readonly receive: (command: Command) => Promise<Outcome>
  /** Writes the whole actor into one commit; the records before it, which the archive may then hold instead. */
  readonly checkpoint: () => Promise<readonly Stored[]>
  /** Hears every commit once it is stored and booked. The result ends it. */
  readonly watch: (listener: (commit: Commit) => void) => () => void
  /** Nothing is under way or waiting: it can be put away. */
  readonly isIdle: () => boolean
  /** How much waits in the mailbox, what is being decided included. */
  readonly waiting: () => number
  /** Stops acting, writes nothing more. `closed` resolves with why. */
  readonly close: (why: Error) => void
  readonly closed: Promise<Error>
  /** Resolves when no effect is under way any more. */
  readonly quiet: () => Promise<void>
}

/** What an activation begins with. */
export type Beginning = {
  /** The folded journal; absent for a new actor. */
  readonly known?: Book | undefined
  readonly conditions?: Conditions
}

/** Completions ride on the next commit, but not longer than this: their keys allow a repeat. */
const FLUSH_MS = 50

const isUnwritable = (error: unknown): boolean => error instanceof NotJson || error instanceof Unstorable
const alone = (): Conditions => ({ slots: createSlots(), quietAt: Number.NEGATIVE_INFINITY })

/** A hash over the records since a checkpoint, and through its own hash over all before. */
const chained = ({ n, sha256 }: Kept, records: readonly Stored[]): string => {
  const hash = createHash('sha256').update(sha256)
  for (const { commit } of records) if (commit.n >= n) hash.update(JSON.stringify(commit))
  return hash.digest('hex')
}

/** One journaled actor: mailbox, commits, effects and timers. */
export const createActor = (
  ground: Ground,
  definition: Definition,
  self: Address,
  { known, conditions = alone() }: Beginning = {},
): DurableActor => {
  const { clock, log, chance } = ground
  const name = addressOf(self)
  const own = `${ground.process}.${chance.unique().slice(0, 8)}`
  const life = new AbortController()
  const armed = new Map<string, () => void>()
  const finished = new Set<string>()
  const watchers = new Set<(commit: Commit) => void>()
  let current: Book | undefined = known
  let live: AnyMachineSnapshot | undefined
  let mailbox: Promise<unknown> = Promise.resolve()
  let waiting = 0
  let written = 0
  let isOpen = false
  let flushing: (() => void) | undefined
  let announce: (why: Error) => void = () => {}
  const closed = new Promise<Error>((resolve) => {
    announce = resolve
  })

  const state = (): AnyMachineSnapshot => {
    if (!current) throw new Error(`${name}: has no state yet`)
    live ??= hydrate(definition.machine, current.state)
    return live
  }
  const active = (): boolean => current?.state.status === 'active'

  const close = (why: Error): void => {
    if (life.signal.aborted) return
    life.abort(why)
    effects.cancelAll(why)
    for (const disarm of armed.values()) disarm()
    flushing?.()
    announce(why)
  }

  /** One thing at a time; an error that nobody foresaw closes the actor, which comes back by replay. */
  const enqueue = <T>(work: () => Promise<T>): Promise<T> => {
    waiting++
    const turn = (): Promise<T> => {
      const rest = ground.breath?.()
      if (rest) return rest.then(turn)
      life.signal.throwIfAborted()
      return work()
    }
    const result = mailbox.then(turn)
    mailbox = result.then(
      () => void waiting--,
      (error: Error) => {
        waiting--
        if (life.signal.aborted) return
        if (error instanceof Fenced) ground.meter?.fenced(self)
        else if (!(error instanceof Corrupt)) log.error({ actor: name, err: error }, 'actor stopped by an error')
        close(error)
      },
    )
    return result
  }
  /** The same where nobody waits for the result. */
  const enqueued = (work: () => Promise<unknown>): void => void enqueue(work).catch(() => {})

  // Decide, append, change, act: in this order and never another.
  const commit = async (draft: Draft): Promise<Outcome> => {
    const before = current
    const next = draft.decision ? persist(draft.decision.next) : (draft.state ?? (before?.state as Persisted))
    const record = recorded(definition, { own, nonce: (++written).toString(36) }, before, next, draft, finished)
    await ground.reach?.('before-append', record.ev.type)
    const appendedAt = clock.monotonic()
    const seq = await append(ground.journal, clock, self, record, before?.seq ?? 0, life.signal)
    ground.meter?.committed(self, record, clock.monotonic() - appendedAt)
    await ground.reach?.('after-append', record.ev.type)
    current = book(before, self, record, seq, next)
    if (draft.decision) live = draft.decision.next
    else if (draft.state) live = undefined
    // Closed meanwhile, it is stored all the same: whoever opens the actor next does what it says.
    if (!life.signal.aborted) act(record)
    for (const listener of watchers) heard(listener, record)
    return { ok: true, n: record.n, to: record.to }
  }

  /** What listens can't undo a commit. */
  const heard = (listener: (commit: Commit) => void, record: Commit): void => {
    try {
      listener(record)
    } catch (error) {
      log.error({ actor: name, err: error }, 'what listens to the actor threw')
    }
  }

  const stamped = (ev: JournaledEvent): JournaledEvent & { readonly at: number } => ({
    ...ev,
    at: Math.max(clock.now(), current?.ts ?? 0),
  })
  const note = (draft: Unstamped): Promise<Outcome> => commit({ ...draft, ev: stamped(draft.ev) })

  const act = (record: Commit): void => {
    for (const key of record.done) {
      finished.delete(key)
      effects.cancel(key)
    }
    for (const timer of record.tdel) disarm(timer)
    for (const timer of record.tset) arm(timer.id, timer.due)
    for (const { i } of record.fx) begun(keyOf(self, record.n, i))
    if (finished.size > 0) flush()
  }

  const disarm = (timer: string): void => {
    armed.get(timer)?.()
    armed.delete(timer)
  }
  const arm = (id: string, due: number): void => {
    disarm(id)
    armed.set(
      id,
      ground.timers.arm(due, () => enqueued(() => fire(id, due))),
    )
  }
  const fire = async (id: string, due: number): Promise<void> => {
    const timer = current?.timers.get(id)
    if (timer?.due !== due) return
    if (clock.now() < due) return arm(id, due) // the clock was set back while it waited for its turn
    const { type, at: _, ...payload } = timer.ev
    const event = definition.events[type]
    const ev = event && timer.sv !== undefined ? { ...(upcast(event, payload, timer.sv) as object), type } : timer.ev
    const draft = { ev: stamped(ev), cmd: `timer/${id}/${due}`, tdel: [id] }
    if (!(await advance(draft))) await note({ ...draft, ev: { type: '$ignored', event: timer.ev } })
  }

  /** Lets the machine decide. Undefined: it does not accept the event, nothing happened. */
  const advance = async (draft: Draft): Promise<Outcome | undefined> => {
    if (!active()) return undefined
    let decision: Decision | undefined
    try {
      decision = decide(definition, self, state(), draft.ev)
      return decision && (await commit({ ...draft, decision }))
    } catch (error) {
      if (decision && !isUnwritable(error)) throw error
      log.error({ actor: name, event: draft.ev.type, err: error }, 'the machine threw: the event is set aside')
      const failure = failureOf(error)
      await note(deadEvent(self, draft, failure, isUnwritable(error)))
      return { ok: false, why: 'refused', detail: `the ${self.type} failed on it: ${failure.message}` }
    }
  }

  const begun = (key: string): void => {
    const intent = current?.open.get(key)
    if (!intent || intent.parked !== undefined) return
    if (intent.kind === 'action' || intent.kind === 'invoke') effects.start(intent)
    else send(intent)
  }
  const ended = (intent: Open, ending: Ending): void => {
    if (intent.kind === 'action' && 'output' in ending) finish(intent.key)
    else enqueued(() => conclude(intent, ending))
  }
  /** What an effect reports while it goes on; nothing any more once its state was left. */
  const reported = async (intent: Open, event: JournaledEvent, nth: number, cancelled: AbortSignal): Promise<void> => {
    const draft = { cmd: `${intent.key}#${nth}`, cause: intent.key, corr: intent.corr, trace: intent.trace }
    await enqueue(async () => {
      if (!cancelled.aborted) await advance({ ...draft, ev: stamped(event) })
    })
  }
  const conclude = async (intent: Open, ending: Ending): Promise<void> => {
    const { key, ref, corr, trace } = intent
    if (!current?.open.has(key)) return
    const type = `xstate.${'error' in ending ? 'error' : 'done'}.actor.${ref}`
    const draft = { ev: stamped({ type, actorId: ref, ...ending }), cmd: key, cause: key, corr, trace, done: [key] }
    if (intent.kind === 'invoke' && (await advance(draft))) return
    if (!('error' in ending)) return finish(key)
    const { message } = ending.error
    log.error({ actor: name, key, effect: intent.name, error: message }, 'effect failed for good and is parked')
    await note(parkedEffect(self, intent, message))
  }

  const finish = (key: string): void => {
    if (!current?.open.has(key)) return
    finished.add(key)
    flush()
  }
  const flush = (): void => {
    flushing ??= clock.after(FLUSH_MS, () => {
      flushing = undefined
      enqueued(async () => {
        if (finished.size > 0) await note({ ev: { type: '$fx.done' }, cmd: `flush/${[...finished][0]}` })
      })
    })
  }

  const effects = createRunning(ground, definition, self, conditions, { onEnd: ended, onReport: reported })
  const send = createSender(ground.inbox, clock, log, self, life.signal, finish)

  const receive = (command: Command): Promise<Outcome> =>
    enqueue(async () => {
      const { cmd, verb, payload } = command
      if (current?.cmds.has(cmd)) return { ok: false, why: 'duplicate', detail: `${cmd} was decided before` }
      const answer = answering(command)
      switch (verb) {
        case '$Spawn':
          return await spawn(answer, payload as Spawning)
        case '$Stop':
          return await stop(answer)
        case '$Send':
        case '$Child':
          return await hear(answer, (payload as { readonly event: JournaledEvent }).event)
        case 'RetryEffect':
        case 'DiscardEffect':
          return await decideEffect(answer, verb, (payload as { readonly key: string }).key)
        default:
          return await obey(answer, command)
      }
    })

  const obey = async (answer: Answering, command: Command): Promise<Outcome> => {
    const type = `${self.type}.${command.verb}`
    const denied = definition.events[type]?.barred ?? lateness(command, definition, clock.now())
    if (denied !== undefined) return refuse(answer, type, denied)
    const ev = stamped({ ...(definition.events[type]?.schema.parse(command.payload) as object), type })
    return (await advance({ ...answer, ev })) ?? (await refuse(answer, type))
  }
  const hear = async (answer: Answering, event: JournaledEvent): Promise<Outcome> => {
    const outcome = await advance({ ...answer, ev: stamped(event) })
    if (outcome) return outcome
    const detail = objection(self, current, event.type)
    if (current) await note(ignoredLetter(self, answer, event, detail))
    return { ok: false, why: 'refused', detail }
  }
  const refuse = async (answer: Answering, command: string, detail = objection(self, current, command)): Promise<Outcome> => {
    if (current) await note(refusal(self, answer, command, detail))
    return { ok: false, why: 'refused', detail }
  }

  type Spawning = { readonly input?: unknown; readonly parent?: Parent }
  const spawn = async (answer: Answering, { input, parent }: Spawning): Promise<Outcome> => {
    if (active()) {
      await note(secondSpawn(self, answer, parent))
      return { ok: false, why: 'refused', detail: `${name} is running already` }
    }
    if (current && definition.oneShot) {
      await note(repeatedSpawn(self, answer, parent, current, await beganWith(input)))
      return { ok: false, why: 'duplicate', detail: `${name} was begun before` }
    }
    const ev = stamped({ type: INIT, input, ...(parent && { parent }) })
    live = undefined
    try {
      return await commit({ ...answer, ev, decision: begin(definition, self, input, ev.at), done: unfinishedEffects(current) })
    } catch (error) {
      if (!isUnwritable(error)) throw error
      const failure = failureOf(error)
      log.error({ actor: name, err: error }, 'the actor can not begin')
      await note(stillbirth(answer, parent, failure, current))
      return { ok: false, why: 'refused', detail: `${name} can not begin: ${failure.message}` }
    }
  }
  /** Whether its first commit has this input. What is archived already can't be compared, and counts as the same. */
  const beganWith = async (input: unknown): Promise<boolean> => {
    let first: { readonly input: unknown } | undefined
    await ground.journal.read(self, 0, ({ commit: { ev } }) => {
      if (ev.type === INIT) first ??= { input: ev['input'] }
    })
    return first === undefined || isSameJson(first.input, input)
  }
  const stop = async (answer: Answering): Promise<Outcome> => {
    if (current && active()) return note(stopping(definition, self, answer, current))
    // Remembered where there may be another life: a late repeat must not end that one.
    if (current && !definition.oneShot) await note({ ...answer, ev: { type: '$ignored', event: { type: '$Stop' } } })
    return { ok: false, why: 'refused', detail: `${name} is not running` }
  }

  const decideEffect = async (answer: Answering, verb: 'RetryEffect' | 'DiscardEffect', key: string): Promise<Outcome> => {
    const intent = current?.open.get(key)
    if (intent?.parked === undefined) return refuse(answer, `${self.type}.${verb}`, `${name} has no parked effect ${key}`)
    const outcome = await note(decidedEffect(self, answer, intent, verb === 'RetryEffect'))
    begun(key)
    return outcome
  }

  const open = (): Promise<void> =>
    enqueue(async () => {
      if (!current || isOpen) return
      isOpen = true
      const owed = [...current.open.values()].filter((intent) => intent.parked === undefined)
      if (!active() && owed.length === 0) return
      // With its newest commit ours nobody else's can land late; with effects owed the attempt counts.
      if (owed.length > 0 || !current.own.startsWith(`${ground.process}.`)) await claim(current)
      for (const { key } of owed) begun(key)
      for (const { id, due } of current.timers.values()) arm(id, due)
    })
  const claim = async (before: Book): Promise<void> => {
    const claimed = claiming(before, own, clock.now())
    if (!active()) return void (await note(claimed))
    const state = migrated(definition, self, before)
    live = hydrate(definition.machine, state) // what the machine does not know is said before anything is written
    if (before.mv === definition.version) return void (await note(claimed))
    const fx = newInvokes(definition, self, live, stamped(claimed.ev).at)
    await note(migrating(claimed, before, definition, state, fx))
  }

  const checkpoint = (): Promise<readonly Stored[]> =>
    enqueue(async () => {
      if (!current) return []
      const records: Stored[] = []
      await ground.journal.read(self, 0, (stored) => records.push(stored))
      const newest = records.at(-1)?.commit
      if (newest && newest.n > current.n) throw new Fenced(`${name}: ${newest.own} wrote commit ${newest.n} first`)
      if (!isWhole(records, current.n)) throw new Corrupt(`${name}: its journal has a hole before commit ${current.n}`)
      try {
        await note(checkpointing(current, finished, chained(current.kept, records)))
        return records
      } catch (error) {
        if (!isUnwritable(error)) throw error
        log.warn({ actor: name, err: failureOf(error) }, 'too large for a checkpoint: its journal stays as long as it is')
        return []
      }
    })

  return {
    self,
    book: () => current,
    snapshot: () => (current ? state() : undefined),
    open,
    receive,
    checkpoint,
    watch: (listener) => {
      watchers.add(listener)
      return () => watchers.delete(listener)
    },
    isIdle: () => waiting === 0 && finished.size === 0 && effects.count() === 0 && (current?.open.size ?? 0) === 0,
    waiting: () => waiting,
    close,
    closed,
    quiet: effects.ended,
  }
}
