import { assign, enqueueActions, setup } from 'xstate'
import type { ActionOutcome, Ending, EvictionOutcome, PodRef } from '../../events/controller.ts'
import type { CancelOf, EvictPod } from '../../events/orders.ts'
import { invoked, spawned, tell } from '../../runtime/intent.ts'
import type { EvictionInput } from './eviction.ts'

/** The pod of that name now, and where it runs. */
export type PodFound = PodRef & { readonly node: string }

type Context = {
  readonly order: EvictPod
  /** Epoch ms. */
  readonly deadline: number
  readonly pod: PodFound | null
  readonly outcome: ActionOutcome['outcome']
  readonly step: string
  readonly error: string
  readonly reason: string
}
type EvictPodEvent =
  | CancelOf<'evict-pod'>
  | {
      readonly type: `xstate.done.actor.${string}`
      readonly actorId: string
      readonly output: EvictionOutcome
      readonly at: number
    }
  | { readonly type: `xstate.error.actor.${string}`; readonly actorId: string; readonly error: Failure; readonly at: number }
type Failure = { readonly name: string; readonly message: string }

/** Without a time limit: the end of the years with four digits. */
const NEVER = 253_402_300_799_000
const RETRY_MS = 2_000
const failureOf = (event: unknown): Failure => (event as { readonly error: Failure }).error
const childOf = ({ id }: EvictPod, { uid }: PodRef): string => `${id}.${uid}`

const endingOf = ({ order, outcome, step, error, reason, pod }: Context): Ending => {
  const name = `${order.namespace}/${order.podName}`
  const about = { action: order.id, verb: 'EvictPod', pod: name, ...(pod && { node: pod.node }) }
  return outcome === 'failed'
    ? { type: 'controller.ActionFailed', ...about, step, error, reason }
    : { type: 'controller.ActionDone', ...about, alreadyGone: outcome === 'gone', result: { uid: pod?.uid ?? null } }
}

const failed = assign<Context, { readonly type: string }, undefined, EvictPodEvent, never>(({ event }) => {
  const { name: error, message: reason } = failureOf(event)
  return { step: 'reading', error, reason }
})

/** Evicts one pod by its UID and waits until it is gone, by its UID: a StatefulSet's next pod of that name is another. */
export const evictPod = setup({
  types: {
    context: {} as Context,
    events: {} as EvictPodEvent,
    input: {} as { readonly order: EvictPod; readonly at: number },
    output: {} as ActionOutcome,
  },
  actors: {
    readPod: invoked<PodFound | null, { readonly namespace: string; readonly name: string }>(),
    eviction: spawned<EvictionOutcome, EvictionInput>(),
  },
  actions: { tell },
  delays: { retry: RETRY_MS },
  guards: {
    late: ({ context, event }) => (event as { readonly at: number }).at >= context.deadline,
    hopeless: ({ event }) => failureOf(event).name === 'Refused',
  },
}).createMachine({
  id: 'evict-pod',
  context: ({ input }) => {
    const { timeoutSeconds = 0, createdAt = input?.at ?? 0 } = input?.order ?? {}
    return {
      order: input?.order ?? ({} as EvictPod),
      deadline: timeoutSeconds === 0 ? NEVER : createdAt + timeoutSeconds * 1_000,
      pod: null,
      outcome: 'failed',
      step: '',
      error: '',
      reason: '',
    }
  },
  output: ({ context }) => ({
    outcome: context.outcome,
    ...(context.reason !== '' && { reason: context.reason }),
    told: endingOf(context),
  }),
  initial: 'reading',
  states: {
    reading: {
      invoke: {
        src: 'readPod',
        input: ({ context: { order } }) => ({ namespace: order.namespace, name: order.podName }),
        onDone: [
          {
            guard: ({ context: { order }, event }) =>
              event.output === null || (order.podUid !== undefined && order.podUid !== event.output.uid),
            target: 'ended',
            actions: assign({ outcome: 'gone' }),
          },
          {
            target: 'evicting',
            actions: enqueueActions(({ enqueue, context, event }) => {
              const pod = podIn(event.output)
              enqueue.assign({ pod })
              enqueue.spawnChild('eviction', { id: childOf(context.order, pod), input: evictionOf(context, pod) })
            }),
          },
        ],
        onError: [
          { guard: 'hopeless', target: 'ended', actions: failed },
          { guard: 'late', target: 'ended', actions: failed },
          { target: 'readingLater', actions: failed },
        ],
      },
      on: { 'evict-pod.Cancel': { target: 'ended', actions: assign(({ event }) => cancelled('reading', event.reason)) } },
    },
    readingLater: {
      after: { retry: 'reading' },
      on: { 'evict-pod.Cancel': { target: 'ended', actions: assign(({ event }) => cancelled('reading', event.reason)) } },
    },
    evicting: {
      on: {
        'xstate.done.actor.*': [
          {
            guard: ({ event }) => event.output.outcome === 'failed' || event.output.outcome === 'skipped',
            target: 'ended',
            actions: assign({ step: 'evicting', error: 'NotEvicted', reason: ({ event }) => event.output.reason ?? '' }),
          },
          {
            target: 'ended',
            actions: assign({ outcome: ({ event }) => (event.output.outcome === 'gone' ? 'gone' : 'done') }),
          },
        ],
        'xstate.error.actor.*': {
          target: 'ended',
          actions: assign(({ event }) => ({ step: 'evicting', error: 'NotEvicted', reason: event.error.message })),
        },
        // What was granted is granted: the eviction says itself how it ended.
        'evict-pod.Cancel': {
          actions: {
            type: 'tell',
            params: ({ context, event }) => ({
              to: `eviction/${childOf(context.order, podIn(context.pod))}`,
              event: { type: 'eviction.Cancel', reason: event.reason },
            }),
          },
        },
      },
    },
    ended: { type: 'final' },
  },
})

/** Invariant: the state `evicting` is entered only with a pod. */
const podIn = (pod: PodFound | null): PodFound => {
  if (pod === null) throw new Error('evict-pod: no pod was read')
  return pod
}
const evictionOf = ({ order, deadline }: Context, { node, ...pod }: PodFound): EvictionInput => ({
  action: order.id,
  node,
  pod,
  deadline,
  force: false,
})
const cancelled = (step: string, reason: string) => ({ step, error: 'Cancelled', reason })
