import { assign, emit, setup } from 'xstate'
import type { ActionOutcome, ControllerFact, DeleteNode, DeletionEvent, PodRef, Removal } from '../../events/controller.ts'
import type { Attachment, NodeOwner, RemovalRequest } from '../../ports.ts'
import { invoked } from '../../runtime/intent.ts'
import type { Migrations } from '../../runtime/types.ts'
import type { NodeBefore } from './drain-node.ts'
import { isMeant } from './node-identity.ts'

type Context = {
  readonly order: DeleteNode
  readonly uid: string
  /** What the node's machine belongs to; null until it was found out. */
  readonly owner: NodeOwner | null
  readonly outcome: ActionOutcome['outcome']
  readonly reason: string
  /** Pods, and then volumes, still bound to the node that is gone: a few at a time. */
  readonly left: readonly PodRef[]
  readonly attached: readonly Attachment[]
  /** How often what is left was listed. */
  readonly rounds: number
  /** The owner was asked to become smaller, and nobody knows whether it heard it. */
  readonly isAsked?: true
}
const failureOf = (event: unknown) => (event as { readonly error: { readonly name: string; readonly message: string } }).error
const refOf = ({ context: { order, uid } }: { readonly context: Context }) => ({ name: order.nodeName, uid })
/** Invariant: the states from `marking` to `tidying` are entered only with an owner. */
const requestOf = ({ context }: { readonly context: Context }): RemovalRequest => {
  if (context.owner === null) throw new Error('delete-node: nobody knows the owner')
  return { owner: context.owner, node: refOf({ context }), action: context.order.id }
}
const removalOf = ({ owner }: Context, confirmedBy: string | undefined): Removal => ({
  by: owner?.by ?? 'node-object',
  ...(confirmedBy !== undefined && { confirmedBy }),
})

const cancelled = assign<Context, DeletionEvent, undefined, DeletionEvent, never>({ reason: ({ event }) => event.reason })

const UNKNOWN = 'its owner did not answer, and may remove it all the same'
const RETRY_MS = 2_000
/** A cloud takes minutes, and the cluster-autoscaler ten until a node is unneeded for long enough. */
const REMOVAL_MS = 900_000
/** What is still there after so many looks, five seconds apart, is held by a finalizer. */
const MOST_ROUNDS = 60

/**
 * Removes one node, and can be cancelled as long as nothing was asked of its owner: its machine by way of its owner, then its Node object by UID, then what was still bound to it. Of a
 * node that is gone already the last is still done: a half-done deletion goes on where it was.
 */
export const deleteNode = setup({
  types: {
    context: {} as Context,
    events: {} as DeletionEvent,
    emitted: {} as ControllerFact,
    input: {} as { readonly order: DeleteNode; readonly at: number },
    output: {} as ActionOutcome,
  },
  actors: {
    readNode: invoked<NodeBefore | null, { readonly name: string }>(),
    findOwner: invoked<NodeOwner, { readonly name: string; readonly uid: string }>(),
    mark: invoked<void, RemovalRequest>(),
    unmark: invoked<void, RemovalRequest>(),
    shrink: invoked<void, RemovalRequest>(),
    /** Ends when the machine is gone, with who says so. */
    awaitRemoved: invoked<string, RemovalRequest>(),
    tidy: invoked<void, RemovalRequest>(),
    deleteNode: invoked<void, { readonly name: string; readonly uid: string }>(),
    /** The same for a node whose machine is gone. */
    forgetNode: invoked<void, { readonly name: string; readonly uid: string }>(),
    /** A few of the pods bound to the node, whatever owns them. */
    listBound: invoked<readonly PodRef[], { readonly name: string }>(),
    /** With grace 0: there is no kubelet left to end it. */
    deletePod: invoked<void, PodRef>(),
    /** A few of the VolumeAttachments of the node. */
    listAttached: invoked<readonly Attachment[], { readonly name: string }>(),
    deleteAttachment: invoked<void, Attachment>(),
  },
  delays: { retry: RETRY_MS, removal: REMOVAL_MS, look: 5_000 },
  guards: {
    gone: ({ event }) => failureOf(event).name === 'Gone',
    hopeless: ({ event }) => failureOf(event).name === 'Refused',
    isCancelled: ({ context }) => context.reason !== '',
    /** Held back before it was sent, as all of its kind before. */
    isUnsent: ({ context, event }) => failureOf(event).name === 'Held' && context.isAsked !== true,
    isCancelledAndUnsent: ({ context, event }) =>
      context.reason !== '' && failureOf(event).name === 'Held' && context.isAsked !== true,
    isMarked: ({ context }) => context.owner?.by === 'cluster-api',
    isLeftToOthers: ({ context }) => context.owner?.by === 'cluster-autoscaler',
    isObjectAlone: ({ context }) => context.owner?.by === 'node-object',
    isEnough: ({ context }) => context.rounds >= MOST_ROUNDS,
  },
}).createMachine({
  id: 'delete-node',
  context: ({ input }) => ({
    order: input?.order ?? ({} as DeleteNode),
    uid: '',
    owner: null,
    outcome: 'failed',
    reason: '',
    left: [],
    attached: [],
    rounds: 0,
  }),
  output: ({ context: { outcome, reason } }) => ({ outcome, ...(reason !== '' && { reason }) }),
  initial: 'reading',
  states: {
    reading: {
      on: { 'delete-node.Cancel': { target: 'ended', actions: cancelled } },
      invoke: {
        src: 'readNode',
        input: ({ context }) => ({ name: context.order.nodeName }),
        onDone: [
          {
            guard: ({ event }) => event.output === null,
            target: 'listing',
            actions: assign({ outcome: 'gone', reason: 'already gone' }),
          },
          // What is bound to the name may be the other node's: nothing of it is touched.
          {
            guard: ({ context, event }) => !isMeant(context.order, event.output),
            target: 'ended',
            actions: assign({ outcome: 'gone', reason: 'already gone: another node has its name' }),
          },
          { target: 'choosing', actions: assign({ uid: ({ event }) => event.output?.uid ?? '' }) },
        ],
        onError: [
          { guard: 'hopeless', target: 'ended', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { target: 'readingLater' },
        ],
      },
    },
    readingLater: {
      on: { 'delete-node.Cancel': { target: 'ended', actions: cancelled } },
      after: { retry: 'reading' },
    },
    choosing: {
      on: { 'delete-node.Cancel': { target: 'ended', actions: cancelled } },
      invoke: {
        src: 'findOwner',
        input: refOf,
        onDone: { target: 'chosen', actions: assign({ owner: ({ event }) => event.output }) },
        onError: [
          { guard: 'gone', target: 'reading' },
          { guard: 'hopeless', target: 'ended', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { target: 'choosingLater' },
        ],
      },
    },
    choosingLater: {
      on: { 'delete-node.Cancel': { target: 'ended', actions: cancelled } },
      after: { retry: 'choosing' },
    },
    chosen: {
      always: [
        { guard: 'isObjectAlone', target: 'deleting' },
        { guard: 'isLeftToOthers', target: 'removing' },
        { guard: 'isMarked', target: 'marking' },
        { target: 'shrinking' },
      ],
    },
    marking: {
      on: { 'delete-node.Cancel': { target: 'unmarking', actions: cancelled } },
      invoke: {
        src: 'mark',
        input: requestOf,
        onDone: 'shrinking',
        onError: [
          { guard: 'gone', target: 'removing' },
          { guard: 'hopeless', target: 'unmarking', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { target: 'markingLater' },
        ],
      },
    },
    markingLater: {
      on: { 'delete-node.Cancel': { target: 'unmarking', actions: cancelled } },
      after: { retry: 'marking' },
    },
    shrinking: {
      // It may be asked for by now: only its answer tells whether there is something left to cancel.
      on: { 'delete-node.Cancel': { actions: cancelled } },
      invoke: {
        src: 'shrink',
        input: requestOf,
        onDone: { target: 'removing', actions: assign({ reason: '' }) },
        onError: [
          { guard: 'gone', target: 'removing', actions: assign({ reason: '' }) },
          { guard: 'hopeless', target: 'refused', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { guard: 'isCancelledAndUnsent', target: 'refused' },
          {
            guard: 'isCancelled',
            target: 'refused',
            actions: assign({ reason: ({ context }) => `${context.reason}; ${UNKNOWN}` }),
          },
          { guard: 'isUnsent', target: 'shrinkingLater' },
          { target: 'shrinkingLater', actions: assign({ isAsked: true }) },
        ],
      },
    },
    shrinkingLater: {
      on: {
        'delete-node.Cancel': {
          target: 'refused',
          actions: assign({ reason: ({ context, event }) => (context.isAsked ? `${event.reason}; ${UNKNOWN}` : event.reason) }),
        },
      },
      after: { retry: 'shrinking' },
    },
    refused: { always: [{ guard: 'isMarked', target: 'unmarking' }, { target: 'ended' }] },
    unmarking: {
      invoke: {
        src: 'unmark',
        input: requestOf,
        onDone: 'ended',
        onError: [{ guard: 'gone', target: 'ended' }, { guard: 'hopeless', target: 'ended' }, { target: 'unmarkingLater' }],
      },
    },
    unmarkingLater: { after: { retry: 'unmarking' } },
    removing: {
      // Of what the cluster-autoscaler was left to do nothing was asked yet.
      on: { 'delete-node.Cancel': { guard: 'isLeftToOthers', target: 'ended', actions: cancelled } },
      after: {
        removal: {
          target: 'ended',
          actions: assign({
            reason: ({ context }) => `${context.owner?.by} has not removed it within ${REMOVAL_MS / 60_000} minutes`,
          }),
        },
      },
      invoke: {
        src: 'awaitRemoved',
        input: requestOf,
        onDone: {
          target: 'removed',
          actions: emit(({ context, event }) => ({
            type: 'controller.NodeRemoved',
            action: context.order.id,
            node: context.order.nodeName,
            ...removalOf(context, event.output),
          })),
        },
        onError: [
          { guard: 'hopeless', target: 'ended', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { target: 'removingLater' },
        ],
      },
    },
    removingLater: { after: { retry: 'removing' } },
    removed: { always: [{ guard: 'isMarked', target: 'tidying' }, { target: 'forgetting' }] },
    tidying: {
      invoke: {
        src: 'tidy',
        input: requestOf,
        onDone: 'forgetting',
        onError: [
          { guard: 'gone', target: 'forgetting' },
          { guard: 'hopeless', target: 'forgetting' },
          { target: 'tidyingLater' },
        ],
      },
    },
    tidyingLater: { after: { retry: 'tidying' } },
    deleting: {
      on: { 'delete-node.Cancel': { target: 'ended', actions: cancelled } },
      invoke: {
        src: 'deleteNode',
        input: refOf,
        onDone: { target: 'deleted' },
        onError: [
          // Gone by an earlier run of this very effect, or by somebody else: what it held is cleared all the same.
          { guard: 'gone', target: 'deleted' },
          { guard: 'hopeless', target: 'ended', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { target: 'deletingLater' },
        ],
      },
    },
    deletingLater: {
      on: { 'delete-node.Cancel': { target: 'ended', actions: cancelled } },
      after: { retry: 'deleting' },
    },
    // Whose machine is gone is no node any more, whoever changes his mind.
    forgetting: {
      invoke: {
        src: 'forgetNode',
        input: refOf,
        onDone: { target: 'listing', actions: assign({ outcome: 'done' }) },
        onError: [
          { guard: 'gone', target: 'listing', actions: assign({ outcome: 'done' }) },
          { guard: 'hopeless', target: 'ended', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { target: 'forgettingLater' },
        ],
      },
    },
    forgettingLater: { after: { retry: 'forgetting' } },
    deleted: {
      always: {
        target: 'listing',
        actions: [
          assign({ outcome: 'done' }),
          emit(({ context }) => ({
            type: 'controller.NodeRemoved',
            action: context.order.id,
            node: context.order.nodeName,
            ...removalOf(context, undefined),
          })),
        ],
      },
    },
    listing: {
      entry: assign({ rounds: ({ context }) => context.rounds + 1 }),
      invoke: {
        src: 'listBound',
        input: ({ context }) => ({ name: context.order.nodeName }),
        onDone: [
          { guard: ({ event }) => event.output.length === 0, target: 'detaching' },
          {
            guard: 'isEnough',
            target: 'ended',
            actions: assign({
              outcome: 'failed',
              reason: ({ event: { output } }) =>
                `pods of the removed node do not end: ${output.map(({ namespace, name }) => `${namespace}/${name}`).join(', ')}; look at their finalizers`,
            }),
          },
          { target: 'clearing', actions: assign({ left: ({ event }) => event.output }) },
        ],
        onError: [
          {
            guard: 'hopeless',
            target: 'ended',
            actions: assign({ outcome: 'failed', reason: ({ event }) => failureOf(event).message }),
          },
          { target: 'listingLater' },
        ],
      },
    },
    listingLater: { after: { look: 'listing' } },
    clearing: {
      always: { guard: ({ context }) => context.left.length === 0, target: 'listingSoon' },
      invoke: {
        src: 'deletePod',
        input: ({ context }) => context.left[0] ?? { namespace: '', name: '', uid: '' },
        onDone: { target: 'clearing', reenter: true, actions: assign({ left: ({ context }) => context.left.slice(1) }) },
        onError: [
          { guard: 'gone', target: 'clearing', reenter: true, actions: assign({ left: ({ context }) => context.left.slice(1) }) },
          {
            guard: 'hopeless',
            target: 'ended',
            actions: assign({ outcome: 'failed', reason: ({ event }) => failureOf(event).message }),
          },
          { target: 'listingLater' },
        ],
      },
    },
    listingSoon: { after: { retry: 'listing' } },
    detaching: {
      invoke: {
        src: 'listAttached',
        input: ({ context }) => ({ name: context.order.nodeName }),
        onDone: [
          { guard: ({ event }) => event.output.length === 0, target: 'ended' },
          { target: 'letting', actions: assign({ attached: ({ event }) => event.output }) },
        ],
        onError: [
          {
            guard: 'hopeless',
            target: 'ended',
            actions: assign({ outcome: 'failed', reason: ({ event }) => failureOf(event).message }),
          },
          { target: 'detachingLater' },
        ],
      },
    },
    detachingLater: { after: { retry: 'detaching' } },
    // Asked once each: the attacher lets them go when it has detached the volume, which may take its time.
    letting: {
      always: { guard: ({ context }) => context.attached.length === 0, target: 'detachingLater' },
      invoke: {
        src: 'deleteAttachment',
        input: ({ context }) => context.attached[0] ?? { name: '', uid: '', isBeingDeleted: false },
        onDone: { target: 'letting', reenter: true, actions: assign({ attached: ({ context }) => context.attached.slice(1) }) },
        onError: [
          {
            guard: 'gone',
            target: 'letting',
            reenter: true,
            actions: assign({ attached: ({ context }) => context.attached.slice(1) }),
          },
          {
            guard: 'hopeless',
            target: 'ended',
            actions: assign({ outcome: 'failed', reason: ({ event }) => failureOf(event).message }),
          },
          { target: 'detachingLater' },
        ],
      },
    },
    ended: {
      type: 'final',
      entry: emit(({ context: { order, outcome, reason } }) =>
        outcome === 'failed'
          ? { type: 'controller.ActionFailed', action: order.id, node: order.nodeName, reason }
          : {
              type: 'controller.ActionDone',
              action: order.id,
              node: order.nodeName,
              evicted: 0,
              alreadyGone: outcome === 'gone',
            },
      ),
    },
  },
})

/** Version 1 deleted Node objects alone: one that it has begun to delete is deleted that way to its end. */
export const deletionMigrations: Migrations = {
  1: (state) => ({
    ...state,
    context: {
      ...(state.context as object),
      owner: state.value === 'reading' || state.value === 'readingLater' ? null : { by: 'node-object' },
      attached: [],
      rounds: 0,
    },
  }),
}
