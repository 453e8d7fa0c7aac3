import { assign, enqueueActions, setup } from 'xstate'
import type { ActionOutcome, ControllerEvent, ControllerFact, DeleteNode, DrainNode, UncordonNode } from '../events/controller.ts'
import { spawned, tell } from '../runtime/intent.ts'

type Verb = 'DrainNode' | 'DeleteNode' | 'UncordonNode'
type Running = { readonly verb: Verb; readonly node: string; readonly requester?: string }
type Context = {
  readonly cluster: string
  /** Why nothing disruptive is admitted; empty: it is. */
  readonly closed: string
  readonly running: Readonly<Record<string, Running>>
}
type Order = Extract<ControllerEvent, { readonly type: `controller.${Verb}` }>

/** So many actions at once; more are refused and may come again. */
const MOST_ACTIONS = 1_000

const verbOf = (order: Order): Verb => order.type.slice('controller.'.length) as Verb
/** Who asked; giving a node back is asked by nobody who waits. */
const requesterOf = (order: Order): string | undefined => ('requester' in order ? order.requester : undefined)

/** Why an action may not begin now; undefined if it may. */
const objection = ({ running, closed }: Context, order: Order): string | undefined => {
  if (closed !== '' && order.type !== 'controller.UncordonNode') return closed
  if (Object.keys(running).length >= MOST_ACTIONS) return `${MOST_ACTIONS} actions are running already`
  if (running[order.id]) return 'an action with this id is running'
  const rival = Object.entries(running).find(([, { node }]) => node === order.nodeName)
  return rival && `action ${rival[0]} (${rival[1].verb}) is at work on this node`
}

const without = (running: Context['running'], action: string): Context['running'] => {
  const { [action]: _, ...rest } = running
  return rest
}
const actorTypes = { DrainNode: 'drain-node', DeleteNode: 'delete-node', UncordonNode: 'uncordon-node' } as const
const actorOf = (action: string, { verb }: Running): string => `${actorTypes[verb]}/${action}`

/** The order as its actor gets it: no word about who asked. */
const orderOf = <O extends Order & { readonly requester?: string | undefined }>({
  type: _,
  at: __,
  requester: ___,
  ...order
}: O) => order

const ending = (action: string, { verb, node }: Pick<Running, 'verb' | 'node'>, outcome: ActionOutcome) => ({
  type: 'evictor.ActionEnded',
  action,
  verb,
  nodeName: node,
  ...outcome,
})

/** What an order brings about: its actor if nothing speaks against it, a fact, and word to whoever asked. */
const admission = (context: Context, order: Order) => {
  const reason = objection(context, order)
  const { id: action, nodeName: node } = order
  const [verb, requester] = [verbOf(order), requesterOf(order)]
  const fact: ControllerFact =
    reason === undefined
      ? { type: 'controller.ActionAccepted', action, verb, node }
      : { type: 'controller.ActionRefused', action, verb, node, reason }
  const entry: Running = { verb, node, ...(requester !== undefined && { requester }) }
  const refusal = requester !== undefined &&
    reason !== undefined && { to: requester, event: ending(action, entry, { outcome: 'refused', reason }) }
  return {
    isAdmitted: reason === undefined,
    fact,
    replies: refusal ? [refusal] : [],
    running: reason === undefined ? { ...context.running, [action]: entry } : context.running,
  }
}

const cancel = (action: string, running: Running, reason: string) => {
  const to = actorOf(action, running)
  return { to, event: { type: `${actorTypes[running.verb]}.Cancel`, reason } }
}
/** What gives something back is not cancelled. */
const cancellations = ({ running }: Context, reason: string) =>
  Object.entries(running)
    .filter(([, { verb }]) => verb !== 'UncordonNode')
    .map(([action, each]) => cancel(action, each, reason))

const BRAKED = 'the brake is on'
const LEAVING = 'the cluster leaves the phase automating'
/** Retired and idle, it stays so long for what is to be given back: those who ask may not know yet. */
const LINGER_MS = 2_000

/** Admits actions and has one journaled actor made for each; whoever asked hears how it ended. */
export const controller = setup({
  types: {
    context: {} as Context,
    events: {} as ControllerEvent,
    emitted: {} as ControllerFact,
    input: {} as { readonly cluster: string; readonly paused: boolean; readonly at: number },
  },
  actors: {
    drainNode: spawned<ActionOutcome, { readonly order: DrainNode }>(),
    deleteNode: spawned<ActionOutcome, { readonly order: DeleteNode }>(),
    uncordonNode: spawned<ActionOutcome, { readonly order: UncordonNode }>(),
  },
  actions: { tell },
  delays: { linger: LINGER_MS },
  guards: {
    isIdle: ({ context }) => Object.keys(context.running).length === 0,
    isBusy: ({ context }) => Object.keys(context.running).length > 0,
    isRunning: ({ context, event }) => event.type === 'controller.CancelAction' && context.running[event.id] !== undefined,
  },
}).createMachine({
  id: 'controller',
  context: ({ input }) => ({ cluster: input?.cluster ?? '', closed: input?.paused ? BRAKED : '', running: {} }),
  initial: 'serving',
  on: {
    'controller.DrainNode': {
      actions: enqueueActions(({ enqueue, context, event }) => {
        const { isAdmitted, fact, replies, running } = admission(context, event)
        enqueue.emit(fact)
        for (const params of replies) enqueue({ type: 'tell', params })
        enqueue.assign({ running })
        if (isAdmitted) enqueue.spawnChild('drainNode', { id: event.id, input: { order: orderOf(event) } })
      }),
    },
    'controller.DeleteNode': {
      actions: enqueueActions(({ enqueue, context, event }) => {
        const { isAdmitted, fact, replies, running } = admission(context, event)
        enqueue.emit(fact)
        for (const params of replies) enqueue({ type: 'tell', params })
        enqueue.assign({ running })
        if (isAdmitted) enqueue.spawnChild('deleteNode', { id: event.id, input: { order: orderOf(event) } })
      }),
    },
    'controller.UncordonNode': {
      actions: enqueueActions(({ enqueue, context, event }) => {
        const { isAdmitted, fact, running } = admission(context, event)
        enqueue.emit(fact)
        enqueue.assign({ running })
        if (isAdmitted) enqueue.spawnChild('uncordonNode', { id: event.id, input: { order: orderOf(event) } })
      }),
    },
    'controller.CancelAction': {
      guard: 'isRunning',
      actions: enqueueActions(({ enqueue, context, event }) => {
        const running = context.running[event.id]
        if (running) enqueue({ type: 'tell', params: cancel(event.id, running, 'cancelled') })
      }),
    },
    'xstate.done.actor.*': {
      actions: enqueueActions(({ enqueue, context, event }) => {
        const running = context.running[event.actorId]
        enqueue.stopChild(event.actorId)
        enqueue.assign({ running: without(context.running, event.actorId) })
        if (running?.requester)
          enqueue({ type: 'tell', params: { to: running.requester, event: ending(event.actorId, running, event.output) } })
      }),
    },
  },
  states: {
    serving: {
      on: {
        'controller.Pause': {
          actions: enqueueActions(({ enqueue, context, event }) => {
            enqueue.assign({ closed: BRAKED })
            if (event.policy === 'rollback')
              for (const params of cancellations(context, BRAKED)) enqueue({ type: 'tell', params })
          }),
        },
        'controller.Resume': { actions: assign({ closed: '' }) },
        'controller.Retire': 'retiring',
      },
    },
    retiring: {
      entry: enqueueActions(({ enqueue, context }) => {
        enqueue.assign({ closed: LEAVING })
        for (const params of cancellations(context, LEAVING)) enqueue({ type: 'tell', params })
      }),
      initial: 'waiting',
      states: {
        waiting: { always: { guard: 'isIdle', target: 'lingering' } },
        lingering: { always: { guard: 'isBusy', target: 'waiting' }, after: { linger: '#controller.ended' } },
      },
    },
    ended: { type: 'final' },
  },
})
