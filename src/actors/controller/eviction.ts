import { assign, emit, enqueueActions, setup } from 'xstate'
import type { ControllerFact, EvictionEvent, EvictionOutcome, PodRef } from '../../events/controller.ts'
import { invoked } from '../../runtime/intent.ts'
import type { Migrations } from '../../runtime/types.ts'

export type EvictionInput = {
  readonly action: string
  readonly node: string
  readonly pod: PodRef
  /** Epoch ms after which nothing more is tried; with `force` the pod is then deleted in spite of its budget. */
  readonly deadline: number
  readonly force: boolean
}
/** A pod that a budget has refused, as it waits for its turn. */
type Refused = {
  readonly namespace: string
  readonly uid: string
  readonly budget: string
  readonly since: number
  readonly notBefore?: number
}
type Context = EvictionInput & {
  readonly outcome: EvictionOutcome['outcome']
  readonly reason?: string | undefined
  /** The last budget that forbade it. */
  readonly budget?: string | undefined
  /** The refusal that is being waited out: when it came, and until when the server does not want to be asked. */
  readonly refusal?: { readonly since: number; readonly notBefore?: number } | undefined
  /** When the eviction was first and when it was last asked for, epoch ms: what replaces the pod is not older than that. */
  readonly begunAt: number
  readonly since: number
  /** The drain does not want it any more; what was asked of the world already is still heard. */
  readonly cancelled?: true
}
type Failure = {
  readonly name: string
  readonly message: string
  readonly code?: number
  readonly budget?: string
  readonly retryAfterMs?: number
}

/** A server that did not answer, or a refusal that names no budget, is asked again after so long. */
const BLOCKED_MS = 2_000
const LONGEST_WISH_MS = 60_000
/** Deleted by force it has its own grace, but no longer than this; then it is deleted without any. */
const FORCED_GRACE_MS = 60_000

const failureOf = (event: unknown): Failure => (event as { readonly error: Failure }).error
/** The server's wish, within reason. */
const wishMs = ({ retryAfterMs }: Failure): number | undefined =>
  retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, LONGEST_WISH_MS)
const atOf = (event: unknown): number => (event as { readonly at: number }).at

/** What will be answered the same however often it is asked; a 500 has been asked for three times by then. */
const isHopeless = ({ name, code }: Failure): boolean => name === 'Refused' || code === 500

const refOf = ({ context: { pod } }: { readonly context: Context }): PodRef => pod

/** Invariant: `queued` is entered only with a refusal by a budget that was named. */
const refusedOf = ({ context: { pod, budget = '', refusal } }: { readonly context: Context }): Refused => ({
  namespace: pod.namespace,
  uid: pod.uid,
  budget,
  since: refusal?.since ?? 0,
  ...(refusal?.notBefore !== undefined && { notBefore: refusal.notBefore }),
})

const STUCK = 'being deleted, and not gone a minute after its grace period'
/** Evicted, and its grace period is longer than the drain had time. */
export const LATE = 'still terminating at the deadline'

/** One pod leaves one node: evicted by its UID, then waited for by its UID. Ends with what became of it. */
export const eviction = setup({
  types: {
    context: {} as Context,
    events: {} as EvictionEvent,
    emitted: {} as ControllerFact,
    input: {} as EvictionInput & { readonly at: number },
    output: {} as EvictionOutcome,
  },
  actors: {
    evictPod: invoked<void, PodRef>(),
    /** Ends when the budget may let the pod go, or when it is time to look again. */
    awaitTurn: invoked<void, Refused>(),
    /** `graceSeconds` undefined: the pod's own. */
    deletePod: invoked<void, PodRef & { readonly graceSeconds?: number }>(),
    /** What has become of it by now. */
    look: invoked<'gone' | 'terminating' | 'there', PodRef>(),
    /** Ends when no pod with this UID exists, or when its end is long overdue. */
    awaitGone: invoked<'gone' | 'stuck', PodRef>(),
  },
  guards: {
    cancelled: ({ context }) => context.cancelled === true,
    gone: ({ event }) => failureOf(event).name === 'Gone',
    hopeless: ({ event }) => isHopeless(failureOf(event)),
    hopelessAndForced: ({ context, event }) => isHopeless(failureOf(event)) && context.force && context.cancelled !== true,
    blocked: ({ event }) => failureOf(event).name === 'Blocked' && failureOf(event).budget !== undefined,
    cancelledOrLate: ({ context, event }) => context.cancelled === true || atOf(event) >= context.deadline,
    late: ({ context, event }) => atOf(event) >= context.deadline,
    forced: ({ context }) => context.force,
    lateAndForced: ({ context, event }) => atOf(event) >= context.deadline && context.force,
  },
  delays: {
    blocked: ({ event }) => ('error' in event ? (wishMs(failureOf(event)) ?? BLOCKED_MS) : BLOCKED_MS),
    deadline: ({ context, event }) => Math.max(0, context.deadline - atOf(event)),
    forcedGrace: FORCED_GRACE_MS,
  },
}).createMachine({
  id: 'eviction',
  context: ({ input }) => ({
    ...(input ?? ({} as EvictionInput)),
    outcome: 'failed',
    begunAt: input?.at ?? 0,
    since: input?.at ?? 0,
  }),
  output: ({ context }) => ({
    uid: context.pod.uid,
    outcome: context.outcome,
    ...(context.reason !== undefined && { reason: context.reason }),
  }),
  initial: 'evicting',
  states: {
    evicting: {
      on: { 'eviction.Cancel': { actions: assign({ cancelled: true, reason: ({ event }) => event.reason }) } },
      invoke: {
        src: 'evictPod',
        input: refOf,
        onDone: [
          { guard: 'cancelled', target: 'ended', actions: assign({ outcome: 'evicted', reason: undefined }) },
          { target: 'leaving', actions: assign({ outcome: 'evicted', reason: undefined }) },
        ],
        onError: [
          { guard: 'gone', target: 'ended', actions: assign({ outcome: 'gone', reason: undefined }) },
          { guard: 'lateAndForced', target: 'deleting' },
          { guard: 'hopelessAndForced', target: 'refused', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { guard: 'hopeless', target: 'looking', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { guard: 'cancelled', target: 'looking' },
          { guard: 'late', target: 'looking', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          {
            guard: 'blocked',
            target: 'queued',
            actions: enqueueActions(({ enqueue, context, event }) => {
              const { message: reason, budget = '' } = failureOf(event)
              const wish = wishMs(failureOf(event))
              const { action, node, pod } = context
              const name = `${pod.namespace}/${pod.name}`
              if (budget !== context.budget)
                enqueue.emit({ type: 'controller.EvictionBlocked', action, node, pod: name, uid: pod.uid, budget, reason })
              const at = atOf(event)
              const refusal = { since: at, ...(wish !== undefined && { notBefore: at + wish }) }
              enqueue.assign({ reason, budget, refusal })
            }),
          },
          { target: 'blocked', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
        ],
      },
    },
    queued: {
      invoke: {
        src: 'awaitTurn',
        input: refusedOf,
        onDone: { target: 'evicting', actions: assign({ since: ({ event }) => atOf(event), refusal: undefined }) },
        onError: { target: 'blocked', actions: assign({ refusal: undefined }) },
      },
      after: { deadline: [{ guard: 'forced', target: 'deleting' }, { target: 'ended' }] },
      on: { 'eviction.Cancel': { target: 'ended', actions: assign({ reason: ({ event }) => event.reason }) } },
    },
    blocked: {
      after: { blocked: { target: 'evicting', actions: assign({ since: ({ event }) => atOf(event) }) } },
      on: { 'eviction.Cancel': { target: 'looking', actions: assign({ reason: ({ event }) => event.reason }) } },
    },
    // Only force is left, and that waits for the deadline.
    refused: {
      after: { deadline: 'deleting' },
      on: { 'eviction.Cancel': { target: 'ended', actions: assign({ reason: ({ event }) => event.reason }) } },
    },
    // Granted is granted: whether somebody waits for it or not, the pod goes.
    leaving: {
      on: { 'eviction.Cancel': 'ended' },
      after: {
        deadline: [
          { guard: 'forced', target: 'deleting' },
          { target: 'ended', actions: assign({ outcome: 'failed', reason: LATE }) },
        ],
      },
      invoke: {
        src: 'awaitGone',
        input: refOf,
        onDone: [
          { guard: ({ event }) => event.output === 'gone', target: 'ended' },
          { target: 'ended', actions: assign({ outcome: 'skipped', reason: STUCK }) },
        ],
        onError: [
          { guard: 'lateAndForced', target: 'deleting' },
          { guard: 'late', target: 'ended', actions: assign({ outcome: 'failed', reason: LATE }) },
          { target: 'asking' },
        ],
      },
    },
    asking: { after: { blocked: 'leaving' }, on: { 'eviction.Cancel': 'ended' } },
    deleting: {
      invoke: {
        src: 'deletePod',
        input: refOf,
        onDone: { target: 'dying', actions: assign({ outcome: 'deleted', reason: undefined }) },
        onError: [
          { guard: 'gone', target: 'ended', actions: assign({ outcome: 'gone', reason: undefined }) },
          { target: 'looking', actions: assign({ outcome: 'failed', reason: ({ event }) => failureOf(event).message }) },
        ],
      },
    },
    dying: {
      on: { 'eviction.Cancel': 'ended' },
      after: { forcedGrace: 'killing' },
      invoke: {
        src: 'awaitGone',
        input: refOf,
        onDone: [{ guard: ({ event }) => event.output === 'gone', target: 'ended' }, { target: 'killing' }],
        onError: 'killing',
      },
    },
    killing: {
      invoke: {
        src: 'deletePod',
        input: ({ context }) => ({ ...context.pod, graceSeconds: 0 }),
        onDone: 'ended',
        onError: [
          { guard: 'gone', target: 'ended' },
          { target: 'looking', actions: assign({ outcome: 'failed', reason: ({ event }) => failureOf(event).message }) },
        ],
      },
    },
    // What failed may have been done all the same: an earlier answer is lost when the process dies, and then the brake is on.
    looking: {
      on: { 'eviction.Cancel': { actions: assign({ cancelled: true }) } },
      invoke: {
        src: 'look',
        input: refOf,
        onDone: [
          {
            guard: ({ event }) => event.output === 'gone',
            target: 'ended',
            actions: assign({ outcome: 'gone', reason: undefined }),
          },
          { guard: ({ event }) => event.output === 'there', target: 'ended' },
          { guard: 'cancelledOrLate', target: 'ended', actions: assign({ outcome: 'evicted', reason: undefined }) },
          { target: 'leaving', actions: assign({ outcome: 'evicted', reason: undefined }) },
        ],
        onError: {
          target: 'ended',
          actions: assign({
            reason: ({ context, event }) => `${context.reason}; whether it goes is not known: ${failureOf(event).message}`,
          }),
        },
      },
    },
    ended: {
      type: 'final',
      entry: emit(({ context: { action, node, pod, outcome, reason, begunAt, since, budget } }) => ({
        type: 'controller.StepDone',
        action,
        node,
        pod: `${pod.namespace}/${pod.name}`,
        uid: pod.uid,
        outcome,
        ...(reason !== undefined && { reason }),
        ...(pod.owner !== undefined && { owner: pod.owner }),
        since,
        begunAt,
        ...(budget !== undefined && { budget }),
      })),
    },
  },
})

/** Version 1 asked in fixed steps and knew no turns: its states are still there, and what it has asked goes on. */
export const evictionMigrations: Migrations = {
  1: (state) => {
    const context = state.context as { readonly since: number }
    return { ...state, context: { ...context, begunAt: context.since } }
  },
}
