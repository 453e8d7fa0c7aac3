import { assign, emit, enqueueActions, setup } from 'xstate'
import type {
  ActionOutcome,
  Attached,
  ControllerFact,
  Departures,
  DrainEvent,
  DrainNode,
  Ending,
  EvictionOutcome,
  PodRef,
} from '../../events/controller.ts'
import type { NodeOwner } from '../../ports.ts'
import { invoked, spawned, tell } from '../../runtime/intent.ts'
import type { Migrations } from '../../runtime/types.ts'
import type { EvictionInput } from './eviction.ts'
import { isMeant, type NodeFound } from './node-identity.ts'

/** The node as it was when the action began. */
export type NodeBefore = NodeFound & { readonly unschedulable: boolean }

/** A place in the order in which the pods of a node leave: those behind it are still to be told. */
export type Cursor = { readonly tier: number; readonly priority: number; readonly uid: string }
/** A few of the pods that leave next, all of one tier; without `after` they are the last of it. */
type Leaving = { readonly pods: readonly PodRef[]; readonly after?: Cursor }
/** `except`: the UIDs of pods that are waited for no more. */
type Asked = { readonly name: string; readonly after?: Cursor; readonly except?: readonly string[] }

type Context = {
  readonly order: DrainNode
  readonly deadline: number
  /** Null until the node was read. */
  readonly node: NodeBefore | null
  /** Evictions under way: name of the child → pod. */
  readonly leaving: Readonly<Record<string, string>>
  /** Where in its tier the listing stands. */
  readonly after?: Cursor | undefined
  /** UIDs of pods that are being deleted and do not end: they are waited for no more. */
  readonly skipped: Readonly<Record<string, true>>
  readonly pods: Departures
  readonly outcome: ActionOutcome['outcome']
  readonly reason: string
  readonly attached?: Attached
}
type Ended = { readonly actorId: string; readonly output: EvictionOutcome }

const without = (bag: Readonly<Record<string, string>>, key: string): Readonly<Record<string, string>> => {
  const { [key]: _, ...rest } = bag
  return rest
}

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
const atOf = (event: unknown): number => (event as { readonly at: number }).at
/** After a failed request to the world: ask again. */
const RETRY_MS = 2_000
/** An eviction's request takes ten seconds at most, three times. */
const STOPPING_MS = 45_000
/** Pods deleted by force at the deadline have a minute of grace, and are then deleted without any. */
const OVERTIME_MS = 180_000
const DETACH_SECONDS = 60

/** Milliseconds since the epoch in a UUIDv7 at the beginning of an id (RFC 9562 §5.7). */
const timeIn = (id: string): number | undefined => {
  const hex = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab]/.exec(id)
  return hex ? Number.parseInt(`${hex[1]}${hex[2]}`, 16) : undefined
}
/** Counted from when it was ordered, so that an order that waited has less time; never from the future. */
const deadlineOf = ({ id, createdAt, drainTimeoutSeconds }: DrainNode, at: number): number =>
  Math.min(createdAt ?? timeIn(id) ?? at, at) + drainTimeoutSeconds * 1_000

const sumOf = ({ evicted = 0, deleted = 0, gone = 0 }: Departures): number => evicted + deleted + gone
/** What the end of an eviction makes of the books. */
const booked = ({ leaving, pods, skipped }: Context, { actorId, output: { uid, outcome } }: Ended) => ({
  leaving: without(leaving, actorId),
  pods: { ...pods, [outcome]: (pods[outcome] ?? 0) + 1 },
  ...(outcome === 'skipped' && { skipped: { ...skipped, [uid]: true as const } }),
})

const endingOf = ({ order, outcome, reason, pods, attached }: Context): Ending => {
  const about = { action: order.id, node: order.nodeName }
  if (outcome === 'failed') return { type: 'controller.ActionFailed', ...about, reason }
  const left = Object.keys(pods).length > 0 && { pods }
  const done = { evicted: sumOf(pods), alreadyGone: outcome === 'gone', ...left, ...(attached && { attached }) }
  return { type: 'controller.ActionDone', ...about, ...done }
}

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
    /** What will be made smaller when it is empty. Fails with Refused if that is nothing. */
    findOwner: invoked<NodeOwner, { readonly name: string; readonly uid: string }>(),
    /** Sets unschedulable, the taint, who did it and how the node was found, in one patch. */
    cordon: invoked<void, { readonly name: string; readonly uid: string; readonly action: string }>(),
    /** Makes of the node what this action found, if the cordon is this action's. */
    uncordon: invoked<void, { readonly name: string; readonly uid: string; readonly action: string }>(),
    /** The next few pods that have to leave: no DaemonSet, mirror or finished ones, the least important first. */
    listEvictable: invoked<Leaving, Asked>(),
    eviction: spawned<EvictionOutcome, EvictionInput>(),
    /** Ends when no volume of a pod that has left is attached, or at that time (epoch ms) with those that are. */
    awaitDetached: invoked<Attached, { readonly name: string; readonly until: number }>(),
  },
  actions: { tell },
  delays: {
    // Evictions mind the deadline themselves; this ends a drain whose requests are not answered at all.
    expired: ({ context, event }) => Math.max(0, context.deadline + OVERTIME_MS - atOf(event)),
    retry: RETRY_MS,
    stopped: STOPPING_MS,
  },
  guards: {
    noneLeaving: ({ context }) => Object.keys(context.leaving).length === 0,
    gone: ({ event }) => failureOf(event).name === 'Gone',
    hopeless: ({ event }) => failureOf(event).name === 'Refused',
    isTooLate: ({ context, event }) => !context.order.force && atOf(event) >= context.deadline,
    isForRemoval: ({ context }) => context.order.forRemoval === true,
    staysCordoned: ({ context }) => context.order.onFailure === 'keep',
    mindsVolumes: ({ context }) => context.order.waitForVolumeDetach !== false,
  },
}).createMachine({
  id: 'drain-node',
  context: ({ input }) => ({
    order: input?.order ?? ({} as DrainNode),
    deadline: input ? deadlineOf(input.order, input.at) : 0,
    node: null,
    leaving: {},
    skipped: {},
    pods: {},
    outcome: 'failed',
    reason: '',
  }),
  output: ({ context }) => ({
    outcome: context.outcome,
    evicted: sumOf(context.pods),
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
            guard: ({ context, event }) => !isMeant(context.order, event.output),
            target: 'ended',
            actions: assign({ outcome: 'gone', reason: 'already gone' }),
          },
          { guard: 'isTooLate', target: 'ended', actions: assign({ reason: 'its time was over before it began' }) },
          { guard: 'isForRemoval', target: 'choosing', actions: assign({ node: ({ event }) => event.output }) },
          { target: 'working', actions: assign({ node: ({ event }) => event.output }) },
        ],
        onError: [
          { guard: 'hopeless', target: 'ended', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { guard: 'isTooLate', target: 'ended', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { target: 'readingLater' },
        ],
      },
      on: { 'drain-node.Cancel': { target: 'ended', actions: assign({ reason: ({ event }) => event.reason }) } },
    },
    readingLater: {
      after: { retry: 'reading' },
      on: { 'drain-node.Cancel': { target: 'ended', actions: assign({ reason: ({ event }) => event.reason }) } },
    },
    // Pods that have moved for a node that stays have moved for nothing.
    choosing: {
      on: { 'drain-node.Cancel': { target: 'ended', actions: assign({ reason: ({ event }) => event.reason }) } },
      invoke: {
        src: 'findOwner',
        input: ({ context }) => ({ name: known(context).name, uid: known(context).uid }),
        onDone: 'working',
        onError: [
          { guard: 'gone', target: 'reading' },
          { guard: 'hopeless', target: 'ended', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { guard: 'isTooLate', target: 'ended', actions: assign({ reason: ({ event }) => failureOf(event).message }) },
          { target: 'choosingLater' },
        ],
      },
    },
    choosingLater: {
      after: { retry: 'choosing' },
      on: { 'drain-node.Cancel': { target: 'ended', actions: assign({ reason: ({ event }) => event.reason }) } },
    },
    working: {
      initial: 'cordoning',
      after: { expired: { target: 'restoring', actions: assign({ reason: 'the drain did not end within its time' }) } },
      on: {
        'drain-node.Cancel': { target: 'restoring', actions: assign({ reason: ({ event }) => event.reason }) },
        // Also while more of the node's pods are being listed.
        'xstate.done.actor.*': [
          {
            guard: ({ event }) => event.output.outcome === 'failed',
            target: 'restoring',
            actions: enqueueActions(({ enqueue, context, event }) => {
              enqueue.stopChild(event.actorId)
              enqueue.assign({
                ...booked(context, event),
                reason: `pod ${context.leaving[event.actorId]}: ${event.output.reason ?? 'not evicted'}`,
              })
            }),
          },
          {
            actions: enqueueActions(({ enqueue, context, event }) => {
              enqueue.stopChild(event.actorId)
              enqueue.assign(booked(context, event))
            }),
          },
        ],
      },
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
            input: ({ context: { order, after, skipped } }) => ({
              name: order.nodeName,
              ...(after && { after }),
              ...(Object.keys(skipped).length > 0 && { except: Object.keys(skipped) }),
            }),
            onDone: [
              {
                guard: ({ context, event }) => context.after === undefined && event.output.pods.length === 0,
                target: '#drain-node.emptied',
              },
              {
                target: 'evicting',
                actions: enqueueActions(({ enqueue, context, event }) => {
                  const { id: action, nodeName: node, force } = context.order
                  const { deadline, leaving } = context
                  const { pods, after } = event.output
                  const fresh = pods.filter(({ uid }) => leaving[`${action}.${uid}`] === undefined)
                  for (const pod of fresh)
                    enqueue.spawnChild('eviction', { id: `${action}.${pod.uid}`, input: { action, node, pod, deadline, force } })
                  const begun = fresh.map(({ namespace, name, uid }) => [`${action}.${uid}`, `${namespace}/${name}`] as const)
                  enqueue.assign({ leaving: { ...leaving, ...Object.fromEntries(begun) }, after })
                }),
              },
            ],
            onError: [
              {
                guard: 'hopeless',
                target: '#drain-node.restoring',
                actions: assign({ reason: ({ event }) => failureOf(event).message }),
              },
              { target: 'listingLater' },
            ],
          },
        },
        listingLater: { after: { retry: 'listing' } },
        // More of the tier are listed at once; when all of it have left, the next tier is, with whoever landed late.
        evicting: {
          always: [
            { guard: ({ context }) => context.after !== undefined, target: 'listing' },
            { guard: 'noneLeaving', target: 'listing' },
          ],
        },
      },
    },
    emptied: {
      always: [
        { guard: 'mindsVolumes', target: 'detaching' },
        { target: 'ended', actions: assign({ outcome: 'done', reason: '' }) },
      ],
    },
    // The pods are gone: what holds their volumes is told, and fails nothing.
    detaching: {
      on: { 'drain-node.Cancel': { target: 'restoring', actions: assign({ reason: ({ event }) => event.reason }) } },
      invoke: {
        src: 'awaitDetached',
        input: ({ context: { order }, event }) => ({
          name: order.nodeName,
          until: atOf(event) + (order.volumeDetachTimeoutSeconds ?? DETACH_SECONDS) * 1_000,
        }),
        onDone: [
          {
            guard: ({ event }) => event.output.count > 0,
            target: 'ended',
            actions: assign({ outcome: 'done', reason: '', attached: ({ event }) => event.output }),
          },
          { target: 'ended', actions: assign({ outcome: 'done', reason: '' }) },
        ],
        onError: { target: 'ended', actions: assign({ outcome: 'done', reason: '' }) },
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
                enqueue.assign(booked(context, event))
              }),
            },
          },
        },
        choosing: {
          entry: enqueueActions(({ enqueue, context }) => {
            for (const child of Object.keys(context.leaving)) enqueue.stopChild(child)
            enqueue.assign({ leaving: {} })
          }),
          always: [{ guard: 'staysCordoned', target: '#drain-node.ended' }, { target: 'uncordoning' }],
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
                restored: 'as found',
              })),
            },
            onError: [
              { guard: 'gone', target: '#drain-node.ended' },
              {
                guard: 'hopeless',
                target: '#drain-node.ended',
                actions: assign({
                  reason: ({ context, event }) => `${context.reason}; and the node stays cordoned: ${failureOf(event).message}`,
                }),
              },
              { target: 'uncordoningLater' },
            ],
          },
        },
        uncordoningLater: { after: { retry: 'uncordoning' } },
      },
    },
    ended: { type: 'final' },
  },
})

type ContextOfVersion1 = Pick<Context, 'order' | 'deadline' | 'node' | 'leaving' | 'outcome' | 'reason'> & {
  readonly evicted: number
}
/**
 * Version 1 listed all pods at once, counted those that left, and left alone the cordon of a node that was cordoned before,
 * which it did not write down. Its states are still there.
 */
export const drainMigrations: Migrations = {
  1: (state) => {
    const { evicted, ...kept } = state.context as ContextOfVersion1
    const order = kept.node?.unschedulable === true ? { ...kept.order, onFailure: 'keep' as const } : kept.order
    const context: Context = { ...kept, order, skipped: {}, pods: evicted > 0 ? { evicted } : {} }
    return { ...state, context }
  },
  // Version 2 told its end itself.
  2: (state) => state,
}
