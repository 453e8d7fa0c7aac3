import type { Clock } from './clock.ts'
import type { PodIndex } from './pod-index.ts'
import type { Store } from './store.ts'

/** How long things take in the simulated cluster, in milliseconds. */
export type Timings = {
  /** From a change to a controller's answer. */
  readonly controllerMs: number
  /** From a change to the scheduler's next round. */
  readonly schedulerMs: number
  /** From a change to the next attempt for pods that fitted nowhere. */
  readonly retryMs: number
  /** From bound to ready. */
  readonly startPodMs: number
  /** What a second of grace period takes. */
  readonly graceSecondMs: number
  /** From a node's deletion to the collection of its pods (the real one waits 40 seconds and more). */
  readonly collectPodsMs: number
  /** Between two bookmarks of a watch (the real one: about a minute). */
  readonly bookmarkMs: number
}
export const defaultTimings: Timings = {
  controllerMs: 10,
  schedulerMs: 5,
  retryMs: 100,
  startPodMs: 300,
  graceSecondMs: 1000,
  collectPodsMs: 2_000,
  bookmarkMs: 5_000,
}

/** What the parts of the simulated cluster share. */
export type World = { readonly store: Store; readonly clock: Clock; readonly timings: Timings; readonly pods: PodIndex }
