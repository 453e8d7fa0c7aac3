import { assign, emit } from 'xstate'
import { cancelled, failureOf, parts, REMOVAL_MS, refOf, removalOf, requestOf, UNKNOWN } from './parts.ts'

const choosing = parts.createStateConfig({
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
})

const choosingLater = parts.createStateConfig({
  on: { 'delete-node.Cancel': { target: 'ended', actions: cancelled } },
  after: { retry: 'choosing' },
})

const chosen = parts.createStateConfig({
  always: [
    { guard: 'isObjectAlone', target: 'deleting' },
    { guard: 'isLeftToOthers', target: 'removing' },
    { guard: 'isMarked', target: 'marking' },
    { target: 'shrinking' },
  ],
})

const marking = parts.createStateConfig({
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
})

const markingLater = parts.createStateConfig({
  on: { 'delete-node.Cancel': { target: 'unmarking', actions: cancelled } },
  after: { retry: 'marking' },
})

const shrinking = parts.createStateConfig({
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
})

const shrinkingLater = parts.createStateConfig({
  on: {
    'delete-node.Cancel': {
      target: 'refused',
      actions: assign({ reason: ({ context, event }) => (context.isAsked ? `${event.reason}; ${UNKNOWN}` : event.reason) }),
    },
  },
  after: { retry: 'shrinking' },
})

const refused = parts.createStateConfig({ always: [{ guard: 'isMarked', target: 'unmarking' }, { target: 'ended' }] })

const unmarking = parts.createStateConfig({
  invoke: {
    src: 'unmark',
    input: requestOf,
    onDone: 'ended',
    onError: [{ guard: 'gone', target: 'ended' }, { guard: 'hopeless', target: 'ended' }, { target: 'unmarkingLater' }],
  },
})

const unmarkingLater = parts.createStateConfig({ after: { retry: 'unmarking' } })

const removing = parts.createStateConfig({
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
})

const removingLater = parts.createStateConfig({ after: { retry: 'removing' } })

const removed = parts.createStateConfig({ always: [{ guard: 'isMarked', target: 'tidying' }, { target: 'forgetting' }] })

const tidying = parts.createStateConfig({
  invoke: {
    src: 'tidy',
    input: requestOf,
    onDone: 'forgetting',
    onError: [{ guard: 'gone', target: 'forgetting' }, { guard: 'hopeless', target: 'forgetting' }, { target: 'tidyingLater' }],
  },
})

const tidyingLater = parts.createStateConfig({ after: { retry: 'tidying' } })

/** The states in which the machine goes by way of what owns it: found, marked, made smaller by one, waited for. */
export const byOwner = {
  choosing,
  choosingLater,
  chosen,
  marking,
  markingLater,
  shrinking,
  shrinkingLater,
  refused,
  unmarking,
  unmarkingLater,
  removing,
  removingLater,
  removed,
  tidying,
  tidyingLater,
}
