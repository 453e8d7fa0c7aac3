import { z } from 'zod'
import { history, isActor, type Records } from '../../runtime/history.ts'
import { type Inspection, type Seen, seen } from '../../runtime/inspect.ts'
import type { Inspector } from '../../runtime/inspecting.ts'
import { Corrupt } from '../../runtime/journal.ts'
import { type Address, addressOf, type Commit, type Definition } from '../../runtime/types.ts'
import { type Verdict, verifier } from '../../runtime/verify.ts'
import { type InspectPage, inspectPage } from './inspections.ts'
import { addressFrom, going, page } from './pages.ts'

export type Replayed = {
  readonly records: Records
  readonly definitions: readonly Definition[]
  readonly inspection: Inspection
  readonly inspector: Inspector
  /** Every actor of which the journal holds something, sorted. */
  readonly actors: () => Promise<readonly Address[]>
  /** A sequence that no commit of this time or later (epoch ms) is before. */
  readonly since: (time: number) => Promise<number>
  /** What inspectors subscribe to. */
  readonly subject: string
  /** Bytes of an answer, at most. */
  readonly pageBytes: number
}

const ActorName = z.string().regex(/^[^/]+\/.+$/s, 'an actor is named <type>/<id>, such as cluster/demo')
const Time = z.number().describe('epoch ms')

/** What `qm.<c>.ask.journal` is asked. Answers come in pages: ask again with `after` set to `next` until there is none. */
const JournalQuestion = z.union([
  z.strictObject({ actor: ActorName, from: z.number().optional(), to: z.number().optional(), after: z.number().optional() }),
  z.strictObject({ verify: z.array(ActorName).min(1).max(100) }),
  z.strictObject({ at: Time, after: z.string().optional() }),
  z.strictObject({ actors: z.literal(true), after: z.string().optional() }),
])

/** What `qm.<c>.ask.inspect` is asked: to be told from now on, or what happened between two times. */
const InspectQuestion = z.union([
  z.strictObject({ watch: z.literal(true) }),
  z.strictObject({ actor: ActorName.optional(), from: Time.optional(), to: Time.optional(), after: z.number().optional() }),
])

export type CommitPage = {
  readonly commits: readonly { readonly seq: number; readonly record: Commit }[]
  readonly next?: number
}
export type ActorPage = { readonly actors: readonly string[]; readonly next?: string }
export type VerdictPage = { readonly verdicts: readonly Verdict[] }
/** An actor that lived at that time, after commit `n`. */
export type Standing = { readonly actor: string; readonly n: number; readonly value: unknown; readonly since: number }
export type StandingPage = { readonly actors: readonly Standing[]; readonly next?: string }

/** @throws Error in words for people */
const understood = <T>(schema: z.ZodType<T>, question: unknown): T => {
  const { data, error } = schema.safeParse(question)
  if (error) throw new Error(`no question about the journal: ${z.prettifyError(error)}`)
  return data as T
}

/** Answers about the past. They read the journal and the archive, and fold; nothing here writes. */
export const replays = (replayed: Replayed) => ({
  journal: async (question: unknown): Promise<CommitPage | ActorPage | VerdictPage | StandingPage> => {
    const asked = understood(JournalQuestion, question)
    if ('actor' in asked) return commitPage(replayed, asked)
    if ('verify' in asked) return verdictPage(replayed, asked.verify)
    return 'at' in asked ? standingPage(replayed, asked) : actorPage(replayed, asked.after)
  },
  inspect: async (question: unknown): Promise<InspectPage | { readonly subject: string; readonly seconds: number }> => {
    const asked = understood(InspectQuestion, question)
    return 'watch' in asked ? { ...(await replayed.inspector.watch()), subject: replayed.subject } : inspectPage(replayed, asked)
  },
})

type Range = {
  readonly actor: string
  readonly from?: number | undefined
  readonly to?: number | undefined
  readonly after?: number | undefined
}

const commitPage = async (
  { records, pageBytes }: Replayed,
  { actor, from = 1, to = Infinity, after = 0 }: Range,
): Promise<CommitPage> => {
  const found: CommitPage['commits'][number][] = []
  let isKnown = false
  await history(records, addressFrom(actor), ({ seq, commit }) => {
    isKnown = true
    const record: Commit | Corrupt = commit
    if (record instanceof Corrupt) throw record
    if (record.n >= from && record.n <= to && record.n > after) found.push({ seq, record })
  })
  if (!isKnown) throw new Error(`there is no ${actor} in the journal or the archive: "status" lists the actors that live`)
  const { items, next } = page(found, pageBytes, ({ record }) => record.n)
  return { commits: items, ...going(next) }
}

const actorPage = async ({ actors, pageBytes }: Replayed, after: string | undefined): Promise<ActorPage> => {
  const names = (await actors()).filter(({ type }) => isActor(type)).map(addressOf)
  const { items, next } = page(names.slice(after === undefined ? 0 : names.indexOf(after) + 1), pageBytes, (name) => name)
  return { actors: items, ...going(next) }
}

const verdictPage = async (replayed: Replayed, names: readonly string[]): Promise<VerdictPage> => {
  const verdicts: Verdict[] = []
  for (const name of names) verdicts.push(await verdictOn(replayed, addressFrom(name)))
  return { verdicts }
}
const verdictOn = async ({ records, definitions }: Replayed, actor: Address): Promise<Verdict> => {
  const definition = definitions.find(({ type }) => type === actor.type)
  const corrupt = (reason: string): Verdict => ({
    actor,
    commits: 0,
    executed: 0,
    older: 0,
    fault: { kind: 'corrupt', n: undefined, reason },
  })
  if (!definition) return corrupt(`this process has no machine of type ${actor.type}: ask where it is hosted`)
  const { take, verdict } = verifier(definition, actor)
  try {
    await history(records, actor, ({ commit }) => take(commit))
  } catch (error) {
    if (error instanceof Corrupt) return corrupt(error.message)
    throw error
  }
  return verdict().commits === 0 && !verdict().fault
    ? corrupt('there is no such actor in the journal or the archive')
    : cut(verdict())
}

const MOST_DIFFERENCES = 20
const MOST_CHARACTERS = 2_000
/** Values that differ can be as large as the state: of those the beginning is shown. */
const cut = (verdict: Verdict): Verdict => {
  const { fault } = verdict
  if (fault?.kind !== 'diverged') return verdict
  const differs = fault.differs
    .slice(0, MOST_DIFFERENCES)
    .map(({ path, journal, replay }) => ({ path, journal: short(journal), replay: short(replay) }))
  return { ...verdict, fault: { ...fault, differs } }
}
const short = (value: unknown): unknown => {
  const text = JSON.stringify(value) ?? ''
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)} …` : value
}

/** Every actor that lived at a time. */
const standingPage = async (
  replayed: Replayed,
  { at, after }: { at: number; after?: string | undefined },
): Promise<StandingPage> => {
  const { records, pageBytes } = replayed
  const standing = new Map<string, Seen>()
  const fold = (actor: Address, commit: Commit): void => {
    const name = addressOf(actor)
    const known = standing.get(name)
    if (!isActor(actor.type) || commit.ts > at || commit.n <= (known?.n ?? 0)) return
    // Without its beginning nothing can be said of it; `verify` names the hole.
    if (commit.n !== (known?.n ?? 0) + 1 && !commit.ck) return
    standing.set(name, seen(known, commit))
  }
  await records.archive?.between(0, at, ({ actor, commit }) => fold(actor, commit))
  await records.journal.readAll(0, ({ type, id, record }) => {
    if (id !== undefined && 'n' in record) fold({ type, id }, record)
  })
  const living = [...standing]
    .filter(([, { state }]) => state.status === 'active')
    .map(([actor, { n, ts, state }]): Standing => ({ actor, n, value: state.value, since: ts }))
    .toSorted((a, b) => a.actor.localeCompare(b.actor))
    .filter(({ actor }) => after === undefined || actor.localeCompare(after) > 0)
  const { items, next } = page(living, pageBytes, ({ actor }) => actor)
  return { actors: items, ...going(next) }
}
