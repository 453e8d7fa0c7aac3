import { assign, emit } from 'xstate'
import type { DeleteNode, Ending } from '../../events/controller.ts'
import type { Migrations } from '../../runtime/types.ts'
import { leftovers } from './delete-node/leftovers.ts'
import { byOwner } from './delete-node/owner.ts'
import { type Context, cancelled, failureOf, parts, refOf, removalOf } from './delete-node/parts.ts'
import { isMeant } from './node-identity.ts'

const endingOf = ({ order, outcome, reason }: Context): Ending => {
  const about = { action: order.id, node: order.nodeName }
  if (outcome === 'failed') return { type: 'controller.ActionFailed', ...about, reason }
  return { type: 'controller.ActionDone', ...about, evicted: 0, alreadyGone: outcome === 'gone' }
}

/**
 * Removes one node, and can be cancelled as long as nothing was asked of its owner: its machine by way of its owner, then its Node object by UID, then what was still bound to it. Of a
 * node that is gone already the last is still done: a half-done deletion goes on where it was.
 */
export const deleteNode = parts.createMachine({
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
  output: ({ context }) => ({
    outcome: context.outcome,
    ...(context.reason !== '' && { reason: context.reason }),
    told: endingOf(context),
  }),
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
    ...byOwner,
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
    ...leftovers,
    ended: { type: 'final' },
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
  // Version 2 told its end itself.
  2: (state) => state,
}
