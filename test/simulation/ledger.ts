import type { Entry } from '../../src/runtime/journal.ts'
import { type Address, addressOf, type Commit, type Intent, keyOf } from '../../src/runtime/types.ts'

/** A promise that was not kept. */
export class Violation extends Error {
  override name = 'Violation'
  readonly invariant: string
  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`)
    this.invariant = invariant
  }
}

/** One run of an effect, as the world saw it. */
export type Run = {
  readonly key: string
  readonly process: string
  readonly attempt: number
  readonly startedAt: number
  end?: 'done' | 'failed'
}

type StoredIntent = Intent & { readonly key: string; readonly actor: string; readonly n: number }

/** What a command was answered with in the journal: by an actor's commit, or refused at the door. */
export type Decision = {
  /** `<actor>/<n>`, or `refused`. */
  readonly by: string
  readonly type: string
  readonly process: string
  readonly at: number
}

/**
 * What has to be true at every moment, checked as it happens and kept by other means than the runtime's: it shares no code
 * with the fold.
 */
export type WorldLedger = {
  readonly stored: (entry: Entry, isSent: (key: string) => boolean) => void
  readonly started: (run: Run, name: string, input: unknown) => void
  readonly intents: ReadonlyMap<string, StoredIntent>
  readonly runs: ReadonlyMap<string, readonly Run[]>
  /** By actor, in order. */
  readonly commits: ReadonlyMap<string, readonly Commit[]>
  readonly decisions: ReadonlyMap<string, readonly Decision[]>
  /** Keys of effects that failed for good, and the actor. */
  readonly parked: ReadonlyMap<string, Address>
}

/** Commits that end intents without these having ended: the actor was stopped, began anew, or somebody gave up. */
const ENDS_ALL = new Set(['xstate.init', '$stop', '$stillborn', '$fx.discarded'])

/** @param time milliseconds since the world began */
export const worldLedger = (time: () => number): WorldLedger => {
  const intents = new Map<string, StoredIntent>()
  const runs = new Map<string, Run[]>()
  const commits = new Map<string, Commit[]>()
  const decisions = new Map<string, Decision[]>()
  const owners = new Map<string, string[]>()
  const timers = new Map<string, Map<string, number>>()
  const open = new Map<string, Set<string>>()
  const parked = new Map<string, Address>()

  const decided = (cmd: string, type: string, own: string, by: string): void => {
    const decision = { by, type, process: own.split('.')[0] ?? own, at: time() }
    const known = decisions.get(cmd)
    if (known) known.push(decision)
    else decisions.set(cmd, [decision])
  }
  const checkOrder = (name: string, commit: Commit): void => {
    const before = commits.get(name)?.at(-1)
    const expected = (before?.n ?? 0) + 1
    if (commit.n !== expected) throw new Violation('commits are gapless', `${name}: ${commit.n} follows ${before?.n}`)
    if (before && commit.ts < before.ts) throw new Violation('time never goes back', `${name}/${commit.n}`)
  }
  const checkOwner = (name: string, { own, n }: Commit): void => {
    const known = owners.get(name) ?? []
    if (known.at(-1) === own) return
    if (known.includes(own)) throw new Violation('a fenced owner writes nothing', `${name}/${n} by ${own} after ${known.at(-1)}`)
    owners.set(name, [...known, own])
  }
  const checkTimers = (name: string, commit: Commit): void => {
    const armed = timers.get(name) ?? new Map<string, number>()
    timers.set(name, armed)
    const [, id, due] = /^timer\/(.*)\/(\d+)$/.exec(commit.cmd) ?? []
    if (id !== undefined) {
      if (armed.get(id) !== Number(due)) throw new Violation('a timer fires once', `${name}/${commit.n}: ${commit.cmd}`)
      if (commit.ts < Number(due))
        throw new Violation('no timer fires early', `${name}/${commit.n}: ${commit.cmd} at ${commit.ts}`)
    }
    for (const each of commit.tdel) armed.delete(each)
    for (const each of commit.tset) armed.set(each.id, each.due)
  }
  const checkEnds = (name: string, commit: Commit, isSent: (key: string) => boolean): void => {
    const owed = open.get(name) ?? new Set<string>()
    open.set(name, owed)
    for (const key of commit.done) {
      if (!owed.delete(key)) throw new Violation('an intent ends once', `${name}/${commit.n} ends ${key}`)
      const intent = intents.get(key)
      if (!intent || ENDS_ALL.has(commit.ev.type)) continue
      const ended = runs.get(key)?.map(({ end }) => end) ?? []
      if (['send', 'spawn', 'stop'].includes(intent.kind)) {
        if (!isSent(key)) throw new Violation('done is recorded after it is done', `${name}/${commit.n}: ${key} was not sent`)
      } else if ((intent.kind === 'action' || isSuccess(commit, key)) && !ended.includes('done'))
        throw new Violation('done is recorded after it is done', `${name}/${commit.n}: ${key} never ended`)
    }
    for (const intent of commit.fx) owed.add(keyOf(addressed(name), commit.n, intent.i))
  }

  return {
    intents,
    runs,
    commits,
    decisions,
    parked,
    stored: ({ type, id, record }, isSent) => {
      if ('refused' in record) return decided(record.cmd, type, record.own, 'refused')
      if (id === undefined || !('n' in record)) return
      const name = addressOf({ type, id })
      checkOrder(name, record)
      checkOwner(name, record)
      checkTimers(name, record)
      checkEnds(name, record, isSent)
      if (record.ev.type === '$fx.parked') parked.set(String(record.ev['key']), { type, id })
      if (record.ev.type === '$fx.retried') parked.delete(String(record.ev['key']))
      for (const key of record.done) parked.delete(key)
      if (record.ext) decided(record.cmd, type, record.own, `${name}/${record.n}`)
      for (const intent of record.fx) {
        const key = keyOf({ type, id }, record.n, intent.i)
        intents.set(key, { ...intent, key, actor: name, n: record.n })
      }
      const known = commits.get(name)
      if (known) known.push(record)
      else commits.set(name, [record])
    },
    started: (run, name, input) => {
      const intent = intents.get(run.key)
      if (!intent || intent.name !== name)
        throw new Violation('no effect starts before its commit is stored', `${name} ${run.key}`)
      if (JSON.stringify(intent.input) !== JSON.stringify(input))
        throw new Violation('one key, one intent', `${name} ${run.key} with ${JSON.stringify(input)}`)
      const known = runs.get(run.key)
      if (known) known.push(run)
      else runs.set(run.key, [run])
    },
  }
}

const isSuccess = ({ ev, cmd }: Commit, key: string): boolean => cmd === key && ev.type.startsWith('xstate.done.actor.')
const addressed = (name: string): { readonly type: string; readonly id: string } => {
  const slash = name.indexOf('/')
  return { type: name.slice(0, slash), id: name.slice(slash + 1) }
}
