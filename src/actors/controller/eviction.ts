import { assign, emit, setup } from 'xstate'
import type { ControllerFact, EvictionEvent, EvictionOutcome, PodRef } from '../../events/controller.ts'
import { invoked } from '../../runtime/intent.ts'

export type EvictionInput = {
  readonly action: string
  readonly node: string
  readonly pod: PodRef
  /** Epoch ms after which nothing more is tried; with `force` the pod is then deleted in spite of its budget. */
  readonly deadline: number
  readonly force: boolean
}
type Context = EvictionInput & {
  readonly outcome: EvictionOutcome['outcome']
  readonly reason?: string | undefined
  /** When the eviction was last asked for, epoch ms: what replaces the pod is not older. */
  readonly since: number
  /** The drain does not want it any more; what was asked of the world already is still heard. */
  readonly cancelled?: true
}
type Failure = { readonly name: string; readonly message: string }

/** A budget, or a server that did not answer, is asked again after so long. */
const BLOCKED_MS = 2_000

const failureOf = (event: unknown): Failure => (event as { readonly error: Failure }).error
const atOf = (event: unknown): number => (event as { readonly at: number }).at

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
    deletePod: invoked<void, PodRef>(),
    /** True once no pod with this UID exists; false after watching for some seconds. */
    awaitGone: invoked<boolean, PodRef>(),
  },
  guards: {
    cancelled: ({ context }) => context.cancelled === true,
    gone: ({ event }) => failureOf(event).name === 'Gone',
    hopeless: ({ event }) => failureOf(event).name === 'Refused',
    late: ({ context, event }) => atOf(event) >= context.deadline,
    lateAndForced: ({ context, event }) => atOf(event) >= context.deadline && context.force,
  },
  delays: { blocked: BLOCKED_MS },
}).createMachine({
  id: 'eviction',
  context: ({ input }) => ({ ...(input ?? ({} as EvictionInput)), outcome: 'failed', since: input?.at ?? 0 }),
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
        input: ({ context }) => context.pod,
        onDone: [
          {
            guard: 'cancelled',
            target: 'ended',
            actions: assign({ outcome: 'evicted', reason: undefined }),
          },
          {
            target: 'leaving',
            actions: assign({ outcome: 'evicted', reason: undefined }),
          },
        ],
        onError: [
          { guard: 'gone', target: 'ended', actions: assign({ outcome: 'gone', reason: undefined }) },
          { guard: 'hopeless', target: 'ended', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { guard: 'cancelled', target: 'ended' },
          { guard: 'lateAndForced', target: 'deleting' },
          { guard: 'late', target: 'ended', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { target: 'blocked', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
        ],
      },
    },
    blocked: {
      after: { blocked: { target: 'evicting', actions: assign({ since: ({ event }) => atOf(event) }) } },
      on: { 'eviction.Cancel': { target: 'ended', actions: assign({ reason: ({ event }) => event.reason }) } },
    },
    // Granted is granted: whether somebody waits for it or not, the pod goes.
    leaving: {
      on: { 'eviction.Cancel': 'ended' },
      invoke: {
        src: 'awaitGone',
        input: ({ context }) => context.pod,
        onDone: [
          { guard: ({ event }) => event.output, target: 'ended' },
          { guard: 'lateAndForced', target: 'deleting' },
          { guard: 'late', target: 'ended', actions: assign({ outcome: 'failed', reason: 'still terminating at the deadline' }) },
          { target: 'leaving', reenter: true },
        ],
        onError: 'asking',
      },
    },
    asking: { after: { blocked: 'leaving' }, on: { 'eviction.Cancel': 'ended' } },
    deleting: {
      invoke: {
        src: 'deletePod',
        input: ({ context }) => context.pod,
        onDone: { target: 'ended', actions: assign({ outcome: 'deleted' }) },
        onError: [
          { guard: 'gone', target: 'ended', actions: assign({ outcome: 'gone', reason: undefined }) },
          { target: 'ended', actions: assign({ outcome: 'failed', reason: ({ event }) => failureOf(event).message }) },
        ],
      },
    },
    ended: {
      type: 'final',
      entry: emit(({ context: { action, node, pod, outcome, reason, since } }) => ({
        type: 'controller.StepDone',
        action,
        node,
        pod: `${pod.namespace}/${pod.name}`,
        uid: pod.uid,
        outcome,
        ...(reason !== undefined && { reason }),
        ...(pod.owner !== undefined && { owner: pod.owner }),
        since,
      })),
    },
  },
})
