import { assign, emit, setup } from 'xstate'
import type { ActionOutcome, ControllerFact, DeleteNode, DeletionEvent, PodRef } from '../../events/controller.ts'
import { invoked } from '../../runtime/intent.ts'
import { isNode, type NodeBefore } from './drain-node.ts'

type Context = {
  readonly order: DeleteNode
  readonly uid: string
  readonly outcome: ActionOutcome['outcome']
  readonly reason: string
  /** Pods still bound to the node that is gone. */
  readonly left: readonly PodRef[]
}
const failureOf = (event: unknown) => (event as { readonly error: { readonly name: string; readonly message: string } }).error
const RETRY_MS = 2_000

/** Deletes one Node object by its UID, then what was still bound to it; a half-done deletion goes on where it was. */
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
    deleteNode: invoked<void, { readonly name: string; readonly uid: string }>(),
    /** Every pod bound to the node, whatever owns it. */
    listBound: invoked<readonly PodRef[], { readonly name: string }>(),
    /** With grace 0: there is no kubelet left to end it. */
    deletePod: invoked<void, PodRef>(),
  },
  delays: { retry: RETRY_MS },
  guards: {
    gone: ({ event }) => failureOf(event).name === 'Gone',
    hopeless: ({ event }) => failureOf(event).name === 'Refused',
  },
}).createMachine({
  id: 'delete-node',
  context: ({ input }) => ({ order: input?.order ?? ({} as DeleteNode), uid: '', outcome: 'failed', reason: '', left: [] }),
  output: ({ context: { outcome, reason } }) => ({ outcome, ...(reason !== '' && { reason }) }),
  initial: 'reading',
  on: { 'delete-node.Cancel': { target: '.ended', actions: assign({ reason: ({ event }) => event.reason }) } },
  states: {
    reading: {
      invoke: {
        src: 'readNode',
        input: ({ context }) => ({ name: context.order.nodeName }),
        onDone: [
          {
            guard: ({ context, event }) => isNode(context.order, event.output),
            target: 'deleting',
            actions: assign({ uid: ({ event }) => event.output?.uid ?? '' }),
          },
          { target: 'ended', actions: assign({ outcome: 'gone', reason: 'already gone' }) },
        ],
        onError: 'readingLater',
      },
    },
    readingLater: { after: { retry: 'reading' } },
    deleting: {
      invoke: {
        src: 'deleteNode',
        input: ({ context }) => ({ name: context.order.nodeName, uid: context.uid }),
        onDone: 'listing',
        onError: [
          // Gone by an earlier run of this very effect, or by somebody else: what it held is cleared all the same.
          { guard: 'gone', target: 'listing' },
          { guard: 'hopeless', target: 'ended', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { target: 'deletingLater' },
        ],
      },
    },
    deletingLater: { after: { retry: 'deleting' } },
    listing: {
      // From here on there is no way back: Cancel comes too late.
      on: { 'delete-node.Cancel': undefined },
      invoke: {
        src: 'listBound',
        input: ({ context }) => ({ name: context.order.nodeName }),
        onDone: [
          { guard: ({ event }) => event.output.length === 0, target: 'ended', actions: assign({ outcome: 'done' }) },
          { target: 'clearing', actions: assign({ left: ({ event }) => event.output }) },
        ],
        onError: 'listingLater',
      },
    },
    listingLater: { after: { retry: 'listing' } },
    clearing: {
      always: { guard: ({ context }) => context.left.length === 0, target: 'listingLater' },
      invoke: {
        src: 'deletePod',
        input: ({ context }) => context.left[0] ?? { namespace: '', name: '', uid: '' },
        onDone: { target: 'clearing', reenter: true, actions: assign({ left: ({ context }) => context.left.slice(1) }) },
        onError: [
          { guard: 'gone', target: 'clearing', reenter: true, actions: assign({ left: ({ context }) => context.left.slice(1) }) },
          { target: 'listingLater' },
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
