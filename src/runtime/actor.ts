import type { AnyMachineSnapshot } from 'xstate'
import { append, Fenced } from './append.ts'
import { begin, childAddress, type Decision, decide } from './decide.ts'
import { failureOf } from './effects.ts'
import { type Book, book, INIT, type Open, type Parent } from './fold.ts'
import type { Ground } from './ground.ts'
import type { Command } from './inbox.ts'
import { Unstorable } from './journal.ts'
import { NotJson } from './patch.ts'
import { hydrate, type Persisted, persist } from './persist.ts'
import { type Draft, letterToParent, recorded } from './record.ts'
import { lateness } from './refuse.ts'
import { createRunning, type Ending } from './running.ts'
import { createSender } from './sender.ts'
import {
  type Address,
  addressOf,
  type Commit,
  type Definition,
  type Intent,
  type JournaledEvent,
  keyOf,
  type Outcome,
} from './types.ts'

export type DurableActor = {
  readonly self: Address
  readonly book: () => Book | undefined
  readonly snapshot: () => AnyMachineSnapshot | undefined
  /** After recovery: claims the journal (`$opened`), then resumes what is still owed. */
  readonly open: () => Promise<void>
  readonly receive: (command: Command) => Promise<Outcome>
  /** Stops acting, writes nothing more. `closed` resolves with why. */
  readonly close: (why: Error) => void
  readonly closed: Promise<Error>
}

/** Completions ride on the next commit, but not longer than this: their keys allow a repeat. */
const FLUSH_MS = 50

const isUnwritable = (error: unknown): boolean => error instanceof NotJson || error instanceof Unstorable

/** One journaled actor: mailbox, commits, effects and timers. `known` is its folded journal, absent for a new one. */
export const createActor = (ground: Ground, definition: Definition, self: Address, known?: Book): DurableActor => {
  const { clock, log, chance } = ground
  const name = addressOf(self)
  const own = `${ground.process}.${chance.unique().slice(0, 8)}`
  const life = new AbortController()
  const armed = new Map<string, () => void>()
  const finished = new Set<string>()
  let current: Book | undefined = known
  let live: AnyMachineSnapshot | undefined
  let mailbox: Promise<unknown> = Promise.resolve()
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
    const result = mailbox.then(() => {
      life.signal.throwIfAborted()
      return work()
    })
    mailbox = result.catch((error: Error) => {
      if (life.signal.aborted) return
      if (!(error instanceof Fenced)) log.error({ actor: name, err: error }, 'actor stopped by an error')
      close(error)
    })
    return result
  }
  /** The same where nobody waits for the result. */
  const enqueued = (work: () => Promise<unknown>): void => void enqueue(work).catch(() => {})

  // Decide, append, change, act: in this order and never another.
  const commit = async (draft: Draft): Promise<Outcome> => {
    const before = current
    const next = draft.decision ? persist(draft.decision.next) : (draft.state ?? (before?.state as Persisted))
    const record = recorded(definition, { own, nonce: chance.unique() }, before, next, draft, finished)
    await ground.reach?.('before-append', record.ev.type)
    const seq = await append(ground.journal, clock, self, record, before?.seq ?? 0, life.signal)
    await ground.reach?.('after-append', record.ev.type)
    current = book(before, self, record, seq, next)
    if (draft.decision) live = draft.decision.next
    else if (draft.state) live = undefined
    act(record)
    ground.onCommit?.(self, record)
    return { ok: true, n: record.n, to: record.to }
  }

  const stamped = (ev: JournaledEvent): JournaledEvent & { readonly at: number } => ({
    ...ev,
    at: Math.max(clock.now(), current?.ts ?? 0),
  })

  const act = (record: Commit): void => {
    for (const key of record.done) {
      finished.delete(key)
      effects.cancel(key)
    }
    for (const timer of record.tdel) disarm(timer)
    for (const timer of record.tset) arm(timer.id, timer.due)
    for (const intent of record.fx)
      start({ ...intent, key: keyOf(self, record.n, intent.i), corr: record.corr, trace: record.trace }, 1)
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
    const draft = { ev: stamped(timer.ev), cmd: `timer/${id}/${due}`, tdel: [id] }
    if (!(await advance(draft))) await commit({ ...draft, ev: stamped({ type: '$ignored', event: timer.ev }) })
  }

  /** Lets the machine decide. Undefined: it does not accept the event, nothing happened. */
  const advance = async (draft: Draft): Promise<Outcome | undefined> => {
    if (!active()) return undefined
    const { ev } = draft
    let decision: Decision | undefined
    try {
      decision = decide(definition, self, state(), ev)
      return decision && (await commit({ ...draft, decision }))
    } catch (error) {
      if (decision && !isUnwritable(error)) throw error
      return await dead(draft, error)
    }
  }

  /** A throwing guard or assign is our bug: the event is set aside, the actor keeps its state. */
  const dead = async (draft: Draft, error: unknown): Promise<Outcome> => {
    const failure = failureOf(error)
    log.error({ actor: name, event: draft.ev.type, err: error }, 'the machine threw: the event is set aside')
    const fact = { type: `${self.type}.EventFailed`, id: self.id, event: draft.ev.type, error: failure.message }
    // Of an event that can't be written only the type is kept.
    const event = isUnwritable(error) ? { type: draft.ev.type } : draft.ev
    await commit({ ...draft, ev: stamped({ type: '$dead', event, error: failure }), em: [fact] })
    return { ok: false, why: 'refused', detail: `the ${self.type} failed on it: ${failure.message}` }
  }

  const start = (intent: Open, attempt: number): void => {
    if (intent.kind === 'action' || intent.kind === 'invoke') effects.start(intent, attempt)
    else send(intent)
  }
  const ended = (intent: Open, ending: Ending): void => {
    if (intent.kind === 'action' && 'output' in ending) finish(intent.key)
    else enqueued(() => conclude(intent, ending))
  }
  /** What an effect reports while it goes on; nothing any more once its state was left. */
  const reported = async (intent: Open, event: JournaledEvent, nth: number, cancelled: AbortSignal): Promise<void> => {
    const draft = { cmd: `${intent.key}#${nth}`, cause: intent.key, corr: intent.corr }
    await enqueue(async () => {
      if (!cancelled.aborted) await advance({ ...draft, ev: stamped(event) })
    })
  }
  const conclude = async (intent: Open, ending: Ending): Promise<void> => {
    const failed = 'error' in ending
    if (!current?.open.has(intent.key)) return
    const type = `xstate.${failed ? 'error' : 'done'}.actor.${intent.ref}`
    const draft = {
      ev: stamped({ type, actorId: intent.ref, ...ending }),
      cmd: intent.key,
      cause: intent.key,
      corr: intent.corr,
      trace: intent.trace,
      done: [intent.key],
    }
    if (intent.kind === 'invoke' && (await advance(draft))) return
    if (!failed) return finish(intent.key)
    const { message } = ending.error
    const fact = { type: `${self.type}.EffectParked`, id: self.id, effect: intent.name, key: intent.key, error: message }
    log.error({ actor: name, key: intent.key, effect: intent.name, error: message }, 'effect failed for good and is parked')
    await commit({ ...draft, ev: stamped({ type: '$fx.parked', key: intent.key, error: message }), done: [], em: [fact] })
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
        if (finished.size > 0) await commit({ ev: stamped({ type: '$fx.done' }), cmd: `flush/${[...finished][0]}` })
      })
    })
  }

  const effects = createRunning(ground, definition, self, { onEnd: ended, onReport: reported })
  const send = createSender(ground.inbox, clock, log, self, life.signal, finish)

  const receive = (command: Command): Promise<Outcome> =>
    enqueue(async () => {
      if (current?.cmds.has(command.cmd)) return { ok: false, why: 'duplicate', detail: `${command.cmd} was decided before` }
      const { cmd, cause, corr, trace, who } = command
      const draft = { cmd, ext: true, cause, corr, trace, who }
      const payload = command.payload as { input?: unknown; parent?: Parent; event?: JournaledEvent }
      if (command.verb === '$Spawn') return await spawn(draft, payload)
      if (command.verb === '$Stop') return await stop(draft)
      if (payload.event && command.verb.startsWith('$'))
        return (await advance({ ...draft, ev: stamped(payload.event) })) ?? unaccepted(payload.event.type)
      const late = lateness(command, definition, clock.now())
      const type = `${self.type}.${command.verb}`
      if (late !== undefined) return await refuse(draft, type, late)
      const ev = stamped({ ...(definition.events[type]?.schema.parse(command.payload) as object), type })
      return (await advance({ ...draft, ev })) ?? (await refuse(draft, ev.type))
    })

  const spawn = async (draft: Omit<Draft, 'ev'>, { input, parent }: { input?: unknown; parent?: Parent }): Promise<Outcome> => {
    if (active()) return { ok: false, why: 'refused', detail: `${name} is running already` }
    const ev = stamped({ type: INIT, input, ...(parent && { parent }) })
    live = undefined
    try {
      return await commit({ ...draft, ev, decision: begin(definition, self, input, ev.at), done: unfinishedEffects() })
    } catch (error) {
      if (!isUnwritable(error)) throw error
      return await stillborn(draft, parent, error)
    }
  }
  /** Its first state can't be written: it never lives, and its parent hears so. */
  const stillborn = async (draft: Omit<Draft, 'ev'>, parent: Parent | undefined, error: unknown): Promise<Outcome> => {
    const failure = failureOf(error)
    log.error({ actor: name, err: error }, 'the actor can not begin')
    await commit({
      ...draft,
      ev: stamped({ type: '$stillborn', error: failure, ...(parent && { parent }) }),
      state: { status: 'error', value: '', context: null, children: {} },
      done: unfinishedEffects(),
      fx: parent ? [letterToParent(parent, { error: failure })] : [],
    })
    return { ok: false, why: 'refused', detail: `${name} can not begin: ${failure.message}` }
  }

  const stop = async (draft: Omit<Draft, 'ev'>): Promise<Outcome> => {
    if (!current || !active()) return { ok: false, why: 'refused', detail: `${name} is not running` }
    const children = Object.entries(current.state.children).flatMap(([ref, src], i): Intent[] => {
      const to = childAddress(definition, self, src, ref)
      return to ? [{ i, kind: 'stop', name: src, ref, to }] : []
    })
    return commit({
      ...draft,
      ev: stamped({ type: '$stop' }),
      state: { ...current.state, status: 'stopped', children: {} },
      fx: children,
      done: unfinishedEffects(),
      tdel: [...current.timers.keys()],
    })
  }

  /** Messages to others are not among them: what was promised to be sent is sent. */
  const unfinishedEffects = (): string[] =>
    [...(current?.open.values() ?? [])].filter(({ kind }) => kind === 'action' || kind === 'invoke').map(({ key }) => key)

  const unaccepted = (event: string): Outcome => ({ ok: false, why: 'refused', detail: reason(event) })
  const reason = (event: string): string =>
    current
      ? `${name} does not accept ${event} while it is ${active() ? stated(current.state.value) : current.state.status}`
      : `there is no ${name}`

  /** A refusal is a fact too, so that a lost acknowledgement can't turn it into an acceptance. */
  const refuse = async (draft: Omit<Draft, 'ev'>, event: string, detail = reason(event)): Promise<Outcome> => {
    const fact = { type: `${self.type}.CommandRefused`, command: event, id: self.id, cmd: draft.cmd, reason: detail }
    await commit({ ...draft, ev: stamped({ type: '$refused', command: event, reason: detail }), em: [fact] })
    return { ok: false, why: 'refused', detail }
  }

  const open = (): Promise<void> =>
    enqueue(async () => {
      if (!current) return
      const owed = [...current.open.values()].filter((intent) => intent.parked === undefined)
      if (!active() && owed.length === 0) return
      const timers = [...current.timers.values()]
      await commit({ ev: stamped({ type: '$opened' }), cmd: `open/${own}` })
      for (const intent of owed) start(intent, 2)
      for (const { id, due } of timers) arm(id, due)
    })

  return { self, book: () => current, snapshot: () => (current ? state() : undefined), open, receive, close, closed }
}

/** A state value in words: `phase.connected.observing, brake.released`. */
export const stated = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : Object.entries(value as Record<string, unknown>)
        .map(([key, inner]) => `${key}.${stated(inner)}`)
        .join(', ')
