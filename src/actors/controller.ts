import { createHash } from 'node:crypto'
import { setup } from 'xstate'
import type { ActionOutcome, ControllerEvent, ControllerFact, Ending } from '../events/controller.ts'
import type { GuardSet } from '../events/guard.ts'
import { actorOf, type Order, type Verb, verbNames, verbs } from '../events/verbs.ts'
import { EMPTY, found, page } from '../runtime/buckets.ts'
import { invoked, performed, spawned, tell } from '../runtime/intent.ts'
import type { Migrations } from '../runtime/types.ts'
import {
  admission,
  approved,
  busy,
  type Change,
  type Clearing,
  type Context,
  dropped,
  ended,
  fromVersion1,
  fromVersion4,
  guarded,
  type Look,
  looked,
  type Note,
  type Running,
  type Seen,
} from './controller/admission.ts'

const cancel = (action: string, { verb }: Running, reason: string) => {
  const to = actorOf(verb, action)
  return { to, event: { type: `${verbs[verb].actor}.Cancel`, reason } }
}

const hashOf = (guard: GuardSet['guard']): string => createHash('sha256').update(JSON.stringify(guard)).digest('hex')

const BRAKED = 'the brake is on'
const LEAVING = 'the cluster leaves the phase automating'
/** Retired and idle, it stays so long for what is to be given back: those who ask may not know yet. */
const LINGER_MS = 2_000

const children = Object.fromEntries(verbNames.map((verb) => [verb, spawned<ActionOutcome, { readonly order: object }>()])) as {
  readonly [V in Verb]: ReturnType<typeof spawned<ActionOutcome, { readonly order: object }>>
}

/** The look at what an order would touch is a child beside the actions, whose ids begin with a letter or a digit. */
const LOOK = '?'
const lookOf = (action: string): string => `${LOOK}${action}`
const actionOf = (ref: string): string | undefined => (ref.startsWith(LOOK) ? ref.slice(LOOK.length) : undefined)
const expiryOf = (action: string): string => `approval of ${action}`

const parts = setup({
  types: {
    context: {} as Context,
    events: {} as ControllerEvent | Order | GuardSet,
    emitted: {} as ControllerFact | Ending,
    input: {} as { readonly cluster: string; readonly paused: boolean; readonly at: number },
  },
  actors: {
    ...children,
    /** Reports GuardSet: what the file says. */
    followGuard: invoked<void, Record<string, never>>(),
    /** The zone of what an order would touch, and how many pods of its node. */
    look: invoked<Seen, Look>(),
  },
  actions: {
    tell,
    /** Writes an Event beside the node or pod that an action touches. */
    record: performed<Note>(),
  },
  delays: { linger: LINGER_MS },
  guards: {
    isIdle: ({ context }) => busy(context) === 0,
    isBusy: ({ context }) => busy(context) > 0,
    isClearing: ({ context }) => context.clearing !== null,
    isKnown: ({ context, event }) =>
      event.type === 'controller.CancelAction' &&
      (found(context.running, event.id) ?? found(context.pending, event.id)) !== undefined,
    isWaiting: ({ context, event }) =>
      (event.type === 'controller.Approve' || event.type === 'controller.ApprovalExpired') &&
      found(context.pending, event.id)?.stage === 'waiting',
    isOtherGuard: ({ context, event }) =>
      event.type === 'controller.GuardSet' && JSON.stringify(event.guard) !== JSON.stringify(context.guard),
  },
})
type Enqueue = Parameters<Parameters<typeof parts.enqueueActions>[0]>[0]['enqueue']
type Heard<Type extends string> = Extract<ControllerEvent | Order | GuardSet, { readonly type: Type }>

/** Says and does what an event brings about. */
const apply = (
  enqueue: Enqueue,
  { facts = [], letters = [], context = {}, begins, looks, expires, decided, notes = [] }: Change,
): void => {
  for (const fact of facts) enqueue.emit(fact)
  for (const params of letters) enqueue({ type: 'tell', params })
  for (const params of notes) enqueue({ type: 'record', params })
  enqueue.assign(context)
  if (begins) enqueue.spawnChild(begins.verb, { id: begins.id, input: { order: begins.order } })
  if (looks) enqueue.spawnChild('look', { id: lookOf(looks.id), input: looks.at })
  if (expires)
    enqueue.raise({ type: 'controller.ApprovalExpired', id: expires.id, at: 0 }, { id: expiryOf(expires.id), delay: expires.ms })
  if (decided !== undefined) enqueue.cancel(expiryOf(decided))
}
/** One way for all verbs: the order's actor if nothing speaks against it, a fact, and word to whoever asked. */
const ordered = parts.enqueueActions(({ enqueue, context, event }) => apply(enqueue, admission(context, event as Order)))
const onEveryVerb = Object.fromEntries(verbNames.map((verb) => [`controller.${verb}`, { actions: ordered }])) as {
  readonly [V in Verb as `controller.${V}`]: { readonly actions: typeof ordered }
}

/** So many are refused or cancelled in one commit, and a bucket more: a commit does not grow with what is under way. */
const TOGETHER = 200
const CLEARING = 'clearing'

/**
 * Refuses what has not begun and cancels what runs, but for what is spared: some now, the others in commits of their own.
 * Each is judged on what the one before left.
 */
const clear = (enqueue: Enqueue, context: Context, clearing: Clearing): void => {
  const { reason, spared } = clearing
  const { names, next } = page<unknown>([context.pending, context.running], clearing.next, TOGETHER)
  let now = context
  for (const action of names) {
    const running = found(context.running, action)
    if (!running) {
      const change = dropped(now, action, reason)
      now = { ...now, ...change.context }
      apply(enqueue, change)
    } else if (!spared.includes(verbs[running.verb].reach)) enqueue({ type: 'tell', params: cancel(action, running, reason) })
  }
  enqueue.assign({ clearing: next === undefined ? null : { reason, spared, next } })
  if (next !== undefined) enqueue.raise({ type: 'controller.ClearNext', at: 0 }, { id: CLEARING, delay: 0 })
}

/** Admits actions and has one journaled actor made for each; whoever asked hears how it ended. */
export const controller = parts.createMachine({
  id: 'controller',
  context: ({ input }) => ({
    cluster: input?.cluster ?? '',
    closed: input?.paused ? BRAKED : '',
    guard: null,
    running: EMPTY,
    pending: EMPTY,
    alone: EMPTY,
    spent: EMPTY,
    clearing: null,
  }),
  initial: 'serving',
  invoke: { src: 'followGuard', id: 'followGuard', input: {} },
  on: {
    ...onEveryVerb,
    'controller.GuardSet': {
      guard: 'isOtherGuard',
      actions: parts.enqueueActions(({ enqueue, context, event }) => {
        const { guard, at } = event as GuardSet
        enqueue.emit({ type: 'controller.GuardSet', sha256: hashOf(guard) })
        for (const change of guarded(context, guard, at)) apply(enqueue, change)
      }),
    },
    'controller.Approve': {
      guard: 'isWaiting',
      actions: parts.enqueueActions(({ enqueue, context, event }) =>
        apply(enqueue, approved(context, event as Heard<'controller.Approve'>)),
      ),
    },
    'controller.ApprovalExpired': {
      guard: 'isWaiting',
      actions: parts.enqueueActions(({ enqueue, context, event }) =>
        apply(enqueue, dropped(context, (event as Heard<'controller.ApprovalExpired'>).id, 'nobody approved it in time')),
      ),
    },
    'controller.ClearNext': {
      guard: 'isClearing',
      actions: parts.enqueueActions(({ enqueue, context }) => {
        if (context.clearing) clear(enqueue, context, context.clearing)
      }),
    },
    'controller.CancelAction': {
      guard: 'isKnown',
      actions: parts.enqueueActions(({ enqueue, context, event }) => {
        const { id } = event as Heard<'controller.CancelAction'>
        const running = found(context.running, id)
        if (running) enqueue({ type: 'tell', params: cancel(id, running, 'cancelled') })
        else apply(enqueue, dropped(context, id, 'cancelled before it began'))
      }),
    },
    'xstate.done.actor.*': {
      actions: parts.enqueueActions(({ enqueue, context, event }) => {
        const { actorId, output, repeated, at } = event as Extract<ControllerEvent, { readonly output: ActionOutcome }>
        const action = actionOf(actorId)
        enqueue.stopChild(actorId)
        if (action === undefined) apply(enqueue, ended(context, actorId, output, repeated === true))
        else apply(enqueue, looked(context, action, output as unknown as Seen, at))
      }),
    },
    // An action that never lived: its id was used before or is too old, or nobody hosts its type. Or nothing could be seen.
    'xstate.error.actor.*': {
      actions: parts.enqueueActions(({ enqueue, context, event }) => {
        const { actorId, error } = event as Extract<ControllerEvent, { readonly error: object }>
        const action = actionOf(actorId)
        enqueue.stopChild(actorId)
        if (action === undefined) apply(enqueue, ended(context, actorId, { outcome: 'refused', reason: error.message }, false))
        else apply(enqueue, dropped(context, action, `what it would touch could not be looked at: ${error.message}`))
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
            // Under the brake what changes nothing goes on.
            const spared = policy === 'rollback' ? ['restoring', 'internal'] : ['disruptive', 'restoring', 'internal']
            clear(enqueue, context, { reason: BRAKED, spared, next: 0 })
          }),
        },
        'controller.Resume': { actions: [parts.assign({ closed: '', clearing: null }), parts.cancel(CLEARING)] },
        'controller.Retire': 'retiring',
      },
    },
    retiring: {
      entry: parts.enqueueActions(({ enqueue, context }) => {
        enqueue.assign({ closed: LEAVING })
        clear(enqueue, context, { reason: LEAVING, spared: ['restoring'], next: 0 })
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

/** Version 1 knew no guard and three verbs, each with a name of its own for its children. */
export const controllerMigrations: Migrations = {
  1: (state) => ({
    ...state,
    context: fromVersion1(state.context as object),
    children: Object.fromEntries(
      Object.entries(state.children).map(([ref, src]) => [ref, src.charAt(0).toUpperCase() + src.slice(1)]),
    ),
  }),
  // Version 2 let every drain use force.
  2: (state) => state,
  // Version 3 wrote no Events.
  3: (state) => state,
  4: (state) => ({ ...state, context: fromVersion4(state.context as object) }),
  // Version 5 refused what came before the guard was read, and left it to the actions to tell their ends.
  5: (state) => state,
}
