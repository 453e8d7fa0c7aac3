import type { Clock } from './clock.ts'
import { failureOf } from './effects.ts'
import type { Log } from './ground.ts'
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
  /** Somebody watches: told for so many seconds from now on, and every actor is introduced (again) when it next moves. */
  readonly watch: () => { readonly seconds: number }
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
  let following: AbortController | undefined
  const told = new Set<string>()

  const follow = async (signal: AbortSignal): Promise<void> => {
    const states = new Map<string, Seen>()
    for await (const entry of journal.follow(await gallery.newest(), signal)) await tell(states, entry)
  }
  const tell = async (states: Map<string, Seen>, { seq, type, id, record }: Entry): Promise<void> => {
    if (id === undefined || !('n' in record)) return
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

  const begin = (): void => {
    const ending = new AbortController()
    following = ending
    const end = (): void => {
      if (following === ending) following = undefined
      ending.abort()
    }
    const expire = (): (() => void) =>
      clock.after(Math.max(1, until - clock.monotonic()), () => {
        if (clock.monotonic() >= until) end()
        else expire()
      })
    expire()
    const again = async (): Promise<void> => {
      await follow(ending.signal).catch((error: unknown) => {
        if (!ending.signal.aborted) log.warn({ err: failureOf(error) }, 'inspectors are not told for a moment')
      })
      if (!ending.signal.aborted) clock.after(AGAIN_MS, () => void again())
    }
    void again()
  }

  return {
    watch: () => {
      until = clock.monotonic() + WATCHED_MS
      told.clear()
      if (!following) begin()
      return { seconds: WATCHED_MS / 1_000 }
    },
    stop: () => following?.abort(),
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
