import { assign, emit, enqueueActions, setup } from 'xstate'
import type { ActionOutcome, ControllerFact, DrainEvent, DrainNode, EvictionOutcome, PodRef } from '../../events/controller.ts'
import { invoked, spawned, tell } from '../../runtime/intent.ts'
import type { EvictionInput } from './eviction.ts'

/** The node as it was before we touched it. */
export type NodeBefore = {
  readonly name: string
  readonly uid: string
  readonly providerId: string
  readonly unschedulable: boolean
}

type Context = {
  readonly order: DrainNode
  readonly deadline: number
  /** What is to be restored if the drain fails; null until the node was read. */
  readonly node: NodeBefore | null
  /** Evictions under way: name of the child → pod. */
  readonly leaving: Readonly<Record<string, string>>
  readonly evicted: number
  readonly outcome: ActionOutcome['outcome']
  readonly reason: string
}

const without = (bag: Readonly<Record<string, string>>, key: string): Readonly<Record<string, string>> => {
  const { [key]: _, ...rest } = bag
  return rest
}

/** Node identity: the name, and each id that the order gives. A mismatch means that the node meant is gone. */
export const isNode = ({ nodeUid, providerId }: Pick<DrainNode, 'nodeUid' | 'providerId'>, node: NodeBefore | null): boolean =>
  node !== null &&
  (nodeUid === undefined || nodeUid === node.uid) &&
  (providerId === undefined || node.providerId === '' || providerId.toLowerCase() === node.providerId.toLowerCase())

/** Invariant: the states after `reading` are entered only with a node. */
const known = (context: Context): NodeBefore => {
  if (context.node === null) throw new Error('drain-node: no node was read')
  return context.node
}
const refOf = ({ context }: { readonly context: Context }) => {
  const { name, uid } = known(context)
  return { name, uid, action: context.order.id }
}
const failureOf = (event: unknown) => (event as { readonly error: { readonly name: string; readonly message: string } }).error
/** After a failed request to the world: ask again. */
const RETRY_MS = 2_000
/** An eviction's request takes ten seconds at most, three times. */
const STOPPING_MS = 45_000
/** Pods deleted by force at the deadline still need time to go. */
const OVERTIME_MS = 120_000

/** Empties one node: cordon, evict every pod as a child actor, look for late arrivals; gives the node back when it fails. */
export const drainNode = setup({
  types: {
    context: {} as Context,
    events: {} as DrainEvent,
    emitted: {} as ControllerFact,
    input: {} as { readonly order: DrainNode; readonly at: number },
    output: {} as ActionOutcome,
  },
  actors: {
    readNode: invoked<NodeBefore | null, { readonly name: string }>(),
    /** Sets unschedulable and who did it, in one patch. */
    cordon: invoked<void, { readonly name: string; readonly uid: string; readonly action: string }>(),
    /** Takes back the cordon that this action set, and no other. */
    uncordon: invoked<void, { readonly name: string; readonly uid: string; readonly action: string }>(),
    /** Pods that have to leave: no DaemonSet, mirror or finished ones. */
    listEvictable: invoked<readonly PodRef[], { readonly name: string }>(),
    eviction: spawned<EvictionOutcome, EvictionInput>(),
  },
  actions: { tell },
  delays: {
    // Evictions mind the deadline themselves; this ends a drain whose requests are not answered at all.
    expired: ({ context, event }) => Math.max(0, context.deadline + OVERTIME_MS - (event as { readonly at: number }).at),
    retry: RETRY_MS,
    stopped: STOPPING_MS,
  },
  guards: {
    noneLeaving: ({ context }) => Object.keys(context.leaving).length === 0,
    gone: ({ event }) => failureOf(event).name === 'Gone',
    hopeless: ({ event }) => failureOf(event).name === 'Refused',
    cordonedByUs: ({ context }) => context.node?.unschedulable === false,
    lastOne: ({ context, event }) => {
      const { actorId } = event as { readonly actorId: string }
      return Object.keys(without(context.leaving, actorId)).length === 0
    },
  },
}).createMachine({
  id: 'drain-node',
  context: ({ input }) => ({
    order: input?.order ?? ({} as DrainNode),
    deadline: (input?.at ?? 0) + (input?.order.drainTimeoutSeconds ?? 0) * 1000,
    node: null,
    leaving: {},
    evicted: 0,
    outcome: 'failed',
    reason: '',
  }),
  output: ({ context: { outcome, reason, evicted } }) => ({ outcome, evicted, ...(reason !== '' && { reason }) }),
  initial: 'reading',
  states: {
    reading: {
      invoke: {
        src: 'readNode',
        input: ({ context }) => ({ name: context.order.nodeName }),
        onDone: [
          {
            guard: ({ context, event }) => isNode(context.order, event.output),
            target: 'working',
            actions: assign({ node: ({ event }) => event.output }),
          },
          { target: 'ended', actions: assign({ outcome: 'gone', reason: 'already gone' }) },
        ],
        onError: 'readingLater',
      },
      on: { 'drain-node.Cancel': { target: 'ended', actions: assign({ reason: ({ event }) => event.reason }) } },
    },
    readingLater: { after: { retry: 'reading' } },
    working: {
      initial: 'cordoning',
      after: { expired: { target: 'restoring', actions: assign({ reason: 'the drain did not end within its time' }) } },
      on: { 'drain-node.Cancel': { target: 'restoring', actions: assign({ reason: ({ event }) => event.reason }) } },
      states: {
        cordoning: {
          invoke: {
            src: 'cordon',
            input: refOf,
            onDone: {
              target: 'listing',
              actions: emit(({ context }) => ({
                type: 'controller.NodeCordoned',
                action: context.order.id,
                node: context.order.nodeName,
              })),
            },
            onError: [
              { guard: 'gone', target: '#drain-node.ended', actions: assign({ outcome: 'gone', reason: 'already gone' }) },
              {
                guard: 'hopeless',
                target: '#drain-node.restoring',
                actions: assign({ reason: ({ event }) => failureOf(event).message }),
              },
              { target: 'cordoningLater' },
            ],
          },
        },
        cordoningLater: { after: { retry: 'cordoning' } },
        listing: {
          invoke: {
            src: 'listEvictable',
            input: ({ context }) => ({ name: context.order.nodeName }),
            onDone: [
              {
                guard: ({ event }) => event.output.length === 0,
                target: '#drain-node.ended',
                actions: assign({ outcome: 'done', reason: '' }),
              },
              {
                target: 'evicting',
                actions: enqueueActions(({ enqueue, context, event }) => {
                  const { id: action, nodeName: node, force } = context.order
                  for (const pod of event.output)
                    enqueue.spawnChild('eviction', {
                      id: `${action}.${pod.uid}`,
                      input: { action, node, pod, deadline: context.deadline, force },
                    })
                  enqueue.assign({
                    leaving: Object.fromEntries(
                      event.output.map((pod) => [`${action}.${pod.uid}`, `${pod.namespace}/${pod.name}`]),
                    ),
                  })
                }),
              },
            ],
            onError: 'listingLater',
          },
        },
        listingLater: { after: { retry: 'listing' } },
        evicting: {
          on: {
            'xstate.done.actor.*': [
              {
                guard: ({ event }) => event.output.outcome === 'failed',
                target: '#drain-node.restoring',
                actions: enqueueActions(({ enqueue, context, event }) => {
                  enqueue.stopChild(event.actorId)
                  enqueue.assign({
                    leaving: without(context.leaving, event.actorId),
                    reason: `pod ${context.leaving[event.actorId]}: ${event.output.reason ?? 'not evicted'}`,
                  })
                }),
              },
              {
                guard: 'lastOne',
                target: 'listing', // whoever landed late has to go too
                actions: enqueueActions(({ enqueue, context, event }) => {
                  enqueue.stopChild(event.actorId)
                  enqueue.assign({ leaving: {}, evicted: context.evicted + 1 })
                }),
              },
              {
                actions: enqueueActions(({ enqueue, context, event }) => {
                  enqueue.stopChild(event.actorId)
                  enqueue.assign({ leaving: without(context.leaving, event.actorId), evicted: context.evicted + 1 })
                }),
              },
            ],
          },
        },
      },
    },
    restoring: {
      initial: 'stopping',
      states: {
        // What was asked of the world already is heard to its end; nothing new is asked.
        stopping: {
          entry: enqueueActions(({ enqueue, context }) => {
            for (const child of Object.keys(context.leaving))
              enqueue({
                type: 'tell',
                params: { to: `eviction/${child}`, event: { type: 'eviction.Cancel', reason: context.reason } },
              })
          }),
          always: { guard: 'noneLeaving', target: 'choosing' },
          after: { stopped: 'choosing' },
          on: {
            'xstate.done.actor.*': {
              actions: enqueueActions(({ enqueue, context, event }) => {
                enqueue.stopChild(event.actorId)
                const gone = event.output.outcome === 'failed' ? 0 : 1
                enqueue.assign({ leaving: without(context.leaving, event.actorId), evicted: context.evicted + gone })
              }),
            },
          },
        },
        choosing: {
          entry: enqueueActions(({ enqueue, context }) => {
            for (const child of Object.keys(context.leaving)) enqueue.stopChild(child)
            enqueue.assign({ leaving: {} })
          }),
          always: [{ guard: 'cordonedByUs', target: 'uncordoning' }, { target: '#drain-node.ended' }],
        },
        uncordoning: {
          invoke: {
            src: 'uncordon',
            input: refOf,
            onDone: {
              target: '#drain-node.ended',
              actions: emit(({ context }) => ({
                type: 'controller.ActionCompensated',
                action: context.order.id,
                node: context.order.nodeName,
                restored: 'schedulable',
              })),
            },
            onError: [{ guard: 'gone', target: '#drain-node.ended' }, { target: 'uncordoningLater' }],
          },
        },
        uncordoningLater: { after: { retry: 'uncordoning' } },
      },
    },
    ended: {
      type: 'final',
      entry: emit(({ context: { order, outcome, reason, evicted } }) =>
        outcome === 'failed'
          ? { type: 'controller.ActionFailed', action: order.id, node: order.nodeName, reason }
          : { type: 'controller.ActionDone', action: order.id, node: order.nodeName, evicted, alreadyGone: outcome === 'gone' },
      ),
    },
  },
})
