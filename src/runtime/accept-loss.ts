import { createHash, type Hash } from 'node:crypto'
import type { Chance } from './chance.ts'
import type { Clock } from './clock.ts'
import { type Book, book, ledgerOf } from './fold.ts'
import { Corrupt, type Journal } from './journal.ts'
import { ACCEPTED, type Loss, type Traces } from './loss.ts'
import { owes } from './recover.ts'
import { bornAt } from './refuse.ts'
import { type Address, addressOf, type Commit, type JournaledEvent } from './types.ts'

export type Acceptance = {
  readonly journal: Journal
  readonly traces: Traces
  readonly clock: Clock
  readonly chance: Chance
  /** Who accepts it: the process, as in `own` of commits. */
  readonly process: string
}
/** What was done about it. */
export type Accepted = { readonly renumbered: number; readonly withdrawn: number; readonly until: number }

/** More commits than one actor can have lost without a trace beside those that have left one. */
const MARGIN = 1_000

type Found = { readonly actor: Address; readonly state: Book; readonly chain: Hash }

/**
 * Lets the journal go on after a loss. Nobody hosts anything meanwhile. A key or a sequence never means two things:
 * 1. letters that a lost commit sent, and that are not delivered yet, are taken back;
 * 2. every actor that may write again is given a checkpoint whose number is beyond all that it may have lost, because others
 *    remember the keys of the lost commits and would take new ones under the same key for repeats;
 * 3. the journal's sequence is raised beyond the newest one that anybody knows, and the acceptance becomes a public fact.
 * It can be repeated after a crash: until the last step the loss is still found.
 */
export const acceptLoss = async (acceptance: Acceptance, loss: Loss): Promise<Accepted> => {
  const { journal, traces } = acceptance
  const found = await folded(journal)
  const withdrawn = await traces.withdraw((sender, n) => n > (found.get(addressOf(sender))?.state.n ?? 0))
  const jump = MARGIN + Math.max(loss.until - loss.held, ...loss.actors.map(({ from, to }) => to - from + 1), 0)
  const writers = [...found.values()].filter(({ actor, state }) => owes(state) || bornAt(actor.id) === undefined)
  for (const each of writers) await journal.append(each.actor, renumbering(acceptance, loss, each, jump), each.state.seq)
  const until = await raised(acceptance, loss, { renumbered: writers.length, withdrawn })
  return { renumbered: writers.length, withdrawn, until }
}

/** Every actor whose journal can be folded; the others stay as they are, and are said by whoever opens them. */
const folded = async (journal: Journal): Promise<ReadonlyMap<string, Found>> => {
  const found = new Map<string, Found | Corrupt>()
  await journal.readAll(0, ({ seq, type, id, record }) => {
    if (id === undefined || type === ACCEPTED.type || !(record instanceof Corrupt || 'n' in record)) return
    const actor = { type, id }
    const known = found.get(addressOf(actor))
    if (known instanceof Corrupt) return
    found.set(addressOf(actor), record instanceof Corrupt ? record : next(known, actor, record, seq))
  })
  return new Map([...found].flatMap(([name, each]) => (each instanceof Corrupt ? [] : [[name, each]])))
}

const next = (known: Found | undefined, actor: Address, commit: Commit, seq: number): Found | Corrupt => {
  try {
    const state = book(known?.state, actor, commit, seq)
    const chain = commit.ck || !known ? createHash('sha256').update(commit.ck?.sha256 ?? '') : known.chain
    return { actor, state, chain: chain.update(JSON.stringify(commit)) }
  } catch (error) {
    if (error instanceof Corrupt) return error
    throw error
  }
}

const bare = ({ process, chance }: Acceptance, at: number, ev: JournaledEvent) => ({
  f: 1 as const,
  sv: 1,
  own: `${process}.${chance.unique().slice(0, 8)}`,
  nonce: chance.unique(),
  ts: at,
  ev: { ...ev, at },
  fx: [],
  done: [],
  tdel: [],
  tset: [],
})

/** A checkpoint that says the whole actor again, under a number that no lost commit had. */
const renumbering = (acceptance: Acceptance, { held, until }: Loss, { state, chain }: Found, jump: number): Commit => {
  const at = Math.max(acceptance.clock.now(), state.ts)
  const cmd = `loss/${until}`
  return {
    ...bare(acceptance, at, { type: '$checkpoint', loss: { held, until } }),
    n: state.n + jump,
    mv: state.mv,
    cmd,
    corr: cmd,
    ck: { ...ledgerOf(state), sha256: chain.digest('hex') },
    to: state.state.value,
    p: { set: [[[], state.state]] },
    em: [],
  }
}

/** Records that say nothing but that their sequences are used up; the last one is the fact. */
const raised = async (
  acceptance: Acceptance,
  { held, until, actors }: Loss,
  done: { readonly renumbered: number; readonly withdrawn: number },
): Promise<number> => {
  const { journal, clock } = acceptance
  const known = await journal.last(ACCEPTED)
  let [n, seq] = [known?.commit.n ?? 0, known?.seq ?? 0]
  const append = async (ev: JournaledEvent, em: Commit['em']): Promise<void> => {
    const cmd = `loss/${until}`
    const record = { ...bare(acceptance, clock.now(), ev), n: ++n, mv: 1, cmd, corr: cmd, to: 'accepted', p: {}, em }
    seq = await journal.append(ACCEPTED, record, seq)
  }
  for (let { last } = await acceptance.traces.end(); last < until; last = seq) await append({ type: '$lost' }, [])
  const fact = { type: 'journal.LossAccepted', held, until, actors: actors.map(({ actor }) => addressOf(actor)), ...done }
  await append({ type: '$accepted', held, until }, [{ i: 0, ev: fact }])
  return seq
}
