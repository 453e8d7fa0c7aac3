import { Corrupt } from './journal.ts'
import type { Patch } from './patch.ts'
import { type Persisted, patchedState } from './persist.ts'
import type { CachedSnapshot } from './snapshots.ts'
import { type Address, addressOf, type Commit, keyOf, type Ledger, type Timer } from './types.ts'

/** An intent that has not ended. `attempt`: how often it may have been tried, this time included. */
export type Open = Ledger['open'][number]
export type Parent = Address & { readonly ref: string }

export type Kept = { readonly n: number; readonly seq: number; readonly sha256: string }

/** Everything known of an actor after its newest commit. Made by folding alone: no user code runs. */
export type Book = {
  readonly n: number
  /** Sequence of the newest commit in the journal: the fence. */
  readonly seq: number
  readonly nonce: string
  readonly ts: number
  readonly mv: number
  readonly own: string
  readonly state: Persisted
  readonly parent: Parent | undefined
  readonly open: ReadonlyMap<string, Open>
  readonly timers: ReadonlyMap<string, Timer>
  /** Ids of commands already decided, with the time of the decision. */
  readonly cmds: Map<string, number>
  /** The newest checkpoint: what is before it the archive may hold instead of the journal. */
  readonly kept: Kept
}

/** How long a command id is remembered: what COMMANDS keeps (24 h) and a margin. */
export const REMEMBERED_MS = 25 * 3_600_000

export const INIT = 'xstate.init'
const NOTHING_ARCHIVED: Kept = { n: 0, seq: 0, sha256: '' }

/**
 * The book after one more commit. It takes over the map of command ids from the book before, which is then of no use:
 * copying thousands of ids at every command would cost more than all the rest.
 * @param state the state after it, where it is known already; otherwise the recorded patch is applied
 * @throws Corrupt when a commit is missing before it
 */
export const book = (before: Book | undefined, self: Address, commit: Commit, seq: number, state?: Persisted): Book => {
  const expected = (before?.n ?? 0) + 1
  // Where a loss was accepted, the numbers that may have been used before are left out.
  const isBeginning = commit.ck !== undefined && (!before || commit.ev['loss'] !== undefined)
  if (commit.n !== expected && !isBeginning)
    throw new Corrupt(`${addressOf(self)}: commit ${expected} is missing, found ${commit.n} at sequence ${seq}`)
  const newest = {
    n: commit.n,
    seq,
    nonce: commit.nonce,
    ts: commit.ts,
    mv: commit.mv,
    own: commit.own,
    state: state ?? patchedState(before?.state, commit.p as Patch),
  }
  if (commit.ck && isBeginning) return { ...newest, ...ledgerRead(commit.ck), kept: keptBy(commit, seq) }
  return {
    ...newest,
    parent: commit.ev.type === INIT ? (commit.ev['parent'] as Parent | undefined) : before?.parent,
    open: opened(before?.open, self, commit),
    timers: timed(before?.timers, commit),
    cmds: remembered(before?.cmds, commit),
    kept: commit.ck ? keptBy(commit, seq) : (before?.kept ?? NOTHING_ARCHIVED),
  }
}

const keptBy = ({ n, ck }: Commit, seq: number): Kept => ({ n, seq, sha256: ck?.sha256 ?? '' })

const opened = (before: Book['open'] = new Map(), self: Address, commit: Commit): Book['open'] => {
  if (commit.fx.length === 0 && commit.done.length === 0) return marked(before, commit)
  const open = new Map(before)
  for (const key of commit.done) open.delete(key)
  for (const intent of commit.fx) {
    const key = keyOf(self, commit.n, intent.i)
    const { corr, trace } = commit
    open.set(key, { ...intent, key, corr, attempt: 1, ...(trace !== undefined && { trace }) })
  }
  return marked(open, commit)
}

/** Parked, given another try, or possibly tried by the owner before: an attempt is counted when it may happen again. */
const marked = (open: Book['open'], { ev }: Commit): Book['open'] => {
  const change = marks[ev.type]
  if (!change || open.size === 0) return open
  return new Map([...open].map(([key, intent]) => [key, change(intent, ev as Mark)]))
}
type Mark = { readonly key?: string; readonly error?: string }
const again = ({ parked: _, ...intent }: Open): Open => ({ ...intent, attempt: intent.attempt + 1 })
const reopened = (intent: Open): Open => (intent.parked === undefined ? again(intent) : intent)
const marks: Readonly<Record<string, (intent: Open, mark: Mark) => Open>> = {
  $opened: reopened,
  $migrated: reopened,
  '$fx.parked': (intent, { key, error }) => (intent.key === key ? { ...intent, parked: String(error) } : intent),
  '$fx.retried': (intent, { key }) => (intent.key === key ? again(intent) : intent),
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
  if (ext) remember(cmds, cmd, ts)
  return cmds
}

/** Adds a command's id to those already decided, and forgets the ones whose repeat can't come any more. */
export const remember = (cmds: Map<string, number> | undefined, cmd: string, ts: number): void => {
  if (!cmds) return
  forget(cmds, ts)
  cmds.set(cmd, ts)
}

const forget = (cmds: Map<string, number>, now: number): void => {
  for (const [id, at] of cmds) {
    if (now - at <= REMEMBERED_MS) return // in order of time: the rest is younger
    cmds.delete(id)
  }
}

/** What a checkpoint or a cached snapshot holds beside the state. */
export const ledgerOf = ({ parent, open, timers, cmds, ts }: Book): Ledger => {
  forget(cmds, ts)
  return { ...(parent && { parent }), open: [...open.values()], timers: [...timers.values()], cmds: [...cmds] }
}

const ledgerRead = ({ parent, open, timers, cmds }: Ledger): Pick<Book, 'parent' | 'open' | 'timers' | 'cmds'> => ({
  parent,
  open: new Map(open.map((intent) => [intent.key, intent])),
  timers: new Map(timers.map((timer) => [timer.id, timer])),
  cmds: new Map(cmds),
})

/** The book as a cache keeps it. */
export const snapshotOf = (known: Book): CachedSnapshot => {
  const { parent: _, open: __, timers: ___, cmds: ____, ...newest } = known
  return { f: 1, ...newest, ledger: ledgerOf(known) }
}

/** The book that a cache has kept. Whether the journal still says the same is for the caller to ask. */
export const bookOf = ({ ledger, f: _, ...newest }: CachedSnapshot): Book => ({ ...newest, ...ledgerRead(ledger) })
