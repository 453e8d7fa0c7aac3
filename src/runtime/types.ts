import type { AnyStateMachine, EventFrom, InputFrom, OutputFrom, ParameterizedObject, ProvidedActor, StateMachine } from 'xstate'
import { z } from 'zod'
import type { Persisted } from './persist.ts'

/** Where an actor lives: its subject in the journal, its address for commands. */
export const Address = z.object({ type: z.string(), id: z.string() })
export type Address = z.infer<typeof Address>
export const addressOf = ({ type, id }: Address): string => `${type}/${id}`

/** An event as it is journaled. `at` (epoch ms) is put in by the host before the machine decides. */
export const JournaledEvent = z.looseObject({ type: z.string(), at: z.number().optional() })
export type JournaledEvent = z.infer<typeof JournaledEvent>

const PatchShape = z.object({
  set: z.array(z.tuple([z.array(z.union([z.string(), z.number()])), z.unknown()])).optional(),
  del: z.array(z.array(z.union([z.string(), z.number()]))).optional(),
})

/**
 * What a transition asks of the world. Its key is `<type>/<id>/<n>/<i>`; `to` is set for messages to other actors.
 * `invoke` ends in an event of its own, the others end in silence.
 */
export const Intent = z.object({
  i: z.number(),
  kind: z.enum(['action', 'invoke', 'spawn', 'stop', 'send']),
  name: z.string(),
  ref: z.string().optional(),
  to: Address.optional(),
  input: z.unknown().optional(),
})
export type Intent = z.infer<typeof Intent>

/** What a stop of the process does to a timer: nothing, it keeps what was left of it, or it begins anew. */
export const TimerPolicy = z.enum(['absolute', 'remaining', 'restart'])
export type TimerPolicy = z.infer<typeof TimerPolicy>

/** `due` is absolute, in epoch milliseconds; `after` is the delay it was set with. */
export const Timer = z.object({
  id: z.string(),
  due: z.number(),
  ev: JournaledEvent,
  after: z.number().optional(),
  policy: TimerPolicy.optional().describe('absent: absolute'),
  sv: z.number().int().optional().describe('schema version of the event'),
})
export type Timer = z.infer<typeof Timer>

/** Everything known of an actor, in JSON: what a checkpoint and a cached snapshot hold beside its state. */
export const Ledger = z.object({
  parent: Address.extend({ ref: z.string() }).optional(),
  open: z.array(
    Intent.extend({
      key: z.string(),
      corr: z.string(),
      trace: z.string().optional(),
      attempt: z.number(),
      parked: z.string().optional(),
    }),
  ),
  timers: z.array(Timer),
  cmds: z.array(z.tuple([z.string(), z.number()])).describe('command ids already decided, with the time'),
})
export type Ledger = z.infer<typeof Ledger>

/** The ledger, so that what is before it can go; `sha256` chains over the records since the checkpoint before. */
export const Checkpoint = Ledger.extend({ sha256: z.string() })
export type Checkpoint = z.infer<typeof Checkpoint>

/** One message of the journal: everything that one transition decided. Journaled for ever: fields are only added. */
export const Commit = z.object({
  f: z.literal(1).describe('format of this record'),
  n: z.number().int().positive().describe('1, 2, 3 … per actor: a gap is a hole'),
  mv: z.number().int().describe('machine version'),
  sv: z.number().int().describe('schema version of the event'),
  own: z.string().describe('process and activation that wrote it'),
  nonce: z.string().describe('with `own` unique per append: tells our record from another after an unknown outcome'),
  ts: z.number().describe('epoch ms, never before the previous commit of the actor'),
  cmd: z.string().describe('command id, effect key or timer: what this commit answers'),
  ext: z.literal(true).optional().describe('cmd came from outside the actor: remembered to refuse a repeat'),
  cause: z.string().optional(),
  corr: z.string(),
  trace: z.string().optional().describe('W3C traceparent'),
  who: z.string().optional().describe('principal that NATS reports for a command from outside: account/user'),
  ck: Checkpoint.optional().describe('everything before this commit may be gone from the journal'),
  ev: JournaledEvent,
  to: z.unknown().describe('the state value after this commit'),
  p: PatchShape.describe('from the persisted state before to the one after'),
  fx: z.array(Intent),
  done: z.array(z.string()).describe('keys of intents that this commit completes or cancels'),
  tdel: z.array(z.string()).describe('applied before tset'),
  tset: z.array(Timer),
  em: z.array(z.object({ i: z.number(), ev: JournaledEvent })).describe('facts for everyone, published by the projector'),
})
export type Commit = z.infer<typeof Commit>

/** A command that reached no actor: malformed, unknown, or to nobody. Journaled beside the actors of its type. */
export const Refusal = z.object({
  f: z.literal(1),
  refused: z.object({
    type: z.string(),
    verb: z.string(),
    id: z.string().optional(),
    reason: z.string(),
    formed: z
      .literal(true)
      .optional()
      .describe('nothing was wrong with it: only remembering it keeps a repeat from being accepted'),
  }),
  own: z.string(),
  ts: z.number(),
  cmd: z.string(),
  who: z.string().optional(),
})
export type Refusal = z.infer<typeof Refusal>

export const keyOf = (address: Address, n: number, i: number): string => `${address.type}/${address.id}/${n}/${i}`

export type EffectContext = {
  readonly key: string
  readonly actor: Address
  readonly signal: AbortSignal
  readonly attempt: number
  /** W3C traceparent of the command that led here. */
  readonly trace?: string | undefined
  /** For activities: journals an event of this actor while the effect goes on. */
  readonly report: (event: JournaledEvent) => Promise<void>
}

/** What the brake does to it: `disruptive` is held, `restoring` may give back what was taken, `internal` goes on. */
export type Reach = 'disruptive' | 'restoring' | 'internal'

export type EffectDef<Input, Output> = {
  readonly reach: Reach
  /** One request of at most ten seconds; `activity` lasts as long as the machine is in the state that invokes it. */
  readonly timeoutMs: number | 'activity'
  /** At most so many of it at once in one process; the others wait in order. */
  readonly concurrency?: number
  /** Of those with the same key only one at a time: the others wait in order, and take up no place meanwhile. */
  readonly oneByOne?: (input: Input) => string
  readonly retry?: { readonly attempts: number; readonly backoffMs: number; readonly on: readonly string[] }
  readonly run: (input: Input, context: EffectContext) => Promise<Output>
} & (
  | { readonly idempotency: 'natural' | 'keyed' }
  | { readonly idempotency: 'probe'; readonly probe: (input: Input, context: EffectContext) => Promise<Output | undefined> }
)

type ActorsOf<M> = M extends StateMachine<any, any, any, infer A, any, any, any, any, any, any, any, any, any, any> ? A : never
type ActionsOf<M> = M extends StateMachine<any, any, any, any, infer A, any, any, any, any, any, any, any, any, any> ? A : never
type DelaysOf<M> =
  M extends StateMachine<any, any, any, any, any, any, infer D, any, any, any, any, any, any, any> ? D & string : never
type Invoked<A> = A extends ProvidedActor
  ? A['logic'] extends AnyStateMachine
    ? never
    : OutputFrom<A['logic']> extends { readonly $spawned: true }
      ? never
      : A
  : never
/** `performed<P>()` has the parameters P; what XState itself makes (a named assign) takes any and is no effect. */
type Performed<A> = A extends ParameterizedObject ? (unknown extends A['params'] ? never : A) : never

/** Marks in the type system that a name in `setup({ actors })` is another journaled actor, not an effect. */
export type SpawnedOutput<Output> = Output & { readonly $spawned: true }

/** One definition for every name the machine may ask for: a missing or misspelt one does not compile. */
export type EffectsOf<M extends AnyStateMachine> = {
  readonly [A in Invoked<ActorsOf<M>> as A['src']]: EffectDef<InputFrom<A['logic']>, OutputFrom<A['logic']>>
} & {
  readonly [A in Performed<ActionsOf<M>> as A['type'] extends 'tell' ? never : A['type']]: EffectDef<A['params'], void>
}

/** `schema` is the payload without `type` and `at`. `command`: may come from outside, under the verb after the dot. */
export type EventDef = {
  readonly schema: z.ZodType
  readonly v: number
  /** From the payload of version n to that of version n + 1. */
  readonly upcast?: Readonly<Record<number, (payload: any) => unknown>>
  readonly command?: true
  /** How long a command may wait for its actor, ms. */
  readonly deadlineMs?: number
  /** Fields that only another actor may write: a command from outside that has one of them is refused. */
  readonly inside?: readonly string[]
  /** Why no actor of this process accepts the command, whatever its state: it is refused with these words. */
  readonly barred?: string
  /**
   * Pure: what a fact, of the commit that took the command or of a later one, says to whoever called and waits; undefined:
   * nothing. Without it the answer is that the command was taken.
   */
  readonly answer?: (event: JournaledEvent, fact: JournaledEvent) => Answer | undefined
}
/** What became of a command that the machine took. */
export type Answer =
  | { readonly ok: true; readonly detail?: string }
  | { readonly ok: false; readonly why: 'refused' | 'duplicate'; readonly detail: string }

/** From the state of machine version n to that of version n + 1. Timers and open effects stay as they are. */
export type Migrations = Readonly<Record<number, (persisted: Persisted) => Persisted>>

/** The journaled actor behind a name in `setup({ actors })`: its id is the parent's or the name it is spawned under. */
type ChildDef = { readonly type: string; readonly id: 'parent' | 'ref' }

export type ActorDef<M extends AnyStateMachine = AnyStateMachine> = {
  readonly type: string
  /** Raised with every change of a guard, a target or an assign. */
  readonly version: number
  readonly machine: M
  readonly events: { readonly [T in Exclude<EventFrom<M>['type'], `xstate.${string}`>]: EventDef }
  readonly effects: EffectsOf<M>
  readonly children?: Readonly<Record<string, ChildDef>>
  readonly idInPayload?: true
  readonly migrate?: Migrations
  readonly timers?: Readonly<Partial<Record<DelaysOf<M>, TimerPolicy>>>
  readonly oneShot?: OneShot
}
/** Ids begin with a UUIDv7 and are used once: `retainMs` after that time the whole actor is archived and its id refused. */
export type OneShot = { readonly retainMs: number }

/** A definition whose machine type is forgotten: what the host works with. */
export type Definition = {
  readonly type: string
  readonly version: number
  readonly machine: AnyStateMachine
  readonly events: Readonly<Record<string, EventDef>>
  readonly effects: Readonly<Record<string, EffectDef<any, any>>>
  readonly children?: Readonly<Record<string, ChildDef>>
  /** Commands go to the one actor of the type; an id in the subject is a field of the command, not an actor's. */
  readonly idInPayload?: true
  readonly migrate?: Migrations
  /** By the name of the delay; those without one are absolute. */
  readonly timers?: Readonly<Partial<Record<string, TimerPolicy>>>
  readonly oneShot?: OneShot
}

export type Outcome =
  | { readonly ok: true; readonly n: number; readonly to: unknown; readonly detail?: string }
  | { readonly ok: false; readonly why: 'refused' | 'duplicate' | 'fenced'; readonly detail: string }
