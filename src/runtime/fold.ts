import { Corrupt } from './journal.ts'
import { type Patch, patched } from './patch.ts'
import type { Persisted } from './persist.ts'
import { type Address, addressOf, type Commit, type Intent, keyOf, type Timer } from './types.ts'

export type Open = Intent & {
  readonly key: string
  readonly corr: string
  readonly trace?: string | undefined
  readonly parked?: string
}
export type Parent = Address & { readonly ref: string }

/** Everything known of an actor after its newest commit. Made by folding alone: no user code runs. */
export type Book = {
  readonly n: number
  /** Sequence of the newest commit in the journal: the fence. */
  readonly seq: number
  readonly ts: number
  readonly mv: number
  readonly own: string
  readonly state: Persisted
  readonly parent: Parent | undefined
  readonly open: ReadonlyMap<string, Open>
  readonly timers: ReadonlyMap<string, Timer>
  /** Ids of commands already decided, with the time of the decision. */
  readonly cmds: Map<string, number>
}

/** How long a command id is remembered: what COMMANDS keeps (24 h) and a margin. */
export const REMEMBERED_MS = 25 * 3_600_000

export const INIT = 'xstate.init'

/**
 * The book after one more commit. It takes over the map of command ids from the book before, which is then of no use:
 * copying thousands of ids at every command would cost more than all the rest.
 * @param state the state after it, where it is known already; otherwise the recorded patch is applied
 * @throws Corrupt when a commit is missing before it
 */
export const book = (before: Book | undefined, self: Address, commit: Commit, seq: number, state?: Persisted): Book => {
  const expected = (before?.n ?? 0) + 1
  if (commit.n !== expected)
    throw new Corrupt(`${addressOf(self)}: commit ${expected} is missing, found ${commit.n} at sequence ${seq}`)
  return {
    n: commit.n,
    seq,
    ts: commit.ts,
    mv: commit.mv,
    own: commit.own,
    state: state ?? (patched(before?.state, commit.p as Patch) as Persisted),
    parent: commit.ev.type === INIT ? (commit.ev['parent'] as Parent | undefined) : before?.parent,
    open: opened(before?.open, self, commit),
    timers: timed(before?.timers, commit),
    cmds: remembered(before?.cmds, commit),
  }
}

const opened = (before: Book['open'] = new Map(), self: Address, commit: Commit): Book['open'] => {
  if (commit.fx.length === 0 && commit.done.length === 0) return parked(before, commit)
  const open = new Map(before)
  for (const key of commit.done) open.delete(key)
  for (const intent of commit.fx) {
    const key = keyOf(self, commit.n, intent.i)
    open.set(key, { ...intent, key, corr: commit.corr, trace: commit.trace })
  }
  return parked(open, commit)
}

const parked = (open: Book['open'], { ev }: Commit): Book['open'] => {
  if (ev.type !== '$fx.parked') return open
  const intent = open.get(String(ev['key']))
  return intent ? new Map(open).set(intent.key, { ...intent, parked: String(ev['error']) }) : open
}

// Deletions first: re-entering a state cancels and sets the same timer in one commit.
const timed = (before: Book['timers'] = new Map(), { tdel, tset }: Commit): Book['timers'] => {
  if (tdel.length === 0 && tset.length === 0) return before
  const timers = new Map(before)
  for (const id of tdel) timers.delete(id)
  for (const timer of tset) timers.set(timer.id, timer)
  return timers
}

const remembered = (cmds: Map<string, number> = new Map(), { cmd, ext, ts }: Commit): Map<string, number> => {
  if (!ext) return cmds
  for (const [id, at] of cmds) {
    if (ts - at <= REMEMBERED_MS) break // in order of time: the rest is younger
    cmds.delete(id)
  }
  return cmds.set(cmd, ts)
}
