import type { AnyMachineSnapshot } from 'xstate'
import { begin, type Decision, decide } from './decide.ts'
import { stopping, unfinishedEffects } from './drafts.ts'
import { type Book, INIT } from './fold.ts'
import { Corrupt } from './journal.ts'
import { diff } from './patch.ts'
import { hydrate, type Persisted, persist } from './persist.ts'
import { type Draft, OWN_FACTS, OWN_INTENTS, recorded } from './record.ts'
import { type Address, addressOf, type Commit, type Definition, type JournaledEvent, type Timer } from './types.ts'
import { upcast } from './upcast.ts'
import { migrated, newInvokes, withInvokes } from './versions.ts'

/** One place where the journal and the machine of today disagree. An absent value is undefined. */
export type Difference = { readonly path: string; readonly journal: unknown; readonly replay: unknown }

/** An actor between two commits: its book, and the machine's own snapshot where it is at hand. */
export type Stand = { readonly book: Book | undefined; readonly live: AnyMachineSnapshot | undefined }

export type Replayed = {
  readonly differs: readonly Difference[]
  readonly live: AnyMachineSnapshot | undefined
  /** Whether the machine decided it again; bookkeeping is checked without it. */
  readonly executed: boolean
}
type Event = JournaledEvent & { readonly at: number }

/**
 * Pure: decides a commit again on the state before it, and compares what was journaled: state, intents, timers, facts.
 * @param after the state that the commit's patch makes
 * @throws Corrupt when it can't be replayed at all: a newer schema, a missing upcast, no time
 */
export const replay = (definition: Definition, self: Address, before: Stand, commit: Commit, after: Persisted): Replayed => {
  const { type } = commit.ev
  if (type === '$dead' || type === '$ignored') return undecided(definition, self, before, commit, after)
  if (type.startsWith('$')) return booked(definition, self, before, commit, after)
  const decision = decided(definition, self, before, commit, upcastEvent(definition, self, commit))
  if (decision instanceof Error)
    return { differs: [differs('event', commit.ev.type, decision.message)], live: undefined, executed: true }
  const draft = { ...answered(commit), decision, tdel: timerOf(commit), done: endedBy(before.book, commit) }
  const found = compared(definition, before.book, commit, after, draft, persist(decision.next))
  return { differs: found, live: decision.next, executed: true }
}

const differs = (path: string, journal: unknown, replay: unknown): Difference => ({ path, journal, replay })

/** The machine's answer to the event, or why there is none. */
const decided = (
  definition: Definition,
  self: Address,
  { book, live }: Stand,
  { ev }: Commit,
  event: Event,
): Decision | Error => {
  const isActive = book?.state.status === 'active'
  try {
    if (ev.type === INIT) return isActive ? new Error('it is running already') : begin(definition, self, event['input'], event.at)
    if (!book || !isActive) return new Error(book ? `it is ${book.state.status}` : 'there is no such actor yet')
    const state = live ?? hydrate(definition.machine, book.state)
    return decide(definition, self, state, event) ?? new Error(`not accepted in the state ${JSON.stringify(book.state.value)}`)
  } catch (error) {
    if (error instanceof Corrupt) throw error
    return new Error(`the machine throws: ${(error as Error).message}`, { cause: error })
  }
}

const upcastEvent = ({ events }: Definition, self: Address, { n, ev, sv }: Commit): Event => {
  const { type, at, ...payload } = ev
  const event = events[type]
  if (at === undefined) throw new Corrupt(`${addressOf(self)}: commit ${n} (${type}) says no time`)
  if (!event || event.v === sv) return { ...ev, at }
  try {
    return { ...(upcast(event, payload, sv) as object), type, at }
  } catch (error) {
    throw new Corrupt(`${addressOf(self)}: the event ${type} of commit ${n}: ${(error as Error).message}`, { cause: error })
  }
}

/** Events that the machine threw on, or did not accept: it has to do the same again. */
const undecided = (definition: Definition, self: Address, before: Stand, commit: Commit, after: Persisted): Replayed => {
  const { event, error } = commit.ev as { readonly event?: JournaledEvent; readonly error?: { readonly name?: string } }
  const kept = booked(definition, self, before, commit, after)
  const { live, book } = before
  // Of an event that could not be written only the type was kept; what has ended accepts nothing anyway.
  if (!event || error?.name === 'NotJson' || error?.name === 'Unstorable' || book?.state.status !== 'active') return kept
  const isDead = commit.ev.type === '$dead'
  const again = decided(definition, self, { book, live }, commit, { ...event, at: commit.ev.at ?? commit.ts })
  const isSame = again instanceof Error && isDead === (again.cause !== undefined)
  const said = again instanceof Error ? again.message : `accepted: ${JSON.stringify(again.next.value)}`
  const expected = isDead ? `the machine threw on ${event.type}` : `${event.type} was not accepted`
  return { ...kept, executed: true, differs: isSame ? kept.differs : [differs('event', expected, said), ...kept.differs] }
}

const timerOf = ({ cmd }: Commit): readonly string[] => {
  const id = /^timer\/(.+)\/\d+$/.exec(cmd)?.[1]
  return id === undefined ? [] : [id]
}

const answered = ({ ev, cmd, ts }: Commit): Pick<Draft, 'ev' | 'cmd'> => ({ ev: { ...ev, at: ev.at ?? ts }, cmd })

/** Keys of intents that the commit has to complete: the one that it answers, and all of them for a new beginning. */
const endedBy = (book: Book | undefined, { ev, cmd }: Commit): readonly string[] =>
  ev.type === INIT ? unfinishedEffects(book) : book?.open.get(cmd)?.kind === 'invoke' ? [cmd] : []

type Remade = Pick<Draft, 'state' | 'fx' | 'done' | 'tdel'>

/** What commits that no machine decided make of an actor; those that are not here leave its state as it was. */
const remade: Readonly<
  Record<string, (definition: Definition, self: Address, known: Book | undefined, commit: Commit) => Remade>
> = {
  $stillborn: () => ({ state: { status: 'error', value: '', context: null, children: {} } }),
  $stop: (definition, self, known, { cmd }) => (known ? stopping(definition, self, { cmd }, known) : {}),
  $migrated: (definition, self, known, { ev, ts }) => {
    if (!known) return {}
    const state = migrated(definition, self, known)
    const fx = newInvokes(definition, self, hydrate(definition.machine, state), ev.at ?? ts)
    return { state: withInvokes(state, fx), fx }
  },
}

/** Bookkeeping: the state after it, and that it asks for nothing that only a machine asks for. */
const booked = (definition: Definition, self: Address, before: Stand, commit: Commit, after: Persisted): Replayed => {
  const { type } = commit.ev
  const known = before.book
  const made = remade[type]?.(definition, self, known, commit)
  const next = made?.state ?? known?.state ?? (commit.ck && after)
  if (!next) return { differs: [differs('event', type, 'there is no such actor yet')], live: undefined, executed: false }
  const told = { fx: commit.fx.filter(isOurs(OWN_INTENTS)), em: commit.em.filter(isOurs(OWN_FACTS)) }
  const { fx = told.fx, done = [], tdel = timerOf(commit) } = made ?? {}
  const draft = { ...answered(commit), fx, done, tdel, tset: dated(known, commit) }
  const found = compared(definition, known, commit, after, draft, next, told.em)
  return { differs: found, live: made ? undefined : before.live, executed: false }
}
/** Timers that a new owner dates anew: those that were set, on another day. */
const dated = (known: Book | undefined, { ev, tset }: Commit): readonly Timer[] =>
  ev.type === '$opened' || ev.type === '$migrated' ? tset.filter(({ id }) => known?.timers.has(id)) : []

/** What a refusal or an end tells others may be told in other words by the next release: only its number says whose it is. */
const isOurs =
  (from: number) =>
  ({ i }: { readonly i: number }): boolean =>
    i >= from

const compared = (
  definition: Definition,
  before: Book | undefined,
  commit: Commit,
  after: Persisted,
  draft: Draft,
  next: Persisted,
  ours: Commit['em'] = [],
): readonly Difference[] => {
  try {
    const again = recorded(definition, commit, before, next, draft, [])
    // The same patch on the same state makes the same state: to compare it whole is for when the patches differ.
    const isSamePatch = JSON.stringify(commit.p) === JSON.stringify(again.p)
    return [
      ...differences('to', commit.to, again.to),
      ...(isSamePatch ? [] : differences('state', after, next)),
      ...listDifferences('fx', commit.fx, again.fx),
      ...listDifferences('tdel', commit.tdel, again.tdel),
      ...listDifferences('tset', commit.tset, again.tset.map(asOldAs(commit.tset))),
      ...listDifferences('em', commit.em, [...again.em, ...ours]),
      ...ends(before, commit, again.done),
    ]
  } catch (error) {
    return [differs('state', after, (error as Error).message)]
  }
}

/** Fields that timers gained after the journaled one was written say nothing about the machine. */
const asOldAs =
  (journaled: readonly Timer[]) =>
  (timer: Timer): Timer => {
    const old = journaled.find(({ id }) => id === timer.id)
    const { after, policy, sv, ...rest } = timer
    return {
      ...rest,
      ...(old?.after !== undefined && after !== undefined && { after }),
      ...(old?.policy !== undefined && policy !== undefined && { policy }),
      ...(old?.sv !== undefined && sv !== undefined && { sv }),
    }
  }

/** Which effects happened to be finished by then only the journal knows; but those that had to end did, and all were open. */
const ends = (before: Book | undefined, { done }: Commit, required: readonly string[]): readonly Difference[] => [
  ...required.flatMap((key) => (done.includes(key) ? [] : [differs('done', undefined, key)])),
  ...done.flatMap((key) => (before?.open.has(key) ? [] : [differs('done', key, undefined)])),
]

/** The replay's list as the journal would have it: what JSON leaves out is not there. */
const listDifferences = (name: string, journal: readonly unknown[], again: readonly unknown[]): readonly Difference[] => {
  if (journal.length === 0 && again.length === 0) return []
  const text = JSON.stringify(again)
  return text === JSON.stringify(journal) ? [] : differences(name, journal, JSON.parse(text))
}

/** Where two JSON values differ, as deep as they do. */
export const differences = (name: string, journal: unknown, again: unknown): readonly Difference[] => {
  const { set = [], del = [] } = diff(journal, again)
  const at = (path: readonly (string | number)[]) => ({ path: [name, ...path].join('.'), journal: valueAt(journal, path) })
  return [
    ...set.map(([path, value]) => ({ ...at(path), replay: value })),
    ...del.map((path) => ({ ...at(path), replay: undefined })),
  ]
}
const valueAt = (value: unknown, path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>((inner, key) => (inner as Readonly<Record<string | number, unknown>> | undefined)?.[key], value)
