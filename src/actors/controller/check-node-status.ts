import { assign, setup } from 'xstate'
import type { ActionOutcome, Ending } from '../../events/controller.ts'
import type { CancelOf, CheckNodeStatus } from '../../events/orders.ts'
import { invoked } from '../../runtime/intent.ts'
import type { NodeStatus } from './node-status.ts'

type Context = {
  readonly order: CheckNodeStatus
  readonly outcome: ActionOutcome['outcome']
  readonly step: string
  readonly error: string
  readonly reason: string
}
type Failure = { readonly name: string; readonly message: string }

const endingOf = ({ order, outcome, step, error, reason }: Context): Ending => {
  const about = { action: order.id, verb: 'CheckNodeStatus', node: order.nodeName }
  return outcome === 'failed'
    ? { type: 'controller.ActionFailed', ...about, step, error, reason }
    : { type: 'controller.ActionDone', ...about, alreadyGone: false, result: { nodeStatus: order.nodeStatus } }
}

/** Waits until a node is ready or gone. The waiting is one effect for as long as it takes, not a commit for every look. */
export const checkNodeStatus = setup({
  types: {
    context: {} as Context,
    events: {} as CancelOf<'check-node-status'>,
    input: {} as { readonly order: CheckNodeStatus; readonly at: number },
    output: {} as ActionOutcome,
  },
  actors: {
    /** Ends when it is reached. */
    awaitStatus: invoked<NodeStatus, CheckNodeStatus>(),
    /** How it is now. */
    readStatus: invoked<NodeStatus, CheckNodeStatus>(),
  },
  delays: { expired: ({ context }) => context.order.waitTimeoutSeconds * 1_000 },
}).createMachine({
  id: 'check-node-status',
  context: ({ input }) => ({
    order: input?.order ?? ({} as CheckNodeStatus),
    outcome: 'failed',
    step: '',
    error: '',
    reason: '',
  }),
  output: ({ context }) => ({
    outcome: context.outcome,
    ...(context.reason !== '' && { reason: context.reason }),
    told: endingOf(context),
  }),
  initial: 'awaiting',
  on: {
    'check-node-status.Cancel': {
      target: '.ended',
      actions: assign({ step: 'awaiting', error: 'Cancelled', reason: ({ event }) => event.reason }),
    },
  },
  states: {
    awaiting: {
      after: { expired: 'judging' },
      invoke: {
        src: 'awaitStatus',
        input: ({ context }) => context.order,
        onDone: { target: 'ended', actions: assign({ outcome: 'done' }) },
        onError: {
          target: 'ended',
          actions: assign(({ event }) => failedAt('awaiting', event.error)),
        },
      },
    },
    // The time is over: what is there instead is said.
    judging: {
      invoke: {
        src: 'readStatus',
        input: ({ context }) => context.order,
        onDone: [
          { guard: ({ event }) => event.output.reached, target: 'ended', actions: assign({ outcome: 'done' }) },
          {
            target: 'ended',
            actions: assign({
              step: 'awaiting',
              error: 'Expired',
              reason: ({ context: { order }, event }) =>
                `node ${order.nodeName} was not ${order.nodeStatus} within ${order.waitTimeoutSeconds} s: ${event.output.seen}`,
            }),
          },
        ],
        onError: { target: 'ended', actions: assign(({ event }) => failedAt('judging', event.error)) },
      },
    },
    ended: { type: 'final' },
  },
})

const failedAt = (step: string, failure: unknown) => {
  const { name: error, message: reason } = failure as Failure
  return { step, error, reason }
}
