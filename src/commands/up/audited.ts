import { INIT } from '../../runtime/fold.ts'
import { Corrupt, type Entry } from '../../runtime/journal.ts'
import { addressOf, Commit, type JournaledEvent, Refusal } from '../../runtime/types.ts'

/** One command from outside and what became of it. Exported for ever: fields are only added. */
export type Audited = {
  /** When it was decided, ISO 8601; not known of what is unreadable. */
  readonly time?: string
  /** `ACCOUNT/user` as NATS tells it, or `unauthenticated`. */
  readonly who: string
  /** `<actor>.<Verb>` */
  readonly command?: string
  /** `<type>/<id>`; the type alone where it named nobody and was refused. */
  readonly actor: string
  /** `failed`: the actor's machine threw on it. `unreadable`: no command, but a record that could be one. */
  readonly outcome: 'accepted' | 'refused' | 'failed' | 'unreadable'
  /** Why it was not accepted. */
  readonly reason?: string
  /** The command's id. */
  readonly id?: string
  readonly correlationid?: string
  readonly traceparent?: string
  /** `<type>/<id>/<n>`, the commit that it became; absent where it reached no actor. */
  readonly commit?: string
  /** What an accepted one said, if that is no more than 4 KiB. */
  readonly payload?: Readonly<Record<string, unknown>>
  /** Its place in the stream JOURNAL: the order of everything. */
  readonly seq: number
}

const MOST_PAYLOAD = 4_096
const NOBODY = 'unauthenticated'
/** What the runtime writes instead of the event where the command is one that every actor understands. */
const effectCommands: Readonly<Record<string, string>> = { '$fx.retried': 'RetryEffect', '$fx.discarded': 'DiscardEffect' }

/** Pure: what a record of the journal says of a command from outside; undefined where it answers something else. */
export const audited = (entry: Entry): Audited | undefined => {
  const { record } = entry
  if (record instanceof Corrupt) return unreadable(entry, record.message)
  if ('refused' in record) return refusedAtTheDoor(entry, record)
  return isFromOutside(record) ? decided(entry, record) : undefined
}

/** The root is spawned by its host, and what actors send each other is its own cause (see the inbox). */
const isFromOutside = ({ ext, cmd, cause, ev }: Commit): boolean => ext === true && cause !== cmd && ev?.type !== INIT

const refusedAtTheDoor = (entry: Entry, record: Refusal): Audited | undefined => {
  const parsed = Refusal.safeParse(record)
  if (!parsed.success) return unreadable(entry, 'a refusal without the fields of format 1')
  const { refused, ts, cmd, who } = parsed.data
  const { type, verb, id, reason } = refused
  // A letter of an actor, refused: from outside it would have come with its sender's name.
  if (verb.startsWith('$') && who === undefined) return undefined
  return {
    time: new Date(ts).toISOString(),
    who: who ?? NOBODY,
    command: `${type}.${verb}`,
    actor: id === undefined ? type : addressOf({ type, id }),
    outcome: 'refused',
    reason,
    id: cmd,
    correlationid: cmd,
    seq: entry.seq,
  }
}

const decided = (entry: Entry, record: Commit): Audited => {
  const parsed = Commit.safeParse(record)
  if (!parsed.success) return unreadable(entry, 'a commit without the fields of format 1')
  const { ts, who, cmd, corr, trace, n, ev } = parsed.data
  const actor = addressOf({ type: entry.type, id: entry.id ?? '' })
  const { command, ...verdict } = verdictOf(entry.type, ev)
  return {
    time: new Date(ts).toISOString(),
    who: who ?? NOBODY,
    command,
    actor,
    ...verdict,
    id: cmd,
    correlationid: corr,
    ...(trace !== undefined && { traceparent: trace }),
    commit: `${actor}/${n}`,
    seq: entry.seq,
  }
}

type Verdict = Pick<Audited, 'outcome' | 'reason' | 'payload'> & { readonly command: string }
const verdictOf = (actorType: string, ev: JournaledEvent): Verdict => {
  const { type, at: _, ...payload } = ev
  if (type === '$refused') return { command: String(ev['command']), outcome: 'refused', reason: String(ev['reason']) }
  if (type === '$dead') {
    const { event, error } = ev as unknown as { event?: { type?: unknown }; error?: { message?: unknown } }
    return { command: String(event?.type), outcome: 'failed', reason: String(error?.message) }
  }
  const verb = effectCommands[type]
  const command = verb === undefined ? type : `${actorType}.${verb}`
  return { command, outcome: 'accepted', ...(JSON.stringify(payload).length <= MOST_PAYLOAD && { payload }) }
}

/** A trail that passed over what it can't read would hide what somebody made unreadable. */
const unreadable = ({ seq, type, id }: Entry, reason: string): Audited => ({
  who: NOBODY,
  actor: id === undefined ? type : addressOf({ type, id }),
  outcome: 'unreadable',
  reason,
  seq,
})
