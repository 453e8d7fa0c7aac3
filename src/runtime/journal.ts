import type { Address, Commit, Refusal } from './types.ts'

export type Stored = { readonly seq: number; readonly actor: Address; readonly commit: Commit }
/** One record of the whole journal; `record` is Corrupt where somebody wrote what is none. */
export type Entry = {
  readonly seq: number
  readonly type: string
  readonly id: string | undefined
  readonly record: Commit | Refusal | Corrupt
}

/** Where commits are stored. Each method throws `Unanswered` when nobody knows what became of it. */
export type Journal = {
  /** Appends one commit if the actor's subject still ends at `expected` (0: is empty). @throws Conflict, Unanswered */
  append(actor: Address, commit: Commit, expected: number): Promise<number>
  /** The newest commit of one actor, asked of the stream's leader: a replica may be behind. */
  last(actor: Address): Promise<Stored | undefined>
  /** The record with this sequence, or undefined where none is any more. */
  at(seq: number): Promise<Entry | undefined>
  /** Hands over every commit of one actor after sequence `after` (0: all), in order. */
  read(actor: Address, after: number, onStored: (stored: Stored) => void): Promise<void>
  /** Appends what refused a command that reached no actor; a repeat with the same `cmd` is stored once. */
  refuse(refusal: Refusal): Promise<void>
  /** Hands over every record after `after` up to the newest at the time of the call, in order; `false`: enough. */
  readAll(after: number, onEntry: (entry: Entry) => unknown): Promise<void>
  /** Removes an actor's records before sequence `before`, or all of them: only what is in the archive. */
  purge(actor: Address, before?: number): Promise<void>
  /** Every record after `after`, and then on and on as they come, until the signal aborts. */
  follow(after: number, signal: AbortSignal): AsyncIterable<Entry>
}

/** Someone else appended first. */
export class Conflict extends Error {
  override name = 'Conflict'
}

/** No answer: it may have happened, may still happen, or not. Ask the leader before anything else. */
export class Unanswered extends Error {
  override name = 'Unanswered'
}

/** It will never be stored: too large, or refused for good. */
export class Unstorable extends Error {
  override name = 'Unstorable'
}

/** The journal says something that cannot be: a hole, a foreign format, a state that the machine does not have. */
export class Corrupt extends Error {
  override name = 'Corrupt'
}
