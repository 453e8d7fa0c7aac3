import { assign } from 'xstate'
import { failureOf, parts } from './parts.ts'

const listing = parts.createStateConfig({
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
})

const listingLater = parts.createStateConfig({ after: { look: 'listing' } })

const clearing = parts.createStateConfig({
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
})

const listingSoon = parts.createStateConfig({ after: { retry: 'listing' } })

const detaching = parts.createStateConfig({
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
})

const detachingLater = parts.createStateConfig({ after: { retry: 'detaching' } })

// Asked once each: the attacher lets them go when it has detached the volume, which may take its time.
const letting = parts.createStateConfig({
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
})

/** The states in which is cleared what is still bound to the name of a node that is gone: its pods, and then its volumes. */
export const leftovers = { listing, listingLater, clearing, listingSoon, detaching, detachingLater, letting }
