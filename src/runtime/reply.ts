import type { Clock } from './clock.ts'
import type { Answer, Commit, EventDef, Outcome } from './types.ts'

/** By then whoever calls is told that nothing is decided yet: NATS clients wait five seconds. */
const UNDECIDED_MS = 4_000
const UNDECIDED = 'taken, and not decided yet: a fact says what becomes of it'

type Call = {
  readonly clock: Clock
  readonly answer: NonNullable<EventDef['answer']>
  /** Brings the command to its actor. */
  readonly send: () => Promise<Outcome>
  /** Hears every commit of that actor; the result ends it. */
  readonly watch: (listener: (commit: Commit) => void) => () => void
}

/** The answer to a call whose machine takes an event also to refuse what it orders: what the first fact about it says. */
export const replied = async ({ clock, answer, send, watch }: Call): Promise<Outcome> => {
  const commits: Commit[] = []
  let heard = (commit: Commit): void => void commits.push(commit)
  const end = watch((commit) => heard(commit))
  try {
    const taken = await send()
    const asked = taken.ok && commits.find(({ n }) => n === taken.n)?.ev
    if (!taken.ok || !asked) return taken
    const said = (commit: Commit): Answer | undefined => first(commit.em, ({ ev }) => answer(asked, ev))
    const found =
      first(commits, (commit) => (commit.n >= taken.n ? said(commit) : undefined)) ??
      (await new Promise<Answer>((resolve) => {
        const stop = clock.after(UNDECIDED_MS, () => resolve({ ok: true, detail: UNDECIDED }))
        heard = (commit) => {
          const late = said(commit)
          if (!late) return
          stop()
          resolve(late)
        }
      }))
    return found.ok ? { ...taken, ...found } : found
  } finally {
    end()
  }
}

const first = <From, To>(all: readonly From[], look: (each: From) => To | undefined): To | undefined => {
  for (const each of all) {
    const found = look(each)
    if (found !== undefined) return found
  }
  return undefined
}
