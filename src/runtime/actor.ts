import { randomUUID } from 'node:crypto'
import type { AnyMachineSnapshot } from 'xstate'
import { append, Fenced } from './append.ts'
import { type Clock, pause } from './clock.ts'
import { begin, childAddress, type Decision, decide } from './decide.ts'
import { failureOf, perform } from './effects.ts'
import { type Book, book, INIT, type Open, type Parent } from './fold.ts'
import type { Command, Inbox, Message } from './inbox.ts'
import type { Journal } from './journal.ts'
import type { Licence } from './licence.ts'
import { diff, NotJson } from './patch.ts'
import { hydrate, type Persisted, persist } from './persist.ts'
import type { Timers } from './timers.ts'
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

export type Log = Record<'debug' | 'info' | 'warn' | 'error', (fields: object, message: string) => void>

/** Where a test may stop the process: by a promise that never resolves. */
export type KillPoint = 'before-append' | 'after-append' | 'before-effect' | 'after-effect'

/** What an actor stands on. */
export type Ground = {
  /** Unique per process: the first half of the owner id. */
  readonly process: string
  readonly journal: Journal
  readonly inbox: Inbox
  readonly clock: Clock
  readonly timers: Timers
  readonly licence: Licence
  readonly log: Log
  readonly onCommit?: (self: Address, commit: Commit) => void
  readonly reach?: (point: KillPoint, detail: string) => Promise<void>
}

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

type Draft = {
  readonly ev: JournaledEvent & { readonly at: number }
  readonly cmd: string
  readonly ext?: boolean
  readonly cause?: string | undefined
  readonly corr?: string | undefined
  readonly trace?: string | undefined
  readonly decision?: Decision
  readonly state?: Persisted
  readonly em?: readonly JournaledEvent[]
  readonly fx?: readonly Intent[]
  readonly done?: readonly string[]
  readonly tdel?: readonly string[]
}

type Ending = { readonly output: unknown } | { readonly error: { readonly message: string } }

/** Completions ride on the next commit, but not longer than this: their keys allow a repeat. */
const FLUSH_MS = 50
const SEND_AGAIN_MS = 500
/** A cancelled effect may still be at work: later ones of the same actor wait for it, but not for ever. */
const CANCEL_MS = 10_000

/** One journaled actor: mailbox, commits, effects and timers. `known` is its folded journal, absent for a new one. */
export const createActor = (ground: Ground, definition: Definition, self: Address, known?: Book): DurableActor => {
  const { clock, log } = ground
  const name = addressOf(self)
  const own = `${ground.process}.${randomUUID().slice(0, 8)}`
  const life = new AbortController()
  const running = new Map<string, { readonly abort: AbortController; readonly ended: Promise<void> }>()
  /** Ends of effects that were cancelled and may still be at work. */
  const cancelling = new Set<Promise<void>>()
  const armed = new Map<string, () => void>()
  const finished = new Set<string>()
  let current: Book | undefined = known
  let live: AnyMachineSnapshot | undefined
  let mailbox: Promise<unknown> = Promise.resolve()
  let outbox: Promise<unknown> = Promise.resolve()
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
    for (const { abort } of running.values()) abort.abort(why)
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
    const n = (before?.n ?? 0) + 1
    const next = draft.decision ? persist(draft.decision.next) : (draft.state ?? (before?.state as Persisted))
    const record = recorded(draft, before, n, next)
    await ground.reach?.('before-append', record.ev.type)
    const seq = await append(ground.journal, clock, self, record, before?.seq ?? 0, life.signal)
    await ground.reach?.('after-append', record.ev.type)
    current = book(before, self, record, seq, next)
    if (draft.decision) live = draft.decision.next
    else if (draft.state) live = undefined
    act(record)
    ground.onCommit?.(self, record)
    return { ok: true, n, to: record.to }
  }

  const recorded = (draft: Draft, before: Book | undefined, n: number, next: Persisted): Commit => {
    const { decision } = draft
    const left = [...(before?.open.values() ?? [])].filter(
      ({ kind, ref }) => kind === 'invoke' && decision?.left.includes(ref ?? ''),
    )
    const fx = [...(decision?.fx ?? []), ...(draft.fx ?? [])]
    const em = [...(decision?.em ?? []), ...(draft.em ?? []).map((ev, index) => ({ i: 1000 + index, ev }))]
    return {
      f: 1,
      n,
      mv: definition.version,
      sv: definition.events[draft.ev.type]?.v ?? 1,
      own,
      nonce: randomUUID(),
      ts: draft.ev.at,
      cmd: draft.cmd,
      ...(draft.ext && { ext: true as const }),
      ...(draft.cause !== undefined && { cause: draft.cause }),
      corr: draft.corr ?? draft.cmd,
      ...(draft.trace !== undefined && { trace: draft.trace }),
      ev: draft.ev,
      to: next.value,
      p: diff(before?.state, next) as Commit['p'],
      fx: [...fx, ...report(next, before, draft, fx.length)],
      done: [...new Set([...finished, ...(draft.done ?? []), ...left.map(({ key }) => key)])],
      tdel: [...(draft.tdel ?? []), ...(decision?.tdel ?? [])],
      tset: [...(decision?.tset ?? [])],
      em,
    }
  }

  /** The end of a child is told to its parent by the commit that ends it. */
  const report = (next: Persisted, before: Book | undefined, draft: Draft, count: number): Intent[] => {
    const parent = draft.ev.type === INIT ? (draft.ev['parent'] as Parent | undefined) : before?.parent
    if (!parent || !draft.decision || next.status === 'active') return []
    const { ref, ...to } = parent
    const ending = next.status === 'done' ? { output: next.output } : { error: failureOf(draft.decision.next.error) }
    const type = `xstate.${next.status === 'done' ? 'done' : 'error'}.actor.${ref}`
    return [{ i: 2000 + count, kind: 'send', name: type, to, input: { type, actorId: ref, ...ending } }]
  }

  const stamped = (ev: JournaledEvent): JournaledEvent & { readonly at: number } => ({
    ...ev,
    at: Math.max(clock.now(), current?.ts ?? 0),
  })

  const act = (record: Commit): void => {
    for (const key of record.done) {
      finished.delete(key)
      cancel(key)
    }
    for (const timer of record.tdel) disarm(timer)
    for (const timer of record.tset) arm(timer.id, timer.due)
    for (const intent of record.fx)
      start({ ...intent, key: keyOf(self, record.n, intent.i), corr: record.corr, trace: record.trace }, 1)
    if (finished.size > 0) flush()
  }

  const cancel = (key: string): void => {
    const effect = running.get(key)
    if (!effect) return
    effect.abort.abort(new Error('the state that asked for it was left'))
    cancelling.add(effect.ended)
    void effect.ended.then(() => cancelling.delete(effect.ended))
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
      if (decision && !(error instanceof NotJson)) throw error
      return await dead(draft, error)
    }
  }

  /** A throwing guard or assign is our bug: the event is set aside, the actor keeps its state. */
  const dead = async (draft: Draft, error: unknown): Promise<Outcome> => {
    const failure = failureOf(error)
    log.error({ actor: name, event: draft.ev.type, err: error }, 'the machine threw: the event is set aside')
    const fact = { type: `${self.type}.EventFailed`, id: self.id, event: draft.ev.type, error: failure.message }
    await commit({ ...draft, ev: stamped({ type: '$dead', event: draft.ev, error: failure }), em: [fact] })
    return { ok: false, why: 'refused', detail: `the ${self.type} failed on it: ${failure.message}` }
  }

  const start = (intent: Open, attempt: number): void => {
    if (intent.kind === 'spawn' || intent.kind === 'stop' || intent.kind === 'send') {
      outbox = outbox.then(() => deliver(intent)).catch(() => {})
      return
    }
    const abort = new AbortController()
    const waited = cancelling.size > 0 ? Promise.race([Promise.allSettled(cancelling), pause(clock, CANCEL_MS)]) : undefined
    const ended = run(intent, attempt, abort, waited).finally(() => running.delete(intent.key))
    running.set(intent.key, { abort, ended })
  }

  const deliver = async (intent: Open): Promise<void> => {
    while (!life.signal.aborted) {
      try {
        await ground.inbox.send(messageOf(self, intent))
        return finish(intent.key)
      } catch (error) {
        log.warn({ actor: name, key: intent.key, err: failureOf(error) }, 'message not stored yet, trying again')
        await pause(clock, SEND_AGAIN_MS, life.signal)
      }
    }
  }

  const run = async (
    intent: Open,
    attempt: number,
    abort: AbortController,
    waited: Promise<unknown> | undefined,
  ): Promise<void> => {
    await waited
    if (abort.signal.aborted) return
    await ground.reach?.('before-effect', intent.name)
    let reports = 0
    const context = {
      key: intent.key,
      actor: self,
      signal: abort.signal,
      attempt,
      report: async (event: JournaledEvent) => {
        const cmd = `${intent.key}#${++reports}`
        await enqueue(async () => {
          if (!abort.signal.aborted) await advance({ ev: stamped(event), cmd, cause: intent.key, corr: intent.corr })
        })
      },
    }
    const effect = definition.effects[intent.name]
    try {
      if (!effect) throw new Error(`${self.type} defines no effect "${intent.name}"`)
      const output = await perform(effect, intent.input, context, ground.licence, clock)
      await ground.reach?.('after-effect', intent.name)
      if (!abort.signal.aborted) ended(intent, { output: output ?? null })
    } catch (error) {
      if (!abort.signal.aborted) ended(intent, { error: failureOf(error) })
    }
  }

  const ended = (intent: Open, ending: Ending): void => {
    const failed = 'error' in ending
    if (intent.kind === 'action' && !failed) finish(intent.key)
    else enqueued(() => conclude(intent, ending))
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

  const receive = (command: Command): Promise<Outcome> =>
    enqueue(async () => {
      if (current?.cmds.has(command.cmd)) return { ok: false, why: 'duplicate', detail: `${command.cmd} was decided before` }
      const { cmd, cause, corr, trace } = command
      const draft = { cmd, ext: true, cause, corr, trace }
      const payload = command.payload as { input?: unknown; parent?: Parent; event?: JournaledEvent }
      if (command.verb === '$Spawn') return await spawn(draft, payload)
      if (command.verb === '$Stop') return await stop(draft)
      if (payload.event && command.verb.startsWith('$'))
        return (await advance({ ...draft, ev: stamped(payload.event) })) ?? unaccepted(payload.event.type)
      const type = `${self.type}.${command.verb}`
      const ev = stamped({ ...(definition.events[type]?.schema.parse(command.payload) as object), type })
      return (await advance({ ...draft, ev })) ?? (await refuse(draft, ev.type))
    })

  const spawn = async (draft: Omit<Draft, 'ev'>, { input, parent }: { input?: unknown; parent?: Parent }): Promise<Outcome> => {
    if (active()) return { ok: false, why: 'refused', detail: `${name} is running already` }
    const ev = stamped({ type: INIT, input, ...(parent && { parent }) })
    live = undefined
    return commit({ ...draft, ev, decision: begin(definition, self, input, ev.at), done: unfinishedEffects() })
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
  const refuse = async (draft: Omit<Draft, 'ev'>, event: string): Promise<Outcome> => {
    const detail = reason(event)
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

const messageOf = (self: Address, { kind, key, to, ref, input, corr, trace }: Open): Message => {
  const common = { to: to as Address, key, corr, trace }
  if (kind === 'spawn') return { ...common, verb: '$Spawn', payload: { input, parent: { ...self, ref } } }
  if (kind === 'stop') return { ...common, verb: '$Stop', payload: {} }
  const event = input as JournaledEvent
  return { ...common, verb: event.type.startsWith('xstate.') ? '$Child' : '$Send', payload: { event } }
}
