import { isSameWrite, type Write } from './append.ts'
import { Corrupt, type Entry, type Journal } from './journal.ts'
import { type Address, addressOf } from './types.ts'

/** What something outside the journal knows of a record: it was acknowledged once. */
export type Trace = {
  /** Where it was found, in NATS' words: `EVENTS 131`. */
  readonly where: string
  /** The record's sequence in the journal. */
  readonly seq: number
  /** The commit, or the command that a record without an actor refused. */
  readonly of: { readonly actor: Address; readonly n: number; readonly write?: Write } | { readonly refused: string }
}

/** What can tell that the journal was longer once. */
export type Traces = {
  /** The journal's end: the sequence it counts on from, and that of the newest record that is really there. */
  end(): Promise<{ readonly last: number; readonly held: number }>
  /** The newest trace of each kind. */
  newest(): Promise<readonly Trace[]>
  /** Everything that was told, the newest first. */
  told(): AsyncIterable<Trace>
  /** Takes back letters between actors that are not delivered yet, where the sender's commit is lost; answers how many. */
  withdraw(isLost: (sender: Address, n: number) => boolean): Promise<number>
}

/** Acknowledged records that the journal does not have any more. */
export type Loss = {
  /** The newest record that is there; those after it, up to `until` at least, are lost. */
  readonly held: number
  readonly until: number
  /** Commits that are lost for certain, `from` to `to` of each actor. There may be more that left no trace. */
  readonly actors: readonly { readonly actor: Address; readonly from: number; readonly to: number }[]
  readonly refusals: number
  readonly where: readonly string[]
}

/** Where it is journaled that a loss was accepted; no definition has such a type. */
export const ACCEPTED: Address = { type: '$loss', id: 'accepted' }

/** Nothing may be hosted on it; the message says what is lost, and how to go on. */
export class JournalLost extends Error {
  override name = 'JournalLost'
  readonly loss: Loss
  constructor(loss: Loss) {
    super(lossInWords(loss))
    this.loss = loss
  }
}

/**
 * Compares the journal's end with what others know of it: an unsynced tail that was cut off, as a power failure does, leaves
 * an event or a snapshot of a commit that is no more. Undefined: nothing is known to be missing.
 * @param mayBePurged whether an actor without any record may have been archived and purged whole
 */
export const findLoss = async (
  journal: Journal,
  traces: Traces,
  mayBePurged: (actor: Address) => boolean,
): Promise<Loss | undefined> => {
  const end = await traces.end()
  const isMissing = missing(journal, end.last, await acceptedUntil(journal), mayBePurged)
  const found: Trace[] = []
  for (const trace of await traces.newest()) if (await isMissing(trace)) found.push(trace)
  if (found.length === 0) return undefined
  for await (const trace of traces.told()) {
    if (!(await isMissing(trace))) break // events are in the journal's order: what is told before it is there
    found.push(trace)
  }
  return summed(journal, end.held, found)
}

const acceptedUntil = async (journal: Journal): Promise<number> => {
  const until = (await journal.last(ACCEPTED))?.commit.ev['until']
  return typeof until === 'number' ? until : 0
}

const missing =
  (journal: Journal, last: number, accepted: number, mayBePurged: (actor: Address) => boolean) =>
  async ({ seq, of }: Trace): Promise<boolean> => {
    if (seq <= accepted) return false
    if (seq > last) return true
    const entry = await journal.at(seq)
    if (entry) return !isSame(entry, of)
    if ('refused' in of) return false // older ones may be purged, and nobody depends on them
    const newest = await journal.last(of.actor)
    return newest ? newest.commit.n < of.n : !mayBePurged(of.actor)
  }

/** Whether the record at the trace's sequence is the one it tells of: sequences that were lost are given out again. */
const isSame = ({ type, id, record }: Entry, of: Trace['of']): boolean => {
  if (record instanceof Corrupt) return true // said by whoever reads it
  if ('refused' in of) return 'refused' in record && record.cmd === of.refused
  const { actor, n, write } = of
  return 'n' in record && type === actor.type && id === actor.id && record.n === n && isSameWrite(write ?? record, record)
}

const summed = async (journal: Journal, held: number, traces: readonly Trace[]): Promise<Loss> => {
  const to = new Map<string, { readonly actor: Address; readonly to: number }>()
  for (const { of } of traces)
    if ('actor' in of && of.n > (to.get(addressOf(of.actor))?.to ?? 0)) to.set(addressOf(of.actor), { actor: of.actor, to: of.n })
  const actors: Loss['actors'][number][] = []
  for (const each of to.values()) {
    const from = ((await journal.last(each.actor))?.commit.n ?? 0) + 1
    actors.push({ actor: each.actor, from: Math.min(from, each.to), to: each.to })
  }
  return {
    held,
    until: Math.max(...traces.map(({ seq }) => seq)),
    actors,
    refusals: new Set(traces.flatMap(({ of }) => ('refused' in of ? [of.refused] : []))).size,
    where: [...new Set(traces.map(({ where }) => where))],
  }
}

const MOST_NAMED = 20

/** The loss in words, with the remedy. */
const lossInWords = ({ held, until, actors, refusals, where }: Loss): string => {
  const named = actors
    .slice(0, MOST_NAMED)
    .map(({ actor, from, to }) => `${addressOf(actor)} (${from === to ? `commit ${to}` : `commits ${from} to ${to}`})`)
  const more = actors.length > MOST_NAMED ? ` and ${actors.length - MOST_NAMED} more actors` : ''
  const refused = refusals > 0 ? `; ${refusals} refusals too` : ''
  return (
    `the stream JOURNAL has lost records that were acknowledged: it ends at sequence ${held}, and ${where[0]} tells of sequence ${until}. ` +
    `Lost for certain: ${named.join(', ') || 'no commit of an actor'}${more}${refused}. ` +
    'Nothing is hosted on it. Restore the stream from a backup (nats stream restore), or, to go on from what is there, ' +
    'start once with --accept-loss: actors then continue at the last commit that is left, and what was done in between is not known to them. ' +
    "NATS keeps what it acknowledges also when the power fails only with sync_interval: always, or with three servers that don't fail together"
  )
}
