import type { Chapter } from './archive.ts'
import { pause } from './clock.ts'
import { failureOf } from './effects.ts'
import { type Book, book } from './fold.ts'
import type { Ground } from './ground.ts'
import { Corrupt, type Stored } from './journal.ts'
import { owes } from './recover.ts'
import { bornAt } from './refuse.ts'
import type { Residents } from './residents.ts'
import { type Address, addressOf, type Definition, type OneShot } from './types.ts'

/** How often the journal is looked through for what it need not hold any more. */
const KEEP_MS = 600_000
/** So many commits after the last checkpoint make the next one worth it. */
const CHECKPOINT_EVERY = 1_000
/** So many actors go into the archive together: they compress the better, and are held in memory meanwhile. */
const TOGETHER = 2_000

/**
 * Keeps the journal of one actor type short, until the signal aborts: long journals of living actors get a checkpoint, and
 * what is before it is archived; one-shot actors that have ended are archived whole after their time. Nothing is purged
 * that was not read back from the archive. Without an archive nothing is purged at all.
 */
export const keep = async (ground: Ground, definition: Definition, residents: Residents, held: AbortSignal): Promise<void> => {
  const { archive, clock, log } = ground
  while (archive) {
    await pause(clock, KEEP_MS, held)
    if (held.aborted) return
    try {
      await shorten(ground, definition, residents, held)
      if (definition.oneShot) await bury(ground, definition.type, definition.oneShot, held)
    } catch (error) {
      if (held.aborted) return
      log.warn({ type: definition.type, err: failureOf(error) }, 'the journal could not be shortened, later again')
    }
  }
}

const shorten = async (
  { archive, journal, told }: Ground,
  { type }: Definition,
  residents: Residents,
  held: AbortSignal,
): Promise<void> => {
  for (const { self, book: bookNow, checkpoint } of residents.all()) {
    const known = bookNow()
    if (self.type !== type || known?.state.status !== 'active' || !isLong(known)) continue
    if (held.aborted) return
    const commits = await checkpoint()
    // What nobody was told yet stays where the projector reads it, until the next checkpoint.
    if ((commits.at(-1)?.seq ?? Number.POSITIVE_INFINITY) > ((await told?.()) ?? Number.MAX_SAFE_INTEGER)) continue
    await archive?.write([{ actor: self, commits }])
    await journal.purge(self, bookNow()?.kept.seq)
  }
}

/** The command ids that it remembers are in every checkpoint. */
const isLong = ({ n, kept, cmds }: Book): boolean => n - kept.n >= Math.max(CHECKPOINT_EVERY, cmds.size)

const bury = async (ground: Ground, type: string, { retainMs }: OneShot, held: AbortSignal): Promise<void> => {
  const { archive, journal, clock } = ground
  const horizon = clock.now() - retainMs
  const looked = new Set<string>()
  for (;;) {
    const old = await oldest(ground, type, horizon, looked)
    if (old.length === 0 || held.aborted) return
    const chapters: Chapter[] = []
    for (const actor of old) {
      const chapter = await ended(ground, actor, horizon)
      if (chapter) chapters.push(chapter)
    }
    if (chapters.length > 0) await archive?.write(chapters)
    for (const { actor } of chapters) {
      if (held.aborted) return
      await journal.purge(actor)
    }
  }
}

/** The next actors whose time is over; records are in the order of their time, so the first younger one ends the search. */
const oldest = async ({ journal }: Ground, type: string, horizon: number, looked: Set<string>): Promise<readonly Address[]> => {
  const found = new Map<string, Address>()
  await journal.readAll(0, (entry) => {
    const { id, record } = entry
    if (!(record instanceof Corrupt) && record.ts > horizon) return false
    if (entry.type !== type || id === undefined || looked.has(id) || (bornAt(id) ?? Number.POSITIVE_INFINITY) > horizon)
      return true
    looked.add(id)
    found.set(id, { type, id })
    return found.size < TOGETHER
  })
  return [...found.values()]
}

/** The whole journal of an actor that has ended before the horizon; undefined of one that lives, or has a hole. */
const ended = async ({ journal, log }: Ground, actor: Address, horizon: number): Promise<Chapter | undefined> => {
  const commits: Stored[] = []
  await journal.read(actor, 0, (stored) => commits.push(stored))
  try {
    let state: Book | undefined
    for (const { seq, commit } of commits) state = book(state, actor, commit, seq)
    return state && !owes(state) && state.ts <= horizon ? { actor, commits } : undefined
  } catch (error) {
    log.error({ actor: addressOf(actor), err: failureOf(error) }, 'not archived: its journal can not be folded')
    return undefined
  }
}
