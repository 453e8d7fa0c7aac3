import { assign, enqueueActions, setup } from 'xstate'
import type { Candidate, EvictorEvent, EvictorFact, Leftover, Planned, Verified } from '../events/evictor.ts'
import { invoked, tell } from '../runtime/intent.ts'
import type { Migrations } from '../runtime/types.ts'

type Context = {
  readonly cluster: string
  /** Plans are carried out; otherwise they are only made and shown. */
  readonly execute: boolean
  readonly plan: string
  /** Hash of the newest plan told to everyone: the same plan is not told twice. */
  readonly told: string
  readonly wave: readonly Candidate[]
  /** Actions under way: action id → node. */
  readonly running: Readonly<Record<string, string>>
  /** Nodes that would not go, and until when (epoch ms) they are left alone. */
  readonly avoid: Readonly<Record<string, number>>
  /** Pause when the running actions have ended. */
  readonly pausing: boolean
}
type Ended = Extract<EvictorEvent, { readonly type: 'evictor.ActionEnded' }>

const without = (running: Context['running'], action: string): Context['running'] => {
  const { [action]: _, ...rest } = running
  return rest
}

// The plan's id carries its time (UUIDv7), so the ids of its actions do too.
const drainId = (plan: string, index: number): string => `${plan}.${index}`
const deletionId = (drain: string): string => `${drain}.delete`

const orderDrain = (context: Context, candidate: Candidate, index: number) => ({
  to: `controller/${context.cluster}`,
  event: {
    type: 'controller.DrainNode',
    id: drainId(context.plan, index),
    nodeName: candidate.node,
    nodeUid: candidate.uid,
    drainTimeoutSeconds: DRAIN_SECONDS,
    force: false,
    forRemoval: true,
    requester: `evictor/${context.cluster}`,
  },
})
const orderDeletion = (context: Context, drain: string, { node, uid }: Candidate) => ({
  to: `controller/${context.cluster}`,
  event: {
    type: 'controller.DeleteNode',
    id: deletionId(drain),
    nodeName: node,
    nodeUid: uid,
    requester: `evictor/${context.cluster}`,
  },
})

const orderUncordon = (cluster: string, id: string, { node, uid, action }: Leftover) => ({
  to: `controller/${cluster}`,
  event: { type: 'controller.UncordonNode', id, nodeName: node, nodeUid: uid, action },
})

const factOf = (plan: string, { verb, nodeName: node, outcome, reason = '', evicted = 0 }: Ended): EvictorFact => {
  if (outcome === 'failed' || outcome === 'refused') return { type: 'evictor.NodeKept', plan, node, reason }
  return verb === 'DrainNode' && outcome === 'done'
    ? { type: 'evictor.NodeEmptied', plan, node, evicted }
    : { type: 'evictor.NodeRemoved', plan, node }
}

/** What the end of an action brings: a fact, and an order for the node: deletion, or to be given back. */
const conclusion = (context: Context, event: Ended) => {
  const left = without(context.running, event.action)
  const candidate = context.wave.find(({ node }) => node === event.nodeName)
  const isEmptied = event.verb === 'DrainNode' && event.outcome === 'done'
  const isStranded = event.verb === 'DeleteNode' && (event.outcome === 'failed' || event.outcome === 'refused')
  const common = { fact: factOf(context.plan, event), avoid: avoided(context, event) }
  if (!candidate || !(isEmptied || isStranded)) return { ...common, running: left, orders: [] }
  if (isEmptied && context.execute)
    return {
      ...common,
      running: { ...left, [deletionId(event.action)]: event.nodeName },
      orders: [orderDeletion(context, event.action, candidate)],
    }
  const action = event.action.replace(/\.delete$/, '')
  const { node, uid } = candidate
  return { ...common, running: left, orders: [orderUncordon(context.cluster, `${action}.uncordon`, { node, uid, action })] }
}
const unheard = ({ plan, running }: Context): readonly EvictorFact[] =>
  Object.values(running).map((node) => ({
    type: 'evictor.NodeKept',
    plan,
    node,
    reason: 'the controller did not say how it ended',
  }))

const DRAIN_SECONDS = 600
/** The longest that a wave can take: a drain, the time it is given over, and a deletion. */
const WAVE_MS = 1_200_000
/** Rolling back takes seconds. */
const WITHDRAWAL_MS = 60_000
/** A node that would not go is left alone for so long. */
const AVOID_MS = 600_000

/** What refuses an order, a guard's budget or another action, may allow it later: it is not asked in every plan. */
const REFUSED_MS = 60_000
const avoidedMs = { failed: AVOID_MS, refused: REFUSED_MS, done: 0, gone: 0 } as const

const avoided = ({ avoid }: Context, { at, nodeName, outcome }: Ended): Context['avoid'] => {
  const still = Object.entries(avoid).filter(([, until]) => until > at)
  const ms = avoidedMs[outcome]
  return Object.fromEntries(ms > 0 ? [...still, [nodeName, at + ms]] : still)
}

/** Plans, and in the phase automating carries out each plan's first wave, then plans anew from what is then there. */
export const evictor = setup({
  types: {
    context: {} as Context,
    events: {} as EvictorEvent,
    emitted: {} as EvictorFact,
    input: {} as { readonly cluster: string; readonly at: number },
  },
  actors: {
    /** Plans from the newest objects and keeps the plan under its id. Fails with NotReady while the model is not. */
    plan: invoked<Planned, { readonly avoid: readonly string[] }>(),
    /** Which nodes of the wave the newest objects still let go, as planned. */
    verify: invoked<Verified, { readonly plan: string; readonly nodes: readonly string[] }>(),
  },
  actions: { tell },
  delays: { cycle: 10_000, settle: 3_000, retry: 1_000, wave: WAVE_MS, withdrawal: WITHDRAWAL_MS },
  guards: {
    toBeDone: ({ context, event }) => context.execute && (event as unknown as { output: Planned }).output.wave.length > 0,
    hasEnded: ({ context }) => Object.keys(context.running).length === 0,
    isForbidden: ({ event }) => event.type === 'evictor.SetMode' && !event.execute,
  },
}).createMachine({
  id: 'evictor',
  context: ({ input }) => ({
    cluster: input?.cluster ?? '',
    execute: false,
    plan: '',
    told: '',
    wave: [],
    running: {},
    avoid: {},
    pausing: false,
  }),
  initial: 'planning',
  on: { 'evictor.SetMode': { actions: assign({ execute: ({ event }) => event.execute }) } },
  states: {
    idle: {
      after: { cycle: 'planning' },
      on: {
        'evictor.Plan': 'planning',
        'evictor.Pause': 'paused',
        'evictor.SetMode': { target: 'planning', actions: assign({ execute: ({ event }) => event.execute }) },
      },
    },
    planning: {
      on: { 'evictor.Pause': 'paused' },
      invoke: {
        src: 'plan',
        input: ({ context }) => ({ avoid: Object.keys(context.avoid) }),
        onDone: [
          {
            guard: 'toBeDone',
            target: 'verifying',
            actions: enqueueActions(({ enqueue, event, context }) => {
              const { summary, wave, leftover } = event.output
              if (summary.hash !== context.told) enqueue.emit({ type: 'evictor.PlanMade', ...summary })
              for (const each of leftover)
                enqueue({ type: 'tell', params: orderUncordon(context.cluster, `${summary.plan}.${each.node}`, each) })
              enqueue.assign({ plan: summary.plan, told: summary.hash, wave })
            }),
          },
          {
            target: 'idle',
            actions: enqueueActions(({ enqueue, event, context }) => {
              const { summary, leftover } = event.output
              if (context.execute)
                for (const each of leftover)
                  enqueue({ type: 'tell', params: orderUncordon(context.cluster, `${summary.plan}.${each.node}`, each) })
              if (summary.hash === context.told) return
              enqueue.emit({ type: 'evictor.PlanMade', ...summary })
              enqueue.assign({ plan: summary.plan, told: summary.hash, wave: [] })
            }),
          },
        ],
        onError: [
          { guard: ({ event }) => (event.error as { name?: string }).name === 'NotReady', target: 'waiting' },
          {
            target: 'idle',
            actions: enqueueActions(({ enqueue, event }) => {
              enqueue.emit({ type: 'evictor.PlanAborted', reason: String((event.error as { message?: string }).message) })
            }),
          },
        ],
      },
    },
    waiting: { after: { retry: 'planning' }, on: { 'evictor.Pause': 'paused' } },
    verifying: {
      on: { 'evictor.Pause': 'paused' },
      invoke: {
        src: 'verify',
        input: ({ context }) => ({ plan: context.plan, nodes: context.wave.map(({ node }) => node) }),
        onDone: [
          {
            guard: ({ event, context }) => context.execute && event.output.nodes.length > 0,
            target: 'acting',
            actions: enqueueActions(({ enqueue, context, event }) => {
              const { nodes, refused } = event.output
              for (const { node, reason } of refused) enqueue.emit({ type: 'evictor.NodeKept', plan: context.plan, node, reason })
              const wave = context.wave.filter(({ node }) => nodes.includes(node))
              enqueue.assign({
                wave,
                running: Object.fromEntries(wave.map(({ node }, index) => [drainId(context.plan, index), node])),
              })
              wave.forEach((candidate, index) => {
                enqueue.emit({ type: 'evictor.NodeChosen', plan: context.plan, ...candidate })
                enqueue({ type: 'tell', params: orderDrain(context, candidate, index) })
              })
            }),
          },
          {
            target: 'idle',
            actions: enqueueActions(({ enqueue, context, event }) => {
              for (const { node, reason } of event.output.refused)
                enqueue.emit({ type: 'evictor.PlanAborted', plan: context.plan, node, reason })
            }),
          },
        ],
        onError: 'idle',
      },
    },
    acting: {
      initial: 'executing',
      always: { guard: 'hasEnded', target: 'settling' },
      on: {
        'evictor.Pause': { actions: assign({ pausing: true }) },
        'evictor.Resume': { actions: assign({ pausing: false }) },
        'evictor.ActionEnded': {
          guard: ({ context, event }) => context.running[event.action] !== undefined,
          actions: enqueueActions(({ enqueue, context, event }) => {
            const { fact, running, avoid, orders } = conclusion(context, event)
            enqueue.emit(fact)
            enqueue.assign({ running, avoid })
            for (const params of orders) enqueue({ type: 'tell', params })
          }),
        },
      },
      states: {
        executing: {
          after: {
            wave: {
              target: '#evictor.settling',
              actions: enqueueActions(({ enqueue, context }) => {
                for (const fact of unheard(context)) enqueue.emit(fact)
                enqueue.assign({ running: {} })
              }),
            },
          },
          on: {
            'evictor.SetMode': [
              { guard: 'isForbidden', target: 'withdrawing', actions: assign({ execute: false }) },
              { actions: assign({ execute: true }) },
            ],
          },
        },
        // No longer allowed: the controller rolls back what runs, and what was emptied already is given back.
        withdrawing: {
          after: {
            withdrawal: {
              target: '#evictor.settling',
              actions: enqueueActions(({ enqueue, context }) => {
                for (const fact of unheard(context)) enqueue.emit(fact)
                enqueue.assign({ running: {} })
              }),
            },
          },
        },
      },
    },
    settling: {
      always: { guard: ({ context }) => context.pausing, target: 'paused' },
      after: { settle: 'planning' },
      on: { 'evictor.Pause': 'paused' },
    },
    paused: { entry: assign({ pausing: false }), on: { 'evictor.Resume': 'planning' } },
  },
})

/** Version 1 ordered drains without asking whether the node could be removed afterwards. */
export const evictorMigrations: Migrations = {
  1: (state) => state,
  // Version 2 ordered the same node again in the next plan when the controller had refused it.
  2: (state) => state,
}
