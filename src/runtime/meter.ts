import type { Command } from './inbox.ts'
import type { Address, Commit, Outcome } from './types.ts'

/** Hears what is done, to count it. It is called in the way of the work: it has to be quick and must not throw. */
export type Meter = {
  /** A commit is stored; `ms` is the time from its append to the acknowledgement. */
  readonly committed: (actor: Address, commit: Commit, ms: number) => void
  /** Another owner wrote to the actor's journal first. */
  readonly fenced: (actor: Address) => void
  /** What became of a command or a letter. */
  readonly decided: (command: Command, outcome: Outcome) => void
  /** An attempt of an effect begins. The result is called with its end: without an argument if it did its work. */
  readonly attempted: (actor: Address, effect: string) => (failure?: unknown) => void
}
