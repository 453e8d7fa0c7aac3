import type { ChartOrder, ChartPolicy, ChartRollback, ChartUpsert, ChartVerb, Revision } from '../../../events/charts.ts'
import { hasForm } from '../../../events/pattern.ts'
import { type Helm, type Power, type RbacReads, Refused, Unavailable } from '../../../ports.ts'
import type { EffectDef, EffectsOf } from '../../../runtime/types.ts'
import type { Act, chartUpsert, Restore, Review } from './chart-action.ts'
import { isAllowed, nameOf, widening } from './rbac.ts'
import { isThere, markOf, undoMarkOf } from './release.ts'

/** What the review of a chart reads. */
export const reviewPowers: readonly Power[] = ['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings'].map(
  (resource) => ({
    verb: 'get',
    group: 'rbac.authorization.k8s.io',
    resource,
  }),
)

/**
 * What charts need of our own rights: the review, and to act in the name of the account that the policy names, if it names
 * one (`impersonate`, asked in the account's namespace). What a chart itself needs, that account has to have.
 */
export const chartPowers = ({ serviceAccount }: Pick<ChartPolicy, 'serviceAccount'>): readonly Power[] => {
  const [, , namespace, name] = serviceAccount?.split(':') ?? []
  if (namespace === undefined || name === undefined) return reviewPowers
  return [...reviewPowers, { verb: 'impersonate', group: '', resource: 'serviceaccounts', namespace, name }]
}

/** What charts work with. Without a policy there are none. */
export type ChartMeans = { readonly helm: Helm; readonly rbac: RbacReads; readonly policy: ChartPolicy | undefined }

const patiently = { attempts: 3, backoffMs: 1_000, on: ['Unavailable'] }
/** Helm reads many objects for one answer, and may fetch a chart: it limits its own time. */
const reading = { reach: 'internal', idempotency: 'natural', timeoutMs: 'activity', retry: patiently } as const

export const chartEffects = (means: ChartMeans, verb: ChartVerb): EffectsOf<typeof chartUpsert> => ({
  readHistory: { ...reading, run: (release, { signal }) => means.helm.history(release, signal) },
  review: { ...reading, run: (act, { signal }) => reviewed(means, verb, act, signal) },
  act: acting(means, verb),
  restore: restoring(means),
})

/** What of the release gives rights that nobody has allowed. @throws Refused when the order itself is not allowed */
const reviewed = async (means: ChartMeans, verb: ChartVerb, { order, target }: Act, signal: AbortSignal): Promise<Review> => {
  const policy = permitted(means.policy, order)
  const { digest, rbac } =
    verb === 'ChartUpsert'
      ? await means.helm.render(order as ChartUpsert, signal)
      : { digest: '', rbac: await means.helm.rbacOf(order, target, signal) }
  const surprises: string[] = []
  for (const wanted of rbac) {
    if (isAllowed(policy.rbac, wanted)) continue
    const change = widening(wanted, await means.rbac.find(wanted, signal))
    if (change !== undefined) surprises.push(`${nameOf(wanted)} ${change}`)
  }
  return { digest, surprises }
}

/** @throws Refused naming what the policy does not allow */
const permitted = (policy: ChartPolicy | undefined, order: ChartOrder): ChartPolicy => {
  if (!policy) throw new Refused('charts are off: start with --charts FILE')
  if (!policy.namespaces.some((pattern) => hasForm(pattern, order.namespace)))
    throw new Refused(`the policy for charts allows nothing in namespace ${order.namespace}: add it to "namespaces"`)
  const source = 'chartSource' in order ? order.chartSource : undefined
  if (source && 'repoUrl' in source && !policy.repositories.includes(source.repoUrl))
    throw new Refused(`the policy for charts does not know the repository ${source.repoUrl}: add it to "repositories"`)
  return policy
}

const acting = (means: ChartMeans, verb: ChartVerb): EffectDef<Act, { readonly revision: number }> => ({
  reach: 'disruptive',
  idempotency: 'natural', // it asks the release's history first: what has our mark is done, and what is half done is left alone
  timeoutMs: 'activity', // Helm waits until what it made is ready, for as long as the order says
  run: async (act, { signal }) => {
    const { order, target, digest } = act
    permitted(means.policy, order)
    const done = doneBefore(verb, act, await means.helm.history(order, signal))
    if (done !== undefined) return { revision: done }
    const mark = markOf(order.id)
    if (verb === 'ChartUpsert') await means.helm.upgrade(order as ChartUpsert, { digest, mark }, signal)
    if (verb === 'ChartRollback') await means.helm.rollback(order as ChartRollback, { to: target, mark }, signal)
    if (verb === 'ChartUninstall') await means.helm.uninstall(order, signal)
    return { revision: lastOf(await means.helm.history(order, signal))?.revision ?? 0 }
  },
})

/**
 * The revision by which an earlier run of the same effect has done it already; undefined: none has.
 * @throws Unavailable when the release is not as it was: what follows from it the machine decides
 */
const doneBefore = (verb: ChartVerb, { order, last }: Act, history: readonly Revision[]): number | undefined => {
  if (verb === 'ChartUninstall') return isThere(history) ? undefined : 0
  const found = lastOf(history)
  if (found?.status === 'deployed' && found.description.includes(markOf(order.id))) return found.revision
  if ((found?.revision ?? 0) === last && !found?.status.includes('-')) return undefined
  throw new Unavailable(`revision ${found?.revision ?? 0} of the release is ${found?.status ?? 'gone'}`)
}

const lastOf = (history: readonly Revision[]): Revision | undefined => history.toSorted((a, b) => b.revision - a.revision)[0]

/** Of what is restored: Helm's own default. */
const RESTORE_SECONDS = 300

const restoring = (means: ChartMeans): EffectDef<Restore, void> => ({
  reach: 'restoring',
  idempotency: 'natural', // once more to the same revision is the same; what was uninstalled is not there
  timeoutMs: 'activity',
  retry: patiently,
  run: async ({ action, to, last, ...release }, { signal }) => {
    const history = await means.helm.history(release, signal)
    const found = lastOf(history)
    const isOver = to === 0 ? !isThere(history) : found?.status === 'deployed' && found.revision > last
    if (isOver) return // by an earlier run of this very effect, or by somebody else: newer than what was to be put right
    if (to === 0) await means.helm.uninstall({ ...release, timeoutSeconds: RESTORE_SECONDS }, signal)
    else await means.helm.rollback({ ...release, timeoutSeconds: RESTORE_SECONDS }, { to, mark: undoMarkOf(action) }, signal)
  },
})
