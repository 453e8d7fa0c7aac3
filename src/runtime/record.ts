import type { Decision } from './decide.ts'
import { type Failure, failureOf } from './effects.ts'
import { type Book, INIT, type Parent } from './fold.ts'
import { type Persisted, statePatch } from './persist.ts'
import type { Checkpoint, Commit, Definition, Intent, JournaledEvent, Timer } from './types.ts'

/** What is to become a commit: an event, what it answers, and what was decided on it. */
export type Draft = {
  readonly ev: JournaledEvent & { readonly at: number }
  readonly cmd: string
  readonly ext?: boolean
  readonly cause?: string | undefined
  readonly corr?: string | undefined
  readonly trace?: string | undefined
  readonly who?: string | undefined
  readonly decision?: Decision
  /** The state after a commit that no machine decided. */
  readonly state?: Persisted
  /** Facts, messages, ended intents and timers that no machine asked for. */
  readonly em?: readonly JournaledEvent[]
  readonly fx?: readonly Intent[]
  readonly done?: readonly string[]
  readonly tdel?: readonly string[]
  readonly tset?: readonly Timer[]
  readonly ck?: Checkpoint
}

// The machine's own facts and intents are numbered by their place among its actions; ours begin above them.
export const OWN_FACTS = 1000
export const OWN_INTENTS = 2000

/**
 * The next record of an actor.
 * @param finished keys of intents that have ended since the last commit
 * @throws NotJson when the new state can't be journaled
 */
export const recorded = (
  definition: Definition,
  { own, nonce }: { readonly own: string; readonly nonce: string },
  before: Book | undefined,
  next: Persisted,
  draft: Draft,
  finished: Iterable<string>,
): Commit => {
  const { decision, ev, cmd } = draft
  const left = decision && decision.left.length > 0 ? abandoned(before, decision.left) : []
  return {
    f: 1,
    n: (before?.n ?? 0) + 1,
    mv: definition.version,
    sv: definition.events[ev.type]?.v ?? 1,
    own,
    nonce,
    ts: ev.at,
    cmd,
    ...(draft.ext && { ext: true as const }),
    ...(draft.cause !== undefined && { cause: draft.cause }),
    corr: draft.corr ?? cmd,
    ...(draft.trace !== undefined && { trace: draft.trace }),
    ...(draft.who !== undefined && { who: draft.who }),
    ...(draft.ck && { ck: draft.ck }),
    ev,
    to: next.value,
    p: statePatch(draft.ck ? undefined : before?.state, next) as Commit['p'],
    fx: [...(decision?.fx ?? []), ...(draft.fx ?? []), ...report(before, next, draft)],
    done: [...new Set([...finished, ...(draft.done ?? []), ...left])],
    tdel: [...(draft.tdel ?? []), ...(decision?.tdel ?? [])],
    tset: [...(draft.tset ?? []), ...(decision?.tset ?? [])],
    em: [...(decision?.em ?? []), ...(draft.em ?? []).map((fact, index) => ({ i: OWN_FACTS + index, ev: fact }))],
  }
}

/** Keys of invoked effects whose state was left. */
const abandoned = (before: Book | undefined, refs: readonly string[]): readonly string[] =>
  [...(before?.open.values() ?? [])]
    .filter(({ kind, ref }) => kind === 'invoke' && refs.includes(ref ?? ''))
    .map(({ key }) => key)

/** The end of a child is told to its parent by the commit that ends it. */
const report = (before: Book | undefined, next: Persisted, { ev, decision }: Draft): readonly Intent[] => {
  const parent = ev.type === INIT ? (ev['parent'] as Parent | undefined) : before?.parent
  if (!parent || !decision || next.status === 'active') return []
  return [letterToParent(parent, next.status === 'done' ? { output: next.output } : { error: failureOf(decision.next.error) })]
}

/** The message by which a parent hears of a child's end. */
export const letterToParent = (
  { ref, ...to }: Parent,
  ending: { readonly output: unknown; readonly repeated?: boolean } | { readonly error: Failure },
): Intent => {
  const type = `xstate.${'error' in ending ? 'error' : 'done'}.actor.${ref}`
  return { i: OWN_INTENTS, kind: 'send', name: type, to, input: { type, actorId: ref, ...ending } }
}
