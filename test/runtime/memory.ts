import type { Command, Delivery, Inbox, Leases, Message } from '../../src/runtime/inbox.ts'
import { Conflict, type Entry, type Journal, type Stored, Unanswered, Unstorable } from '../../src/runtime/journal.ts'
import type { Address, Commit, Outcome, Refusal } from '../../src/runtime/types.ts'

/** What befalls the next append: stored but never answered, or neither. */
type Fault = 'answer lost' | 'not stored' | 'too large'

export type MemoryJournal = Journal & {
  readonly entries: Entry[]
  /** Befalls the next append. */
  fault?: Fault | undefined
  /** How often `last` and `refuse` stay unanswered. */
  silent: number
  readonly of: (actor: Address) => readonly Commit[]
}

/** The journal's contract in memory, with the faults that a server has. Every record passes through JSON, as on the wire. */
export const memoryJournal = (): MemoryJournal => {
  const entries: Entry[] = []
  let newestSeq = 0
  const woken = new Set<() => void>()
  const store = (type: string, id: string | undefined, record: Commit | Refusal): number => {
    entries.push({ seq: ++newestSeq, type, id, record: JSON.parse(JSON.stringify(record)) })
    for (const wake of woken) wake()
    return newestSeq
  }
  const newest = ({ type, id }: Address): Stored | undefined => {
    const found = entries.findLast((entry) => entry.type === type && entry.id === id)
    return found && { seq: found.seq, actor: { type, id }, commit: found.record as Commit }
  }
  const nextOf = (after: number): Entry | undefined => entries.find(({ seq }) => seq > after)
  const journal: MemoryJournal = {
    entries,
    silent: 0,
    of: ({ type, id }) => entries.flatMap((entry) => (entry.type === type && entry.id === id ? [entry.record as Commit] : [])),
    append: async (actor, commit, expected) => {
      await Promise.resolve()
      const fault = journal.fault
      journal.fault = undefined
      if (fault === 'too large') throw new Unstorable('larger than max_payload')
      if (fault === 'not stored') throw new Unanswered('timeout')
      if ((newest(actor)?.seq ?? 0) !== expected) throw new Conflict('wrong last sequence')
      const seq = store(actor.type, actor.id, commit)
      if (fault === 'answer lost') throw new Unanswered('timeout')
      return seq
    },
    last: async (actor) => {
      await Promise.resolve()
      if (journal.silent > 0) {
        journal.silent--
        throw new Unanswered('timeout')
      }
      return newest(actor)
    },
    at: async (seq) => entries.find((entry) => entry.seq === seq),
    read: async (actor, after, onStored) => {
      for (const { seq, type, id, record } of [...entries])
        if (type === actor.type && id === actor.id && seq > after) onStored({ seq, actor, commit: record as Commit })
    },
    purge: async (actor, before = Number.POSITIVE_INFINITY) => {
      const kept = entries.filter(({ type, id, seq }) => type !== actor.type || id !== actor.id || seq >= before)
      entries.splice(0, entries.length, ...kept)
    },
    refuse: async (refusal) => {
      if (journal.silent > 0) {
        journal.silent--
        throw new Unanswered('timeout')
      }
      const known = entries.some(({ record }) => 'refused' in record && record.cmd === refusal.cmd)
      if (!known) store(refusal.refused.type, undefined, refusal)
    },
    readAll: async (after, onEntry) => {
      for (const entry of [...entries]) if (entry.seq > after) onEntry(entry)
    },
    follow: async function* (after, signal) {
      for (let at = after; !signal.aborted; ) {
        for (let next = nextOf(at); next; next = nextOf(at)) {
          at = next.seq
          yield next
        }
        if (signal.aborted) return
        await new Promise<void>((resolve) => {
          woken.add(resolve)
          signal.addEventListener('abort', () => resolve(), { once: true })
        })
      }
    },
  }
  return journal
}

export type MemoryInbox = Inbox & {
  /** A command as somebody outside would publish it. */
  readonly publish: (type: string, verb: string, payload: unknown, cmd?: string, id?: string) => void
  readonly call: (type: string, verb: string, payload: unknown, cmd?: string, id?: string) => Promise<Outcome>
  /** A synchronous command just as given. */
  readonly deliver: (command: Command) => Promise<Outcome>
  /** Commands not yet acknowledged: what another process would be given again. */
  readonly waiting: () => readonly Command[]
  readonly sent: Message[]
}

/** Stored commands in memory: delivered in order, again to whoever consumes next if they were not acknowledged. */
export const memoryInbox = (): MemoryInbox => {
  const stored: { readonly command: Command; done: boolean }[] = []
  const ids = new Set<string>()
  const consumers = new Map<string, (delivery: Delivery) => void>()
  const servers = new Map<string, (command: Command) => Promise<Outcome>>()
  const sent: Message[] = []
  let sequence = 0
  const deliver = (item: (typeof stored)[number]): void =>
    consumers.get(item.command.type)?.({
      command: JSON.parse(JSON.stringify(item.command)) as Command,
      done: () => {
        item.done = true
      },
    })
  const add = (command: Command): void => {
    if (ids.has(command.cmd)) return
    ids.add(command.cmd)
    const item = { command, done: false }
    stored.push(item)
    deliver(item)
  }
  const commandOf = (type: string, verb: string, payload: unknown, cmd = `test/${++sequence}`, id?: string): Command => ({
    type,
    verb,
    id,
    cmd,
    payload,
    sentAt: Date.now(),
  })
  const serve = (command: Command): Promise<Outcome> => {
    const answer = servers.get(command.type)
    if (!answer) throw new Error(`nobody serves ${command.type}`)
    return answer(command)
  }
  return {
    sent,
    waiting: () => stored.filter(({ done }) => !done).map(({ command }) => command),
    publish: (...args) => add(commandOf(...args)),
    call: (...args) => serve(commandOf(...args)),
    deliver: (command) => serve(command),
    send: async (message) => {
      await Promise.resolve()
      sent.push(message)
      const { to, verb, key, payload, corr } = message
      add({ type: to.type, verb, id: to.id, cmd: key, payload, sentAt: Date.now(), cause: key, corr })
    },
    consume: (type, onDelivery, signal) => {
      consumers.set(type, onDelivery)
      for (const item of stored) if (!item.done && item.command.type === type) deliver(item)
      return aborted(signal, () => consumers.get(type) === onDelivery && consumers.delete(type))
    },
    serve: (type, onCall, signal) => {
      servers.set(type, onCall)
      return aborted(signal, () => servers.get(type) === onCall && servers.delete(type))
    },
  }
}

const aborted = (signal: AbortSignal, end: () => void): Promise<void> =>
  new Promise((resolve) => {
    const stop = (): void => {
      end()
      resolve()
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })

/** Everybody gets every lease: what then keeps two owners apart is the fence alone. */
export const freeLeases: Leases = {
  acquire: async () => ({ lost: new AbortController().signal, release: async () => {} }),
}
