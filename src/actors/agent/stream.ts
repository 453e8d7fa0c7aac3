import type { KindNews } from '../../events/agent.ts'
import type { KubernetesReads, ReflectorListener, Served } from '../../ports.ts'

/** Keeps one kind's objects somewhere: a listener that knows where a reading before it ended. */
type KindStore = ReflectorListener & {
  readonly watermark: string | undefined
  /** Aborts when it can keep no more; the reason says why. */
  readonly lost: AbortSignal
  meta(): { readonly count: number }
  flush(): Promise<void>
  unavailable(reason: string, isGone: boolean): Promise<void>
  close(): Promise<void>
}
type OpenStore = (served: Served, signal: AbortSignal) => Promise<KindStore>

/** Where objects come from, and where they go. */
export type Ends = { readonly reads: KubernetesReads; readonly openStore: OpenStore }

/** A kind that is being read. */
export type Stream = {
  readonly version: string
  /** Comes back when nothing of it is under way any more. */
  stop(): Promise<void>
}

/**
 * Reads one kind into its store, from where a reading before ended, until it is stopped.
 * @param relist list first, whatever is held
 * @param tell hears how it fares
 * @param failed hears of the end that nobody asked for
 */
export const startStream = (
  ends: Ends,
  served: Served,
  relist: boolean,
  tell: (news: KindNews) => void,
  failed: (error: unknown) => void,
  signal: AbortSignal,
): Stream => {
  const stopped = new AbortController()
  const until = AbortSignal.any([signal, stopped.signal])
  const done = reflected(ends, served, relist, tell, until).catch((error: unknown) => {
    if (!until.aborted) failed(error)
  })
  return {
    version: served.version,
    stop: () => {
      stopped.abort()
      return done
    },
  }
}

const reflected = async (
  { reads, openStore }: Ends,
  served: Served,
  relist: boolean,
  tell: (news: KindNews) => void,
  signal: AbortSignal,
): Promise<void> => {
  const { version } = served
  const store = await openStore(served, signal)
  const streaming = (): void => tell({ state: 'streaming', version, count: store.meta().count })
  const listed = async (): Promise<void> => {
    await store.flush() // what is counted is what is stored
    streaming()
  }
  const listener: ReflectorListener = {
    ...store,
    listed: async (resourceVersion) => {
      await store.listed(resourceVersion)
      await listed()
    },
    stalled: async (reason) => {
      await store.stalled(reason)
      tell({ state: 'stalled', version, reason })
    },
    recovered: async () => {
      await store.recovered()
      streaming()
    },
  }
  const from = relist ? undefined : store.watermark
  try {
    // With a watermark nothing is listed: what OBJECTS holds is complete up to there.
    if (from !== undefined) await listed()
    await reads.reflect(served, from, listener, AbortSignal.any([signal, store.lost]))
    store.lost.throwIfAborted()
  } finally {
    await store.close()
  }
}
