import type { Address, Outcome } from './types.ts'

/** A command on its way to an actor. `id` is absent where the sender named only the type. */
export type Command = {
  readonly type: string
  readonly verb: string
  readonly id: string | undefined
  /** The command's identity: a repeat under the same one is the same command. */
  readonly cmd: string
  readonly payload: unknown
  readonly sentAt: number
  readonly deadline?: number | undefined
  readonly cause?: string | undefined
  readonly corr?: string | undefined
  readonly trace?: string | undefined
  /** Who NATS says it is from: account/user. */
  readonly who?: string | undefined
  /** Version of the payload's schema; absent: the newest. */
  readonly schema?: number | undefined
  /** Why the payload could not be read, instead of the payload. */
  readonly malformed?: string | undefined
}

/** A stored command: stays until `done`, is delivered again if the process dies before. */
export type Delivery = { readonly command: Command; readonly done: () => void }

/** A message from one actor to another: stored, delivered in order per sender, its key makes a repeat harmless. */
export type Message = {
  readonly to: Address
  readonly verb: '$Spawn' | '$Stop' | '$Child' | '$Send'
  readonly key: string
  readonly payload: unknown
  readonly corr: string
  readonly trace?: string | undefined
}

export type Inbox = {
  /** Stores a message; resolves when it is stored. Repeats are harmless. */
  send(message: Message): Promise<void>
  /** Commands of one actor type in stream order, to the one holder of that type's lease, until the signal aborts. @throws Unanswered */
  consume(type: string, onDelivery: (delivery: Delivery) => void, signal: AbortSignal): Promise<void>
  /** Synchronous commands: the answer comes after the commit. */
  serve(type: string, onCall: (command: Command) => Promise<Outcome>, signal: AbortSignal): Promise<void>
}

/** One process tends to the actor type for a while. */
export type Lease = {
  /** Aborts when the lease is no longer ours, and before another process may take it. */
  readonly lost: AbortSignal
  /** On the clock's monotonic time: until then a request of an earlier holder may be under way. */
  readonly quietAt: number
  /** Gives it back: nothing of ours may be under way. Who released before `quietAt` has to be outlived all the same. */
  release(): Promise<void>
}

/** Liveness only: at most one process tends to an actor type. That two never both write is the journal's fence. */
export type Leases = {
  /** Waits for the lease. @throws the signal's reason */
  acquire(type: string, own: string, signal: AbortSignal): Promise<Lease>
}
