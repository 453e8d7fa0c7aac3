import { assign, enqueueActions, setup } from 'xstate'
import type { ActionOutcome, ControllerEvent, ControllerFact, DeleteNode, DrainNode } from '../events/controller.ts'
import { spawned, tell } from '../runtime/intent.ts'

type Verb = 'DrainNode' | 'DeleteNode'
type Running = { readonly verb: Verb; readonly node: string; readonly requester?: string }
type Context = { readonly cluster: string; readonly paused: boolean; readonly running: Readonly<Record<string, Running>> }
type Order = Extract<ControllerEvent, { readonly type: `controller.${Verb}` }>

/** So many actions at once; more are refused and may come again. */
const MOST_ACTIONS = 1_000

const verbOf = (order: Order): Verb => (order.type === 'controller.DrainNode' ? 'DrainNode' : 'DeleteNode')

/** Why an action may not begin now; undefined if it may. */
const objection = ({ running, paused }: Context, order: Order): string | undefined => {
  if (paused) return 'the brake is on'
  if (Object.keys(running).length >= MOST_ACTIONS) return `${MOST_ACTIONS} actions are running already`
  if (running[order.id]) return 'an action with this id is running'
  const rival = Object.entries(running).find(([, { node }]) => node === order.nodeName)
  return rival && `action ${rival[0]} (${rival[1].verb}) is at work on this node`
}

const without = (running: Context['running'], action: string): Context['running'] => {
  const { [action]: _, ...rest } = running
  return rest
}
const actorOf = (action: string, { verb }: Running): string => `${verb === 'DrainNode' ? 'drain-node' : 'delete-node'}/${action}`

/** The order as its actor gets it: no word about who asked. */
const orderOf = <O extends Order>({ type: _, at: __, requester: ___, ...order }: O): Omit<O, 'type' | 'at' | 'requester'> => order

const ending = (action: string, { verb, node }: Pick<Running, 'verb' | 'node'>, outcome: ActionOutcome) => ({
  type: 'evictor.ActionEnded',
  action,
  verb,
  nodeName: node,
  ...outcome,
})

const admission = (order: Order, reason: string | undefined): readonly ControllerFact[] => {
  const common = { action: order.id, verb: verbOf(order), node: order.nodeName }
  return [
    reason === undefined
      ? { type: 'controller.ActionAccepted', ...common }
      : { type: 'controller.ActionRefused', ...common, reason },
  ]
}
/** The message to whoever asked, if somebody did. */
const refused = (order: Order, reason: string) =>
  order.requester === undefined
    ? []
    : [
        {
          to: order.requester,
          event: ending(order.id, { verb: verbOf(order), node: order.nodeName }, { outcome: 'refused', reason }),
        },
      ]

const withOrder = (running: Context['running'], order: Order): Context['running'] => ({
  ...running,
  [order.id]: { verb: verbOf(order), node: order.nodeName, ...(order.requester !== undefined && { requester: order.requester }) },
})

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
  },
  actions: { tell },
  guards: {
    isLast: ({ context, event }) => Object.keys(without(context.running, (event as { actorId: string }).actorId)).length === 0,
    isIdle: ({ context }) => Object.keys(context.running).length === 0,
    isRunning: ({ context, event }) => event.type === 'controller.CancelAction' && context.running[event.id] !== undefined,
  },
}).createMachine({
  id: 'controller',
  context: ({ input }) => ({ cluster: input?.cluster ?? '', paused: input?.paused ?? false, running: {} }),
  initial: 'serving',
  on: {
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
        'controller.DrainNode': {
          actions: enqueueActions(({ enqueue, context, event }) => {
            const outcome = objection(context, event)
            for (const fact of admission(event, outcome)) enqueue.emit(fact)
            if (outcome !== undefined) return refused(event, outcome).forEach((params) => void enqueue({ type: 'tell', params }))
            enqueue.spawnChild('drainNode', { id: event.id, input: { order: orderOf(event) } })
            enqueue.assign({ running: withOrder(context.running, event) })
          }),
        },
        'controller.DeleteNode': {
          actions: enqueueActions(({ enqueue, context, event }) => {
            const outcome = objection(context, event)
            for (const fact of admission(event, outcome)) enqueue.emit(fact)
            if (outcome !== undefined) return refused(event, outcome).forEach((params) => void enqueue({ type: 'tell', params }))
            enqueue.spawnChild('deleteNode', { id: event.id, input: { order: orderOf(event) } })
            enqueue.assign({ running: withOrder(context.running, event) })
          }),
        },
        'controller.CancelAction': {
          guard: 'isRunning',
          actions: enqueueActions(({ enqueue, context, event }) => {
            const running = context.running[event.id]
            if (running) enqueue({ type: 'tell', params: cancel(event.id, running, 'cancelled') })
          }),
        },
        'controller.Pause': {
          actions: [
            assign({ paused: true }),
            enqueueActions(({ enqueue, context, event }) => {
              if (event.policy === 'finish') return
              for (const [action, running] of Object.entries(context.running))
                enqueue({ type: 'tell', params: cancel(action, running, 'the brake is on') })
            }),
          ],
        },
        'controller.Resume': { actions: assign({ paused: false }) },
        'controller.Retire': [{ guard: 'isIdle', target: 'ended' }, { target: 'retiring' }],
      },
    },
    retiring: {
      entry: enqueueActions(({ enqueue, context }) => {
        for (const [action, running] of Object.entries(context.running))
          enqueue({ type: 'tell', params: cancel(action, running, 'the cluster leaves the phase automating') })
      }),
      always: { guard: 'isIdle', target: 'ended' },
    },
    ended: { type: 'final' },
  },
})

const cancel = (action: string, running: Running, reason: string) => {
  const to = actorOf(action, running)
  return { to, event: { type: `${to.split('/')[0]}.Cancel`, reason } }
}
