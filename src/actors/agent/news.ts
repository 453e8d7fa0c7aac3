import type { KindNews } from '../../events/agent.ts'

export type News = {
  /** What a kind is now; said twice it is told once, and the newest replaces what was not told yet. */
  tell(kind: string, news: KindNews): void
  /** Rejects when a report fails. */
  readonly failed: Promise<never>
  /** Nothing is told any more. */
  stop(): void
}

/** Gathers how the kinds fare into few reports: each is a commit. */
export const gatheredNews = (gatherMs: number, report: (kinds: Readonly<Record<string, KindNews>>) => Promise<void>): News => {
  const { promise: failed, reject } = Promise.withResolvers<never>()
  failed.catch(() => {}) // it may fail when nobody waits for it any more
  const newest = new Map<string, string>()
  let waiting: Record<string, KindNews> = {}
  let timer: NodeJS.Timeout | undefined
  const flush = (): void => {
    const kinds = waiting
    waiting = {}
    timer = undefined
    report(kinds).catch(reject)
  }
  return {
    tell: (kind, news) => {
      const text = JSON.stringify(news)
      if (newest.get(kind) === text) return
      newest.set(kind, text)
      waiting[kind] = news
      timer ??= setTimeout(flush, gatherMs)
    },
    failed,
    stop: () => clearTimeout(timer),
  }
}
