import { childAddress, redated } from './decide.ts'
import type { Failure } from './effects.ts'
import { type Book, ledgerOf, type Open, type Parent } from './fold.ts'
import type { Command } from './inbox.ts'
import type { Stored } from './journal.ts'
import type { Persisted } from './persist.ts'
import { type Draft, letterToParent } from './record.ts'
import { type Address, addressOf, type Definition, type Intent, type JournaledEvent } from './types.ts'
import { withInvokes } from './versions.ts'

// What is journaled without the machine having decided it. All pure; `at` is put in by the actor.

export type Unstamped = Omit<Draft, 'ev'> & { readonly ev: JournaledEvent }
/** What a commit answers. */
export type Answering = Pick<Draft, 'cmd' | 'ext' | 'cause' | 'corr' | 'trace' | 'who'>

export const answering = ({ cmd, cause, corr, trace, who }: Command): Answering => ({ cmd, ext: true, cause, corr, trace, who })

/** A state value in words: `phase.connected.observing, brake.released`. */
export const stated = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : Object.entries(value as Record<string, unknown>)
        .map(([key, inner]) => `${key}.${stated(inner)}`)
        .join(', ')

/** Why an event is not accepted now. */
export const objection = (self: Address, known: Book | undefined, event: string): string => {
  if (!known) return `there is no ${addressOf(self)}`
  const { status, value } = known.state
  return `${addressOf(self)} does not accept ${event} while it is ${status === 'active' ? stated(value) : status}`
}

/** A refusal is a fact too, so that a lost acknowledgement can't turn it into an acceptance. */
export const refusal = (self: Address, answer: Answering, command: string, reason: string): Unstamped => ({
  ...answer,
  ev: { type: '$refused', command, reason },
  em: [{ type: `${self.type}.CommandRefused`, command, id: self.id, cmd: answer.cmd, reason }],
})

/** A spawn of an actor that lives already: whoever asked for it hears so. */
export const secondSpawn = (self: Address, answer: Answering, parent: Parent | undefined): Unstamped => {
  const reason = `${addressOf(self)} is running already`
  const refused = refusal(self, answer, '$Spawn', reason)
  return parent ? { ...refused, fx: [letterToParent(parent, { error: { name: 'Refused', message: reason } })] } : refused
}

/**
 * A spawn of a one-shot actor that has ended: it lives once, and whoever asked hears how it ended.
 * @param isSame whether it was asked for with the same input
 */
export const repeatedSpawn = (
  self: Address,
  answer: Answering,
  parent: Parent | undefined,
  { state }: Book,
  isSame: boolean,
): Unstamped => {
  const ending =
    isSame && state.status === 'done'
      ? { output: state.output, repeated: true }
      : { error: { name: 'Refused', message: onceOnly(self, state, isSame) } }
  return {
    ...answer,
    ev: { type: '$ignored', event: { type: '$Spawn' } },
    fx: parent ? [letterToParent(parent, ending)] : [],
  }
}
const onceOnly = (self: Address, { status }: Persisted, isSame: boolean): string =>
  isSame ? `${addressOf(self)} was begun before and is ${status}` : `${addressOf(self)} was begun before, and with another input`

/** A message of another actor that is not accepted: said, because somebody counted on it. */
export const ignoredLetter = (self: Address, answer: Answering, event: JournaledEvent, reason: string): Unstamped => {
  const common = { id: self.id, from: answer.cause ?? answer.cmd, reason }
  const failed = event.type.startsWith('xstate.error.actor.')
  const fact = failed
    ? { ...common, type: `${self.type}.ChildFailed`, child: String(event['actorId']), error: messageOf(event['error']) }
    : { ...common, type: `${self.type}.MessageIgnored`, message: event.type }
  return { ...answer, ev: { type: '$ignored', event }, em: [fact] }
}
const messageOf = (error: unknown): string => (error as { readonly message?: string } | undefined)?.message ?? String(error)

/** A throwing guard or assign is our bug: the event is set aside, the actor keeps its state. */
export const deadEvent = (self: Address, draft: Unstamped, failure: Failure, isUnwritable: boolean): Unstamped => {
  const { type, at: _, ...rest } = draft.ev
  // Of an event that can't be written only the type is kept.
  const event = isUnwritable ? { type } : { type, ...rest }
  const fact = { type: `${self.type}.EventFailed`, id: self.id, event: type, error: failure.message }
  return { ...draft, ev: { type: '$dead', event, error: failure }, em: [fact] }
}

export const parkedEffect = (self: Address, { key, name, corr, trace }: Open, error: string): Unstamped => ({
  ev: { type: '$fx.parked', key, error },
  cmd: `${key}/parked`,
  cause: key,
  corr,
  trace,
  em: [{ type: `${self.type}.EffectParked`, id: self.id, effect: name, key, error }],
})

/** The end of a parked effect by an operator: another try, or never. */
export const decidedEffect = (self: Address, answer: Answering, { key, name }: Open, retry: boolean): Unstamped => {
  const fact = { id: self.id, effect: name, key }
  return retry
    ? { ...answer, ev: { type: '$fx.retried', key }, em: [{ ...fact, type: `${self.type}.EffectRetried` }] }
    : { ...answer, ev: { type: '$fx.discarded', key }, done: [key], em: [{ ...fact, type: `${self.type}.EffectDiscarded` }] }
}

/** Its first state can't be written: it never lives, and its parent hears so. */
export const stillbirth = (
  answer: Answering,
  parent: Parent | undefined,
  failure: Failure,
  known: Book | undefined,
): Unstamped => ({
  ...answer,
  ev: { type: '$stillborn', error: failure, ...(parent && { parent }) },
  state: { status: 'error', value: '', context: null, children: {} },
  done: unfinishedEffects(known),
  fx: parent ? [letterToParent(parent, { error: failure })] : [],
})

/** Children are stopped too, each by a message of its own. */
export const stopping = (definition: Definition, self: Address, answer: Answering, known: Book): Unstamped => ({
  ...answer,
  ev: { type: '$stop' },
  state: { ...known.state, status: 'stopped', children: {} },
  fx: Object.entries(known.state.children).flatMap(([ref, src], i): Intent[] => {
    const to = childAddress(definition, self, src, ref)
    return to ? [{ i, kind: 'stop', name: src, ref, to }] : []
  }),
  done: unfinishedEffects(known),
  tdel: [...known.timers.keys()],
})

/** Messages to others are not among them: what was promised to be sent is sent. */
export const unfinishedEffects = (known: Book | undefined): string[] =>
  [...(known?.open.values() ?? [])].filter(({ kind }) => kind === 'action' || kind === 'invoke').map(({ key }) => key)

/** The new owner's claim: from here on no late write of the one before can land. Timers follow their policy. */
export const claiming = (known: Book, own: string, now: number): Unstamped => ({
  ev: { type: '$opened' },
  cmd: `open/${own}`,
  tset: redated(known.timers.values(), known.ts, now),
})

/** The same, by a newer machine: `state` is what it makes of the state, `fx` what its states invoke beyond the older ones. */
export const migrating = (
  claim: Unstamped,
  { mv }: Book,
  { version }: Definition,
  state: Persisted,
  fx: readonly Intent[],
): Unstamped => ({ ...claim, ev: { type: '$migrated', from: mv, to: version }, state: withInvokes(state, fx), fx })

/** The actor as a whole; `sha256` chains over every record before. */
export const checkpointing = (known: Book, finished: ReadonlySet<string>, sha256: string): Unstamped => {
  const ledger = ledgerOf(known)
  const open = ledger.open.filter(({ key }) => !finished.has(key))
  return { ev: { type: '$checkpoint' }, cmd: `checkpoint/${known.n}`, state: known.state, ck: { ...ledger, open, sha256 } }
}

/** Whether the records, the last of them being commit `n`, follow each other from the first commit or a checkpoint on. */
export const isWhole = (records: readonly Stored[], n: number): boolean =>
  (records[0]?.commit.n === 1 || records[0]?.commit.ck !== undefined) &&
  records.at(-1)?.commit.n === n &&
  records.every(({ commit }, index) => commit.n === (records[0]?.commit.n ?? 0) + index)
