import type { Client } from '../kubernetes-client.ts'

type BudgetWatch = {
  /** The fewest healthy pods that each app ever had since the watch began. */
  fewest(): ReadonlyMap<string, number>
  /** How many pods of an app are healthy now. */
  healthy(app: string): number
  /** How many pods were deleted. */
  deleted(): number
  stop(): Promise<void>
}

/**
 * Counts by itself, from the API's own events and in their order, how many pods of each `app` are healthy as budgets have
 * it: ready and not being deleted. It shares nothing with what it judges.
 */
export const watchBudgets = async (api: Client, namespace = 'default'): Promise<BudgetWatch> => {
  const path = `/api/v1/namespaces/${namespace}/pods`
  const { body } = await api.get(path)
  const apps = new Map<string, Set<string>>()
  const fewest = new Map<string, number>()
  let deleted = 0
  let stopped = false
  const isHealthy = ({ metadata, status }: any): boolean =>
    metadata.deletionTimestamp === undefined &&
    (status.conditions ?? []).some(({ type, status: is }: any) => type === 'Ready' && is === 'True')
  const note = (pod: any, isGone: boolean): void => {
    const app: string = pod.metadata.labels?.app ?? ''
    const healthy = apps.get(app) ?? new Set<string>()
    apps.set(app, healthy)
    if (!isGone && isHealthy(pod)) healthy.add(pod.metadata.uid)
    else healthy.delete(pod.metadata.uid)
  }
  for (const pod of body.items) note(pod, false)
  for (const [app, healthy] of apps) fewest.set(app, healthy.size)
  let version: string = body.metadata.resourceVersion
  let seen = 0
  const watching = (async () => {
    while (!stopped)
      await api
        .watch(`${path}?watch=1&allowWatchBookmarks=true&timeoutSeconds=10&resourceVersion=${version}`, (events) => {
          for (const { type, object } of events.slice(seen)) {
            if (type === 'ERROR') throw new Error(`the watch of the judge: ${JSON.stringify(object)}`)
            version = object.metadata.resourceVersion
            if (type === 'BOOKMARK') continue
            note(object, type === 'DELETED')
            if (type === 'DELETED') deleted++
            const app: string = object.metadata.labels?.app ?? ''
            fewest.set(app, Math.min(fewest.get(app) ?? Number.POSITIVE_INFINITY, apps.get(app)?.size ?? 0))
          }
          seen = events.length
          return stopped
        })
        .finally(() => {
          seen = 0
        })
  })()
  watching.catch(() => {}) // it is awaited below
  return {
    fewest: () => fewest,
    healthy: (app) => apps.get(app)?.size ?? 0,
    deleted: () => deleted,
    stop: async () => {
      stopped = true
      await watching
    },
  }
}
