import { setup } from 'xstate'
import type { ActionOutcome, ControllerEvent, ControllerFact } from '../events/controller.ts'
import { actorOf, type Order, type Verb, verbNames, verbOf, verbs } from '../events/verbs.ts'
import { spawned, tell } from '../runtime/intent.ts'
import type { Migrations } from '../runtime/types.ts'
import { type Admission, admission, type Context, ending, fromVersion1, type Running, without } from './controller/admission.ts'

const cancel = (action: string, { verb }: Running, reason: string) => {
  const to = actorOf(verb, action)
  return { to, event: { type: `${verbs[verb].actor}.Cancel`, reason } }
}
/** What gives something back is not cancelled, and under the brake neither is what changes nothing. */
const cancellations = ({ running }: Context, reason: string, spared: readonly string[]) =>
  Object.entries(running)
    .filter(([, { verb }]) => !spared.includes(verbs[verb].reach))
    .map(([action, each]) => cancel(action, each, reason))

const BRAKED = 'the brake is on'
const LEAVING = 'the cluster leaves the phase automating'
/** Retired and idle, it stays so long for what is to be given back: those who ask may not know yet. */
const LINGER_MS = 2_000

const children = Object.fromEntries(verbNames.map((verb) => [verb, spawned<ActionOutcome, { readonly order: object }>()])) as {
  readonly [V in Verb]: ReturnType<typeof spawned<ActionOutcome, { readonly order: object }>>
}

const parts = setup({
  types: {
    context: {} as Context,
    events: {} as ControllerEvent | Order,
    emitted: {} as ControllerFact,
    input: {} as { readonly cluster: string; readonly paused: boolean; readonly at: number },
  },
  actors: children,
  actions: { tell },
  delays: { linger: LINGER_MS },
  guards: {
    isIdle: ({ context }) => Object.keys(context.running).length === 0,
    isBusy: ({ context }) => Object.keys(context.running).length > 0,
    isRunning: ({ context, event }) => event.type === 'controller.CancelAction' && context.running[event.id] !== undefined,
  },
})

/** One way for all verbs: the order's actor if nothing speaks against it, a fact, and word to whoever asked. */
const ordered = parts.enqueueActions(({ enqueue, context, event }) => {
  const order = event as Order
  const { facts, letters, running, begins }: Admission = admission(context, order)
  for (const fact of facts) enqueue.emit(fact)
  for (const params of letters) enqueue({ type: 'tell', params })
  enqueue.assign({ running })
  if (begins) enqueue.spawnChild(verbOf(order), { id: order.id, input: { order: begins } })
})
const onEveryVerb = Object.fromEntries(verbNames.map((verb) => [`controller.${verb}`, { actions: ordered }])) as {
  readonly [V in Verb as `controller.${V}`]: { readonly actions: typeof ordered }
}

/** Admits actions and has one journaled actor made for each; whoever asked hears how it ended. */
export const controller = parts.createMachine({
  id: 'controller',
  context: ({ input }) => ({ cluster: input?.cluster ?? '', closed: input?.paused ? BRAKED : '', running: {} }),
  initial: 'serving',
  on: {
    ...onEveryVerb,
    'controller.CancelAction': {
      guard: 'isRunning',
      actions: parts.enqueueActions(({ enqueue, context, event }) => {
        const { id } = event as Extract<ControllerEvent, { readonly type: 'controller.CancelAction' }>
        const running = context.running[id]
        if (running) enqueue({ type: 'tell', params: cancel(id, running, 'cancelled') })
      }),
    },
    'xstate.done.actor.*': {
      actions: parts.enqueueActions(({ enqueue, context, event }) => {
        const { actorId, output, repeated } = event as Extract<ControllerEvent, { readonly output: ActionOutcome }>
        const { facts, letters } = ending(context, actorId, output, repeated === true)
        enqueue.stopChild(actorId)
        enqueue.assign({ running: without(context.running, actorId) })
        for (const fact of facts) enqueue.emit(fact)
        for (const params of letters) enqueue({ type: 'tell', params })
      }),
    },
    // It never lived: its id was used before or is too old, or nobody hosts its type.
    'xstate.error.actor.*': {
      actions: parts.enqueueActions(({ enqueue, context, event }) => {
        const { actorId, error } = event as Extract<ControllerEvent, { readonly error: object }>
        const { facts, letters } = ending(context, actorId, { outcome: 'refused', reason: error.message }, false)
        enqueue.stopChild(actorId)
        enqueue.assign({ running: without(context.running, actorId) })
        for (const fact of facts) enqueue.emit(fact)
        for (const params of letters) enqueue({ type: 'tell', params })
      }),
    },
  },
  states: {
    serving: {
      on: {
        'controller.Pause': {
          actions: parts.enqueueActions(({ enqueue, context, event }) => {
            const { policy } = event as Extract<ControllerEvent, { readonly type: 'controller.Pause' }>
            enqueue.assign({ closed: BRAKED })
            if (policy === 'rollback')
              for (const params of cancellations(context, BRAKED, ['restoring', 'internal'])) enqueue({ type: 'tell', params })
          }),
        },
        'controller.Resume': { actions: parts.assign({ closed: '' }) },
        'controller.Retire': 'retiring',
      },
    },
    retiring: {
      entry: parts.enqueueActions(({ enqueue, context }) => {
        enqueue.assign({ closed: LEAVING })
        for (const params of cancellations(context, LEAVING, ['restoring'])) enqueue({ type: 'tell', params })
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

/** Version 1 knew three verbs, each with a name of its own for its children. */
export const controllerMigrations: Migrations = {
  1: (state) => ({
    ...state,
    context: fromVersion1(state.context as object),
    children: Object.fromEntries(
      Object.entries(state.children).map(([ref, src]) => [ref, src.charAt(0).toUpperCase() + src.slice(1)]),
    ),
  }),
}
