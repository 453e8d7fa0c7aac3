import { assign, emit, setup } from 'xstate'
import type { ChartEvent, ChartFact, ChartOrder, ChartVerb, Revision } from '../../../events/charts.ts'
import type { ActionOutcome, Ending } from '../../../events/controller.ts'
import { invoked } from '../../../runtime/intent.ts'
import type { Migrations } from '../../../runtime/types.ts'
import { type Attempt, type Course, courseOf } from './release.ts'

type ReleaseRef = { readonly namespace: string; readonly releaseName: string }
/** What would be applied: `digest` of the chart, and what of it gives rights that the policy does not allow. */
export type Review = { readonly digest: string; readonly surprises: readonly string[] }
export type Act = {
  readonly order: ChartOrder
  /** The last revision before it. */
  readonly last: number
  /** Of a rollback: the revision it goes to. */
  readonly target: number
  readonly digest: string
}
export type Restore = ReleaseRef & {
  readonly action: string
  readonly last: number
  /** The revision that is restored; 0: there was none, the release goes. */
  readonly to: number
}

type Context = Attempt & {
  readonly last: number
  readonly good: number
  readonly target: number
  readonly digest: string
  /** After what is restored now it is begun anew. */
  readonly again: boolean
  readonly step: string
  readonly revision: number
  readonly outcome: ActionOutcome['outcome']
  /** How often Helm has begun to restore it, and failed. */
  readonly failures?: number | undefined
  /** Epoch ms after which restoring is not tried again. */
  readonly restoreUntil?: number | undefined
}
type Type = 'chart-upsert' | 'chart-uninstall' | 'chart-rollback'
type Failure = { readonly name: string; readonly message: string }

const RETRY_MS = 5_000
const HELD_MS = 30_000
/** Beside the time that the order gives to Helm: for waiting until somebody else has finished, ms. */
const PATIENCE_MS = 600_000
/** Each attempt of Helm's that fails lasts minutes and leaves a failed revision: so often it is not by chance. */
const MOST_RESTORES = 3
/** For a cluster that gives no answer. Helm has five minutes for each attempt. */
const RESTORE_MS = 1_800_000

const failureIn = (event: unknown): Failure => (event as { readonly error: Failure }).error
const atOf = (event: unknown): number => (event as { readonly at: number }).at
const why = (step: string, event: unknown) => ({ step, error: failureIn(event).name, reason: failureIn(event).message })
const historyIn = (event: unknown) => (event as { readonly output: readonly Revision[] }).output
const reviewIn = (event: unknown) => (event as { readonly output: Review }).output
const refOf = ({ order: { namespace, releaseName } }: Context): ReleaseRef => ({ namespace, releaseName })

const verbs: Readonly<Record<Type, ChartVerb>> = {
  'chart-upsert': 'ChartUpsert',
  'chart-uninstall': 'ChartUninstall',
  'chart-rollback': 'ChartRollback',
}

/** What the release's history brings about, as fields of the context. */
const after = (course: Course): Partial<Context> => {
  if (course.to === 'waiting') return {}
  const { to, ...fields } = course
  return to === 'done' || to === 'gone' ? { ...fields, outcome: to, error: '', reason: '' } : fields
}
const surprisesOf = ({ surprises }: Review): Partial<Context> => ({
  step: 'reviewing',
  outcome: 'refused',
  error: 'RbacRefused',
  reason: `${surprises.slice(0, 5).join('; ')}${surprises.length > 5 ? `; and ${surprises.length - 5} more` : ''}: allow it in "rbac" of the policy for charts, or take it out of the chart`,
})

/**
 * One change of one release by Helm. Its history says each time what is to be done: wait for somebody else, repair what
 * somebody has left half-done, review what the release would be allowed, change it, or take the change back.
 */
const chartAction = <T extends Type>(type: T) => {
  const verb = verbs[type]
  const course = (context: Context, event: unknown): Course => courseOf(verb, context, historyIn(event), atOf(event))
  const leads =
    (to: Course['to']) =>
    ({ context, event }: { readonly context: Context; readonly event: unknown }): boolean =>
      course(context, event).to === to
  const about = ({ order: { id, namespace, releaseName } }: Context) => ({
    action: id,
    verb,
    namespace,
    object: `releases.helm.sh/${namespace}/${releaseName}`,
  })
  const endingOf = (context: Context): Ending => {
    const { outcome, step, error, reason, revision } = context
    return outcome === 'failed' || outcome === 'refused'
      ? { type: 'controller.ActionFailed', ...about(context), step, error, reason }
      : { type: 'controller.ActionDone', ...about(context), alreadyGone: outcome === 'gone', result: { revision } }
  }
  const parts = setup({
    types: {
      context: {} as Context,
      events: {} as ChartEvent<T>,
      emitted: {} as ChartFact,
      input: {} as { readonly order: ChartOrder; readonly at: number },
      output: {} as ActionOutcome,
    },
    actors: {
      readHistory: invoked<readonly Revision[], ReleaseRef>(),
      review: invoked<Review, Act>(),
      /** @returns the revision that it made */
      act: invoked<{ readonly revision: number }, Act>(),
      restore: invoked<void, Restore>(),
    },
    delays: { retry: RETRY_MS, held: HELD_MS },
    guards: {
      isDone: leads('done'),
      isGone: leads('gone'),
      waits: leads('waiting'),
      restores: leads('restoring'),
      fails: leads('failed'),
      surprises: ({ event }) => reviewIn(event).surprises.length > 0,
      isCancelled: ({ context }) => context.cancelled !== undefined,
      isCancelledBefore: ({ context }) => context.cancelled !== undefined && context.before === undefined,
      beginsAnew: ({ context }) => context.again,
      hopeless: ({ event }) => failureIn(event).name === 'Refused',
      isUnrestorable: ({ context, event }) =>
        ['Refused', 'Gone'].includes(failureIn(event).name) ||
        failuresAfter(context, event) >= MOST_RESTORES ||
        atOf(event) >= (context.restoreUntil ?? Number.POSITIVE_INFINITY),
      held: ({ event }) => failureIn(event).name === 'Held',
      late: ({ context, event }) => context.before === undefined && atOf(event) >= context.deadline,
    },
  })
  /** An uninstallation gives nobody rights. */
  const isReviewed = verb !== 'ChartUninstall'
  const reviewing = parts.createStateConfig({
    invoke: {
      src: 'review',
      input: ({ context: { order, last, target } }) => ({ order, last, target, digest: '' }),
      onDone: [
        { guard: 'surprises', target: 'ended', actions: assign(({ event }) => surprisesOf(reviewIn(event))) },
        { guard: 'isCancelled', target: 'reading' },
        {
          target: 'acting',
          actions: [
            assign({ digest: ({ event }) => event.output.digest }),
            emit(({ context }) => ({ type: 'controller.StepDone', ...about(context), step: 'reviewing', outcome: 'done' })),
          ],
        },
      ],
      onError: [
        { guard: 'hopeless', target: 'ended', actions: assign(({ event }) => why('reviewing', event)) },
        { guard: 'late', target: 'ended', actions: assign(({ event }) => why('reviewing', event)) },
        { target: 'waiting' },
      ],
    },
  })

  return parts.createMachine({
    id: type,
    context: ({ input }) => ({
      order: input?.order ?? ({ id: '' } as ChartOrder),
      last: 0,
      good: 0,
      target: 0,
      digest: '',
      again: false,
      repairs: 0,
      deadline: (input?.at ?? 0) + (input?.order.timeoutSeconds ?? 0) * 1_000 + PATIENCE_MS,
      step: 'reading',
      error: '',
      reason: '',
      revision: 0,
      outcome: 'failed',
    }),
    output: ({ context }) => ({
      outcome: context.outcome,
      ...(context.reason !== '' && { reason: context.reason }),
      told: endingOf(context),
    }),
    initial: 'reading',
    on: {
      // What runs is heard to its end, or ended by leaving its state; what follows from it the history says.
      [`${type}.Cancel`]: { actions: assign({ cancelled: ({ event }) => event.reason }) },
    } as object,
    states: {
      reading: {
        invoke: {
          src: 'readHistory',
          input: ({ context }) => refOf(context),
          onDone: [
            { guard: 'isDone', target: 'ended', actions: assign(({ context, event }) => after(course(context, event))) },
            { guard: 'isGone', target: 'ended', actions: assign(({ context, event }) => after(course(context, event))) },
            { guard: 'waits', target: 'waiting' },
            { guard: 'restores', target: 'restoring', actions: assign(({ context, event }) => after(course(context, event))) },
            { guard: 'fails', target: 'ended', actions: assign(({ context, event }) => after(course(context, event))) },
            {
              target: isReviewed ? 'reviewing' : 'acting',
              actions: assign(({ context, event }) => after(course(context, event))),
            },
          ],
          onError: [
            { guard: 'hopeless', target: 'ended', actions: assign(({ event }) => why('reading', event)) },
            { guard: 'late', target: 'ended', actions: assign(({ event }) => why('reading', event)) },
            { target: 'waiting' },
          ],
        },
      },
      waiting: {
        // What was begun is settled first.
        always: {
          guard: 'isCancelledBefore',
          target: 'ended',
          actions: assign(({ context }) => ({ error: 'Cancelled', reason: context.cancelled ?? '' })),
        },
        after: { retry: 'reading' },
      },
      ...(isReviewed && { reviewing }),
      acting: {
        entry: assign({ before: ({ context }) => context.last }),
        invoke: {
          src: 'act',
          input: ({ context: { order, last, target, digest } }) => ({ order, last, target, digest }),
          onDone: {
            target: 'ended',
            actions: assign({ outcome: 'done', reason: '', revision: ({ event }) => event.output.revision }),
          },
          onError: [
            { guard: 'held', target: 'held', actions: assign({ before: undefined }) },
            {
              target: 'reading',
              actions: [
                assign(({ event }) => why('acting', event)),
                emit(({ context, event }) => ({
                  type: 'controller.StepDone',
                  ...about(context),
                  step: 'acting',
                  outcome: 'failed',
                  error: failureIn(event).name,
                  reason: failureIn(event).message,
                })),
              ],
            },
          ],
        },
        on: {
          [`${type}.Cancel`]: {
            target: 'reading',
            actions: assign({
              cancelled: ({ event }) => event.reason,
              step: 'acting',
              error: 'Cancelled',
              reason: ({ event }) => event.reason,
            }),
          },
        } as object,
      },
      /** The brake is on, and the order has not been cancelled: it is looked at anew when it may be off. */
      held: { always: { guard: 'isCancelled', target: 'reading' }, after: { held: 'reading' } },
      restoring: {
        entry: assign(({ context, event }) => ({ restoreUntil: context.restoreUntil ?? atOf(event) + RESTORE_MS })),
        invoke: {
          src: 'restore',
          input: ({ context }) => ({ ...refOf(context), action: context.order.id, last: context.last, to: context.good }),
          onDone: [
            {
              guard: 'beginsAnew',
              target: 'reading',
              actions: [
                assign({
                  before: undefined,
                  repairs: ({ context }) => context.repairs + 1,
                  failures: undefined,
                  restoreUntil: undefined,
                }),
                emit(({ context }) => ({ type: 'controller.StepDone', ...about(context), step: 'repairing', outcome: 'done' })),
              ],
            },
            {
              target: 'ended',
              actions: emit(({ context }) => ({
                type: 'controller.ActionCompensated',
                ...about(context),
                restored: restored(context),
              })),
            },
          ],
          onError: [
            {
              guard: 'isUnrestorable',
              target: 'ended',
              actions: assign(({ context, event }) => unrestored(context, failureIn(event))),
            },
            { target: 'restoringLater', actions: assign(({ context, event }) => ({ failures: failuresAfter(context, event) })) },
          ],
        },
      },
      restoringLater: { after: { retry: 'restoring' } },
      ended: { type: 'final' },
    },
  })
}

/** What was not answered was perhaps not begun; what was begun and failed is counted. */
const failuresAfter = ({ failures = 0 }: Context, event: unknown): number =>
  failureIn(event).name === 'Unavailable' ? failures : failures + 1

/** What it ends with when it can't be restored, and what a person does then. */
const unrestored = (context: Context, { name, message }: Failure): Partial<Context> => {
  const { reason, error, good } = context
  const { namespace, releaseName } = refOf(context)
  const back =
    good === 0
      ? `order ChartUninstall, or "helm uninstall ${releaseName} --namespace ${namespace}"`
      : `order ChartRollback to revision ${good}, or "helm rollback ${releaseName} ${good} --namespace ${namespace}"`
  return {
    ...(error === '' && { step: 'restoring', error: name }),
    reason: `${reason === '' ? '' : `${reason}; and `}it could not be restored: ${message}; put right what keeps it, and then ${back}`,
  }
}

const restored = ({ good }: Context): string => (good === 0 ? 'uninstalled' : `revision ${good}`)

export const chartUpsert = chartAction('chart-upsert')
export const chartUninstall = chartAction('chart-uninstall')
export const chartRollback = chartAction('chart-rollback')

/** Version 1 restored without end, and told its end itself. */
export const chartMigrations: Migrations = { 1: (state) => state }
