import { assign, setup } from 'xstate'
import type { ActionOutcome, ControllerFact, DeleteNode, DeletionEvent, PodRef, Removal } from '../../../events/controller.ts'
import type { Attachment, NodeOwner, RemovalRequest } from '../../../ports.ts'
import { invoked } from '../../../runtime/intent.ts'
import type { NodeBefore } from '../drain-node.ts'

export type Context = {
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
export const failureOf = (event: unknown) =>
  (event as { readonly error: { readonly name: string; readonly message: string } }).error
export const refOf = ({ context: { order, uid } }: { readonly context: Context }) => ({ name: order.nodeName, uid })
/** Invariant: the states from `marking` to `tidying` are entered only with an owner. */
export const requestOf = ({ context }: { readonly context: Context }): RemovalRequest => {
  if (context.owner === null) throw new Error('delete-node: nobody knows the owner')
  return { owner: context.owner, node: refOf({ context }), action: context.order.id }
}
export const removalOf = ({ owner }: Context, confirmedBy: string | undefined): Removal => ({
  by: owner?.by ?? 'node-object',
  ...(confirmedBy !== undefined && { confirmedBy }),
})

export const cancelled = assign<Context, DeletionEvent, undefined, DeletionEvent, never>({ reason: ({ event }) => event.reason })

export const UNKNOWN = 'its owner did not answer, and may remove it all the same'
const RETRY_MS = 2_000
/** A cloud takes minutes, and the cluster-autoscaler ten until a node is unneeded for long enough. */
export const REMOVAL_MS = 900_000
/** What is still there after so many looks, five seconds apart, is held by a finalizer. */
const MOST_ROUNDS = 60

/** What the machine of a deletion is made of: its effects, guards and delays. */
export const parts = setup({
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
})
