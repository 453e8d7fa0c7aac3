import { type Clock, pause } from './clock.ts'
import { failureOf } from './effects.ts'
import type { Log } from './ground.ts'
import { isActor } from './history.ts'
import { type Inspection, type InspectMessage, inspected, introduced, type Seen, seen } from './inspect.ts'
import { Corrupt, type Entry, type Journal } from './journal.ts'
import { type Address, addressOf, type Commit } from './types.ts'

/** Where inspectors listen. What is published there is kept nowhere. */
export type Gallery = {
  publish(actor: Address, message: InspectMessage): void
  /** Sequence of the newest record of the journal. */
  newest(): Promise<number>
}

export type Inspector = {
  /**
   * Somebody watches: what is committed from now on is told for so many seconds, and every actor is introduced (again) when
   * it next moves. @throws Unanswered
   */
  readonly watch: () => Promise<{ readonly seconds: number }>
  readonly stop: () => void
}

/** Whoever watches says so again before this runs out; then nothing is read or published any more. */
const WATCHED_MS = 15_000
/** So many actors are remembered between two of their commits; the others are folded again. */
const REMEMBERED = 2_000
const AGAIN_MS = 1_000

type Options = {
  readonly journal: Pick<Journal, 'follow' | 'read'>
  readonly gallery: Gallery
  readonly inspection: Inspection
  readonly clock: Clock
  readonly log: Log
}

/** Tells inspectors of every commit while somebody watches. It reads the journal like anybody else: no commit waits for it. */
export const createInspector = ({ journal, gallery, inspection, clock, log }: Options): Inspector => {
  let until = 0
  let stopped = false
  let following: AbortController | undefined
  const told = new Set<string>()

  const follow = async (after: number, signal: AbortSignal): Promise<void> => {
    const states = new Map<string, Seen>()
    for await (const entry of journal.follow(after, signal)) await tell(states, entry)
  }
  const tell = async (states: Map<string, Seen>, { seq, type, id, record }: Entry): Promise<void> => {
    if (id === undefined || !isActor(type) || !('n' in record)) return
    const self = { type, id }
    const name = addressOf(self)
    const before = states.get(name) ?? (record.n > 1 ? await folded(journal, self, seq) : undefined)
    if ((before?.n ?? 0) + 1 !== record.n) return log.debug({ actor: name, n: record.n }, 'not inspected: purged meanwhile')
    const after = seen(before, record)
    if (before && !told.has(name)) gallery.publish(self, introduced(inspection, self, before))
    told.add(name)
    for (const message of inspected(inspection, self, record, after)) gallery.publish(self, message)
    remember(states, name, after)
  }
  const remember = (states: Map<string, Seen>, name: string, after: Seen): void => {
    states.delete(name)
    if (after.state.status === 'active') states.set(name, after)
    else told.delete(name)
    const [oldest] = states.keys()
    if (states.size > REMEMBERED && oldest !== undefined) states.delete(oldest)
  }

  const begin = (after: number): void => {
    const ending = new AbortController()
    following = ending
    const expire = (): void => {
      const left = until - clock.monotonic()
      if (left > 0) clock.after(left, expire)
      else end(ending)
    }
    expire()
    void keepUp(after, ending.signal)
  }
  const end = (ending: AbortController): void => {
    if (following === ending) following = undefined
    ending.abort()
  }
  const keepUp = async (first: number, signal: AbortSignal): Promise<void> => {
    for (let after = first; !signal.aborted; ) {
      const why = await follow(after, signal).then(
        () => 'the journal ended',
        (error: unknown) => failureOf(error).message,
      )
      if (signal.aborted) return
      log.warn({ why }, 'inspectors are not told for a moment')
      await pause(clock, AGAIN_MS, signal)
      after = await gallery.newest().catch(() => after) // no answer either: then what was missed comes late
    }
  }

  return {
    watch: async () => {
      const newest = await gallery.newest()
      until = clock.monotonic() + WATCHED_MS
      told.clear()
      if (!following && !stopped) begin(newest)
      return { seconds: WATCHED_MS / 1_000 }
    },
    stop: () => {
      stopped = true
      following?.abort()
    },
  }
}

/** The actor before the record with that sequence. */
const folded = async (journal: Pick<Journal, 'read'>, self: Address, seq: number): Promise<Seen | undefined> => {
  let known: Seen | undefined
  await journal.read(self, 0, (stored) => {
    const commit: Commit | Corrupt = stored.commit
    if (stored.seq < seq && !(commit instanceof Corrupt)) known = seen(known, commit)
  })
  return known
}
