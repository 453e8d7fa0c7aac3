import { type AnyStateMachine, setup } from 'xstate'
import type { ActionOutcome, Ending } from '../../events/controller.ts'
import type { ActionFact } from '../../events/orders.ts'
import { type Order as ControllerOrder, targetOf, type Verb } from '../../events/verbs.ts'
import { invoked } from '../../runtime/intent.ts'
import type { EffectDef } from '../../runtime/types.ts'

/** Where an action ends before its last step; undefined: it goes on. */
type Verdict = { readonly ends: 'done' | 'gone' } | { readonly error: string; readonly reason: string } | undefined

/** One request to the world. What it tells is joined to what is known, and then judged. */
type Step<Order, Known, Inputs> = {
  readonly [Name in keyof Inputs & string]: {
    readonly effect: Name
    readonly input: (order: Order, known: Partial<Known>) => Inputs[Name]
    readonly judge?: (order: Order, known: Partial<Known>) => Verdict
    /** What it means that the object is no more: the action is over, or goes on. By default it is over. */
    readonly gone?: 'ends' | 'goes on'
  }
}[keyof Inputs & string]

/** An action that asks the world for one thing after another; `Inputs`: what each of its effects is given. */
type Chain<Order, Known, Inputs> = {
  readonly type: string
  readonly verb: Verb
  /** In this order, each under the name of its state. */
  readonly steps: Readonly<Record<string, Step<Order, Known, Inputs>>>
  /** What was done, for whoever ordered it. */
  readonly result?: (known: Partial<Known>) => object
}

/** Its machine, and what its effects have to be. */
export type ChainedAction<Known, Inputs> = {
  readonly type: string
  readonly machine: AnyStateMachine
  /** Only for the compiler. */
  readonly effects?: ChainEffects<Known, Inputs>
}
export type ChainEffects<Known, Inputs> = { readonly [Name in keyof Inputs]: EffectDef<Inputs[Name], Partial<Known>> }

type Context = {
  readonly order: { readonly id: string }
  /** Epoch ms after which nothing is tried again. */
  readonly deadline: number
  readonly known: object
  readonly outcome: ActionOutcome['outcome']
  /** Of the last failure. */
  readonly step: string
  readonly error: string
  readonly reason: string
  readonly cancelled?: string
}
type Input = { readonly order: { readonly id: string }; readonly at: number }
type Failure = { readonly name: string; readonly message: string }
type Heard = {
  readonly type: string
  readonly at: number
  readonly output?: object
  readonly error?: Failure
  readonly reason?: string
}

/** What the world did not answer is asked again after so long, and for so long. */
const RETRY_MS = 2_000
const LIMIT_MS = 300_000

const failureOf = ({ error }: Heard): Failure => error ?? { name: 'Error', message: 'no answer' }

/**
 * Pure: the machine of an action that is a chain of requests. Each step and its end are facts; what is not answered is
 * asked again until the action's time is over; a request that was sent is heard to its end, also when it is cancelled.
 */
export const chain = <Order extends { readonly id: string }, Known, Inputs>(
  described: Chain<Order, Known, Inputs>,
): ChainedAction<Known, Inputs> => {
  const { type, steps } = described
  const names = Object.keys(steps)
  const sources = [...new Set(Object.values(steps).map(({ effect }) => effect))]
  const parts = setup({
    types: {
      context: {} as Context,
      events: {} as Heard,
      emitted: {} as ActionFact,
      input: {} as Input,
      output: {} as ActionOutcome,
    },
    actors: Object.fromEntries(sources.map((name) => [name, invoked<object, object>()])),
    delays: { retry: RETRY_MS },
  })
  const about = ({ order }: Context) => ({
    action: order.id,
    verb: described.verb,
    ...targetOf({ ...order, type: `controller.${described.verb}` } as ControllerOrder),
  })
  const endingOf = (context: Context): Ending => {
    const { outcome, step, error, reason, known } = context
    if (outcome === 'failed') return { type: 'controller.ActionFailed', ...about(context), step, error, reason }
    const result = described.result?.(known as Partial<Known>)
    return { type: 'controller.ActionDone', ...about(context), alreadyGone: outcome === 'gone', ...(result && { result }) }
  }
  const knownAfter = (context: Context, { output = {} }: Heard): Partial<Known> => ({ ...context.known, ...output })
  const judged = (name: string, context: Context, event: Heard): Verdict =>
    steps[name]?.judge?.(context.order as Order, knownAfter(context, event))

  const stepOf = (name: string, index: number) => {
    const { effect, input, gone = 'ends' } = steps[name] as Step<Order, Known, Inputs>
    const next = names[index + 1]
    const goes = next ?? '#ended'
    const told = (outcome: 'done' | 'gone') =>
      parts.emit(({ context }) => ({ type: 'controller.StepDone', ...about(context), step: name, outcome }))
    const failed = parts.emit(({ context, event }) => {
      const { name: error, message: reason } = failureOf(event)
      return { type: 'controller.StepDone', ...about(context), step: name, outcome: 'failed', error, reason }
    })
    const wrong = parts.assign(({ event }) => {
      const { name: error, message: reason } = failureOf(event)
      return { step: name, error, reason }
    })
    const learnt = parts.assign(({ context, event }) => ({ known: knownAfter(context, event) }))
    const isLast = next === undefined
    return {
      invoke: {
        id: name,
        src: effect,
        input: ({ context }: { readonly context: Context }) =>
          input(context.order as Order, context.known as Partial<Known>) as object,
        onDone: [
          {
            guard: ({ context, event }: Given) => isEnd(judged(name, context, event)),
            target: '#ended',
            actions: [learnt, told('done'), parts.assign(({ context, event }) => endedBy(judged(name, context, event)))],
          },
          {
            guard: ({ context, event }: Given) => judged(name, context, event) !== undefined,
            target: '#ended',
            actions: [
              learnt,
              told('done'),
              parts.assign(({ context, event }) => ({ step: name, ...judged(name, context, event) })),
            ],
          },
          {
            guard: ({ context }: Given) => context.cancelled !== undefined && !isLast,
            target: '#ended',
            actions: [learnt, told('done'), parts.assign(({ context }) => ({ step: name, ...cancelledBy(context) }))],
          },
          {
            target: goes,
            actions: [learnt, told('done'), parts.assign(isLast ? { outcome: 'done' } : {})],
          },
        ],
        onError: [
          {
            guard: ({ event }: Given) => failureOf(event).name === 'Gone',
            target: gone === 'ends' ? '#ended' : goes,
            actions: [told('gone'), parts.assign(gone === 'ends' ? { outcome: 'gone' } : isLast ? { outcome: 'done' } : {})],
          },
          {
            guard: ({ event }: Given) => !AGAIN.has(failureOf(event).name),
            target: '#ended',
            actions: [failed, wrong],
          },
          {
            guard: ({ context }: Given) => context.cancelled !== undefined,
            target: '#ended',
            actions: [failed, parts.assign(({ context }) => ({ step: name, ...cancelledBy(context) }))],
          },
          {
            guard: ({ context, event }: Given) => event.at >= context.deadline,
            target: '#ended',
            actions: [failed, wrong],
          },
          { target: '#waiting', actions: wrong },
        ],
      },
    }
  }

  const machine = parts.createMachine({
    id: type,
    context: ({ input }: { readonly input?: Input }): Context => ({
      order: input?.order ?? { id: '' },
      deadline: (input?.at ?? 0) + LIMIT_MS,
      known: {},
      outcome: 'failed',
      step: '',
      error: '',
      reason: '',
    }),
    output: ({ context }: { readonly context: Context }) => ({
      outcome: context.outcome,
      ...(context.reason !== '' && { reason: context.reason }),
      told: endingOf(context),
    }),
    initial: 'working',
    states: {
      working: {
        initial: names[0] ?? '',
        on: { [`${type}.Cancel`]: { actions: parts.assign({ cancelled: ({ event }) => event.reason ?? '' }) } },
        states: {
          ...Object.fromEntries(names.map((name, index) => [name, stepOf(name, index)])),
          again: { type: 'history' as const },
        },
      },
      waiting: {
        id: 'waiting',
        after: { retry: 'working.again' },
        on: {
          [`${type}.Cancel`]: {
            target: 'ended',
            actions: parts.assign(({ event }) => ({ error: 'Cancelled', reason: event.reason ?? '' })),
          },
        },
      },
      ended: { id: 'ended', type: 'final' as const },
    },
  } as never)
  return { type, machine: machine as unknown as AnyStateMachine }
}

type Given = { readonly context: Context; readonly event: Heard }

/** Errors after which the world may answer otherwise. What the brake holds is cancelled; a licence that lapsed comes back. */
const AGAIN: ReadonlySet<string> = new Set(['Unavailable', 'TimedOut', 'Held'])

const isEnd = (verdict: Verdict): boolean => verdict !== undefined && 'ends' in verdict
const endedBy = (verdict: Verdict): Partial<Context> =>
  verdict !== undefined && 'ends' in verdict ? { outcome: verdict.ends, reason: '' } : {}
const cancelledBy = ({ cancelled = '' }: Context): Partial<Context> => ({ error: 'Cancelled', reason: cancelled })
