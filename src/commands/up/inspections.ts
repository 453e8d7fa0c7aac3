import { history, isActor } from '../../runtime/history.ts'
import { fitting, type InspectMessage, inspected, introduced, type Seen, seen } from '../../runtime/inspect.ts'
import { Corrupt, type Stored } from '../../runtime/journal.ts'
import { addressOf, type Commit } from '../../runtime/types.ts'
import { addressFrom, going, page } from './pages.ts'
import type { Replayed } from './replays.ts'

export type InspectPage = { readonly messages: readonly InspectMessage[]; readonly next?: number }

type Between = {
  readonly actor?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
  readonly after?: number | undefined
}

/** So many commits make a page, unless their messages are too long for it: each of their actors is folded for it. */
const COMMITS_A_PAGE = 200
export const inspectPage = async (replayed: Replayed, between: Between): Promise<InspectPage> => {
  const found = await commitsBetween(replayed, between)
  const told = (
    await Promise.all(
      [...Map.groupBy(found, ({ actor }) => addressOf(actor)).values()].map((its) => messagesOf(replayed, its, between)),
    )
  ).flat()
  const inOrder = told.toSorted((a, b) => a.seq - b.seq)
  const { items, next } = page(inOrder, replayed.pageBytes, ({ seq }) => seq)
  const more = next ?? (found.length === COMMITS_A_PAGE ? found.at(-1)?.seq : undefined)
  return { messages: items.flatMap(({ messages }) => messages), ...going(more) }
}

/** The first commits of the range, in the journal's order. */
const commitsBetween = async ({ records, since }: Replayed, between: Between): Promise<readonly Stored[]> => {
  const { actor, from = 0, to = Number.MAX_SAFE_INTEGER, after = 0 } = between
  const found = new Map<number, Stored>()
  const take = (stored: Stored): void => {
    const commit: Commit | Corrupt = stored.commit
    if (!(commit instanceof Corrupt) && isActor(stored.actor.type) && stored.seq > after && commit.ts >= from && commit.ts <= to)
      found.set(stored.seq, stored)
  }
  if (actor !== undefined) await history(records, addressFrom(actor), take)
  else {
    await records.archive?.between(from, to, take)
    const archived = found.size
    await records.journal.readAll(Math.max(after, from > 0 ? await since(from) : 0), ({ seq, type, id, record }) => {
      if (id !== undefined && 'n' in record) take({ seq, actor: { type, id }, commit: record })
      return found.size - archived < COMMITS_A_PAGE
    })
  }
  return [...found.values()].toSorted((a, b) => a.seq - b.seq).slice(0, COMMITS_A_PAGE)
}

/** A commit has three messages at most: the actor, the event, the snapshot. */
const MESSAGES = 3

/** One actor's messages, on the state that its whole history makes; it is introduced if it is older than the range. */
const messagesOf = async (
  { records, inspection, pageBytes }: Replayed,
  wanted: readonly Stored[],
  { from = 0 }: Between,
): Promise<readonly { readonly seq: number; readonly messages: readonly InspectMessage[] }[]> => {
  const self = wanted[0]?.actor
  if (!self) return []
  const seqs = new Set(wanted.map(({ seq }) => seq))
  const told: { seq: number; messages: readonly InspectMessage[] }[] = []
  let known: Seen | undefined
  const next = ({ seq, commit }: Stored): void => {
    const before = known
    const after = seen(before, commit)
    known = after
    if (!seqs.has(seq)) return
    const first = before && before.ts < from ? [introduced(inspection, self, before)] : []
    const messages = [...first, ...inspected(inspection, self, commit, after)]
    told.push({ seq, messages: messages.map((message) => fitting(message, pageBytes / MESSAGES)) })
  }
  if (wanted[0]?.commit.n === 1 && wanted.every(({ commit }, index) => commit.n === index + 1)) wanted.forEach(next)
  else await history(records, self, (stored) => void (stored.commit instanceof Corrupt || next(stored)))
  return told
}
