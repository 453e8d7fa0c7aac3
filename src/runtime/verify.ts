import { createHash } from 'node:crypto'
import { type Book, book, ledgerOf } from './fold.ts'
import { Corrupt } from './journal.ts'
import { type Difference, differences, replay, type Stand } from './replay.ts'
import { type Address, addressOf, type Commit, type Definition } from './types.ts'

/** Why a journal can't be trusted: the machine of today decides otherwise, or the records themselves make no sense. */
type Fault =
  | {
      readonly kind: 'diverged'
      /** The first commit on which journal and replay disagree. */
      readonly n: number
      readonly event: string
      readonly differs: readonly Difference[]
    }
  | { readonly kind: 'corrupt'; readonly n: number | undefined; readonly reason: string }

export type Verdict = {
  readonly actor: Address
  /** How many commits were looked at, up to the fault. */
  readonly commits: number
  /** How many of them the machine decided again; the others are bookkeeping, or of an older machine. */
  readonly executed: number
  /** How many were written by an older version of the machine: folded, never replayed through a newer one. */
  readonly older: number
  readonly fault?: Fault
}

export type Verifier = {
  /** The next commit, in order; nothing more is looked at after the first fault. */
  readonly take: (commit: Commit | Corrupt) => void
  readonly verdict: () => Verdict
}

/** Decides an actor's commits again, one after another, and stops at the first that comes out otherwise. */
export const verifier = (definition: Definition, actor: Address): Verifier => {
  let stand: Stand = { book: undefined, live: undefined }
  let fault: Fault | undefined
  let chain = createHash('sha256')
  const counted = { commits: 0, executed: 0, older: 0 }

  /** A checkpoint holds the hash of every record before it: none of them was changed in the archive. */
  const chained = (commit: Commit): void => {
    if (commit.ck && stand.book && chain.digest('hex') !== commit.ck.sha256)
      throw new Corrupt(`the hash in checkpoint ${commit.n} does not fit the records before it: one of them was changed since`)
    if (commit.ck) chain = createHash('sha256').update(commit.ck.sha256)
    chain.update(JSON.stringify(commit))
  }

  const looked = (commit: Commit): void => {
    if (commit.mv > definition.version)
      throw new Corrupt(
        `commit ${commit.n} was written by version ${commit.mv} of the machine, this process has version ${definition.version}: verify with the newer release`,
      )
    const { book: known } = stand
    chained(commit)
    const after = book(known, actor, commit, known ? known.seq + 1 : 1)
    counted.commits++
    if (commit.mv < definition.version) {
      counted.older++
      stand = { book: after, live: undefined }
      return
    }
    const replayed = replay(definition, actor, stand, commit, after.state)
    const differs = [...replayed.differs, ...checkpointed(known, after, commit)]
    if (differs.length > 0) fault = { kind: 'diverged', n: commit.n, event: commit.ev.type, differs }
    if (replayed.executed) counted.executed++
    stand = { book: after, live: replayed.live }
  }

  return {
    take: (commit) => {
      if (fault) return
      try {
        if (commit instanceof Corrupt) throw commit
        looked(commit)
      } catch (error) {
        if (!(error instanceof Corrupt)) throw error
        fault = { kind: 'corrupt', n: commit instanceof Corrupt ? undefined : commit.n, reason: error.message }
      }
    },
    verdict: () => ({ actor, ...counted, ...(fault && { fault }) }),
  }
}

/** A checkpoint says again what all commits before it say together. */
const checkpointed = (before: Book | undefined, after: Book, { ck }: Commit): readonly Difference[] => {
  if (!ck || !before) return []
  const { sha256: _, ...ledger } = ck
  return differences('ck', ledger, ledgerOf({ ...after, ts: before.ts }))
}

/** The verdict on one actor's commits, oldest first. They begin with the first one or with a checkpoint. */
export const verify = (definition: Definition, actor: Address, commits: Iterable<Commit | Corrupt>): Verdict => {
  const { take, verdict } = verifier(definition, actor)
  for (const commit of commits) take(commit)
  return verdict()
}

/** The verdict in one line. */
export const verdictLine = ({ actor, commits, executed, older, fault }: Verdict): string => {
  const name = addressOf(actor)
  if (!fault) return `${name}: ${commits} commits, ${executed} replayed${older > 0 ? `, ${older} of an older machine` : ''}`
  if (fault.kind === 'corrupt') return `${name}: corrupt: ${fault.reason}`
  return `${name}: commit ${fault.n} (${fault.event}) comes out otherwise: ${fault.differs.map(differenceLine).join('; ')}`
}
const differenceLine = ({ path, journal, replay: again }: Difference): string =>
  `${path}: journal ${JSON.stringify(journal) ?? 'nothing'}, replay ${JSON.stringify(again) ?? 'nothing'}`
