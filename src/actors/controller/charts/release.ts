import type { ChartOrder, ChartRollback, ChartVerb, Revision } from '../../../events/charts.ts'

/** In a revision's description: which action made it. */
export const markOf = (action: string): string => `[quartermaster ${action}]`
/** Of the revision that takes the action back. */
export const undoMarkOf = (action: string): string => `[quartermaster undo ${action}]`

/** Longer than its own time limit no operation of Helm is under way: whoever began it is gone. */
const GRACE_MS = 60_000

const isPending = ({ status }: Revision): boolean => status.startsWith('pending-') || status === 'uninstalling'
const wasGood = ({ status }: Revision): boolean => status === 'deployed' || status === 'superseded'
const newest = (revisions: readonly Revision[]): Revision | undefined => revisions.toSorted((a, b) => b.revision - a.revision)[0]

/** Where a release stands, for an action that saw revision `before` as the last one when it began to act. */
type Standing = {
  /** The last revision; 0: there is no release. */
  readonly last: number
  /** The last revision that was deployed well; 0: none. What is restored is this one. */
  readonly good: number
  /** Our action's own revision is deployed. */
  readonly ours: boolean
  /** `busy`: somebody is at work on it. `stuck`: somebody was, and will not end it. `broken`: newer than `before`, and failed. */
  readonly is: 'clear' | 'busy' | 'stuck' | 'broken'
}

/** Pure. @param at epoch ms */
const standing = (
  history: readonly Revision[],
  { id, timeoutSeconds }: Pick<ChartOrder, 'id' | 'timeoutSeconds'>,
  before: number | undefined,
  at: number,
): Standing => {
  const last = newest(history)
  const common = { last: last?.revision ?? 0, good: newest(history.filter(wasGood))?.revision ?? 0, ours: false }
  if (!last || last.status === 'uninstalled') return { ...common, good: 0, is: 'clear' }
  if (isPending(last)) return { ...common, is: at - last.updated > timeoutSeconds * 1_000 + GRACE_MS ? 'stuck' : 'busy' }
  const ours = history.some((each) => wasGood(each) && each.description.includes(markOf(id)))
  if (!ours && before !== undefined && last.revision > before && !wasGood(last)) return { ...common, is: 'broken' }
  return { ...common, ours, is: 'clear' }
}

/** Whether there is a release, and not only the memory of one. */
export const isThere = (history: readonly Revision[]): boolean => {
  const last = newest(history)
  return last !== undefined && last.status !== 'uninstalled'
}

/** Pure: the revision that a rollback goes to; undefined: it is not there, or was never deployed. */
const targetOf = (history: readonly Revision[], { revision, version }: ChartRollback): number | undefined =>
  newest(
    history.filter(
      (each) => wasGood(each) && (revision === undefined ? isOfVersion(each, version ?? '') : each.revision === revision),
    ),
  )?.revision

/** Helm writes `<name>-<version>`, and both may have hyphens. */
const isOfVersion = ({ chart }: Revision, version: string): boolean => chart.endsWith(`-${version}`)

/** What is to be done next about a release. */
export type Course =
  | { readonly to: 'done' | 'gone'; readonly revision: number }
  | { readonly to: 'waiting' }
  /** `again`: what was stuck or broken off is put right, and then the action is begun anew. */
  | { readonly to: 'restoring'; readonly last: number; readonly good: number; readonly again: boolean }
  | { readonly to: 'failed'; readonly error: string; readonly reason: string }
  | { readonly to: 'acting'; readonly last: number; readonly good: number; readonly target: number }

export type Attempt = {
  readonly order: ChartOrder
  /** The last revision when it began to act; undefined: it has not. */
  readonly before?: number | undefined
  readonly cancelled?: string | undefined
  /** How often it has put right what was stuck or broken off. */
  readonly repairs: number
  /** Epoch ms after which nothing is begun anew. */
  readonly deadline: number
  /** Of the attempt that ended without success. */
  readonly error: string
  readonly reason: string
}

/** More often than this nobody's operations get stuck by chance. */
const MOST_REPAIRS = 3
/** Helm had no answer, or ended with the process that ran it: whether it did something the history says. */
const UNANSWERED: readonly string[] = ['Unavailable', 'TimedOut']

/** Pure. @param at epoch ms */
export const courseOf = (verb: ChartVerb, attempt: Attempt, history: readonly Revision[], at: number): Course => {
  const { order, before, cancelled, error, reason, repairs, deadline } = attempt
  const { last, good, ours, is } = standing(history, order, before, at)
  if (ours && verb !== 'ChartUninstall') return { to: 'done', revision: last }
  if (verb === 'ChartUninstall' && !isThere(history)) return { to: before === undefined ? 'gone' : 'done', revision: last }
  if (is === 'busy') return { to: 'waiting' }
  const mayRepair = cancelled === undefined && repairs < MOST_REPAIRS
  if (is === 'broken') return { to: 'restoring', last, good, again: mayRepair && UNANSWERED.includes(error) }
  if (is === 'stuck' && repairs >= MOST_REPAIRS)
    return { to: 'failed', error: 'Stuck', reason: `revision ${last} is pending, also after ${repairs} repairs` }
  // Helm uninstalls what is stuck as it is.
  if (is === 'stuck' && verb !== 'ChartUninstall') return { to: 'restoring', last, good, again: mayRepair }
  const mayTryAgain = before === undefined || (before === last && UNANSWERED.includes(error) && at < deadline)
  if (!mayTryAgain) return { to: 'failed', error, reason }
  if (cancelled !== undefined) return { to: 'failed', error: 'Cancelled', reason: cancelled }
  return verb === 'ChartRollback'
    ? rollback(order as ChartRollback, history, last, good)
    : { to: 'acting', last, good, target: 0 }
}

const rollback = (order: ChartRollback, history: readonly Revision[], last: number, good: number): Course => {
  const target = targetOf(history, order)
  const wanted = order.revision === undefined ? `of chart version ${order.version}` : String(order.revision)
  const kept = history.map(({ revision }) => revision).join(', ') || 'none'
  if (target === undefined)
    return { to: 'failed', error: 'Refused', reason: `there is no deployed revision ${wanted}; Helm keeps ${kept}` }
  return target === last ? { to: 'done', revision: last } : { to: 'acting', last, good, target }
}
