import { assign, emit, setup } from 'xstate'
import type { ActionOutcome, ControllerFact, Ending, UncordonNode } from '../../events/controller.ts'
import { invoked } from '../../runtime/intent.ts'
import type { Migrations } from '../../runtime/types.ts'
import type { NodeBefore } from './drain-node.ts'
import { isMeant } from './node-identity.ts'

type Context = {
  readonly order: UncordonNode
  readonly uid: string
  readonly outcome: ActionOutcome['outcome']
  readonly reason: string
}
type UncordonEvent = { readonly type: 'xstate.init' }

const failureOf = (event: unknown) => (event as { readonly error: { readonly name: string; readonly message: string } }).error
const endingOf = ({ order, outcome, reason }: Context): Ending => {
  const about = { action: order.id, verb: 'UncordonNode', node: order.nodeName }
  if (outcome === 'failed') return { type: 'controller.ActionFailed', ...about, reason }
  return { type: 'controller.ActionDone', ...about, alreadyGone: outcome === 'gone' }
}
const RETRY_MS = 2_000

/** Gives a node back as an earlier drain found it, if the cordon is that drain's. It takes no command. */
export const uncordonNode = setup({
  types: {
    context: {} as Context,
    events: {} as UncordonEvent,
    emitted: {} as ControllerFact,
    input: {} as { readonly order: UncordonNode; readonly at: number },
    output: {} as ActionOutcome,
  },
  actors: {
    readNode: invoked<NodeBefore | null, { readonly name: string }>(),
    uncordon: invoked<void, { readonly name: string; readonly uid: string; readonly action: string }>(),
  },
  delays: { retry: RETRY_MS },
  guards: {
    gone: ({ event }) => failureOf(event).name === 'Gone',
    hopeless: ({ event }) => failureOf(event).name === 'Refused',
  },
}).createMachine({
  id: 'uncordon-node',
  context: ({ input }) => ({ order: input?.order ?? ({} as UncordonNode), uid: '', outcome: 'done', reason: '' }),
  output: ({ context }) => ({
    outcome: context.outcome,
    ...(context.reason !== '' && { reason: context.reason }),
    told: endingOf(context),
  }),
  initial: 'reading',
  states: {
    reading: {
      invoke: {
        src: 'readNode',
        input: ({ context }) => ({ name: context.order.nodeName }),
        onDone: [
          {
            guard: ({ context, event }) => isMeant(context.order, event.output),
            target: 'uncordoning',
            actions: assign({ uid: ({ event }) => event.output?.uid ?? '' }),
          },
          { target: 'ended', actions: assign({ outcome: 'gone', reason: 'already gone' }) },
        ],
        onError: [
          {
            guard: 'hopeless',
            target: 'ended',
            actions: assign({ outcome: 'failed', reason: ({ event }) => failureOf(event).message }),
          },
          { target: 'readingLater' },
        ],
      },
    },
    readingLater: { after: { retry: 'reading' } },
    uncordoning: {
      invoke: {
        src: 'uncordon',
        input: ({ context: { order, uid } }) => ({ name: order.nodeName, uid, action: order.action }),
        onDone: {
          target: 'ended',
          actions: emit(({ context: { order } }) => ({
            type: 'controller.ActionCompensated',
            action: order.action,
            node: order.nodeName,
            restored: 'as found',
          })),
        },
        onError: [
          { guard: 'gone', target: 'ended', actions: assign({ outcome: 'gone', reason: 'already gone' }) },
          {
            guard: 'hopeless',
            target: 'ended',
            actions: assign({ outcome: 'failed', reason: ({ event }) => failureOf(event).message }),
          },
          { target: 'uncordoningLater' },
        ],
      },
    },
    uncordoningLater: { after: { retry: 'uncordoning' } },
    ended: { type: 'final' },
  },
})

/** Version 1 asked for ever where Kubernetes refused to let a node be read. */
export const uncordonMigrations: Migrations = {
  1: (state) => state,
  // Version 2 told its failure itself, and its success not at all.
  2: (state) => state,
}
