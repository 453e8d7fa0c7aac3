import type { Clock } from './clock.ts'

type Armed = { readonly due: number; fire: (() => void) | undefined }

/** Node's timers overflow at 24.8 days, and a clock set forward is not heard of: no sleep is longer than this. */
const LONGEST_SLEEP_MS = 60_000
/** Fewer cancelled timers than this are left where they are until they are due. */
const SWEEP_FROM = 1_000

/** All absolute timers of a host: one heap, one sleep. */
export type Timers = {
  /** Calls `fire` once the clock has reached `due` (epoch ms); the result disarms. */
  arm(due: number, fire: () => void): () => void
}

export const createTimers = (clock: Clock): Timers => {
  let heap: Armed[] = []
  let cancelled = 0
  let wake: { readonly at: number; readonly cancel: () => void } | undefined

  const schedule = (): void => {
    const next = heap[0]
    if (!next || (wake && wake.at <= next.due)) return
    wake?.cancel()
    const sleep = Math.min(LONGEST_SLEEP_MS, Math.max(0, next.due - clock.now()))
    wake = { at: next.due, cancel: clock.after(sleep, ring) }
  }
  const ring = (): void => {
    wake = undefined
    for (let next = heap[0]; next && (!next.fire || next.due <= clock.now()); next = heap[0]) {
      pop(heap)
      const { fire } = next
      next.fire = undefined
      if (fire) fire()
      else cancelled--
    }
    schedule()
  }
  /** A state that is entered and left all the time leaves a cancelled timer behind each time. */
  const sweep = (): void => {
    if (cancelled < SWEEP_FROM || cancelled < heap.length / 2) return
    heap = heap.filter(({ fire }) => fire).sort((a, b) => a.due - b.due) // what is sorted is a heap
    cancelled = 0
  }
  return {
    arm: (due, fire) => {
      const armed: Armed = { due, fire }
      push(heap, armed)
      schedule()
      return () => {
        if (!armed.fire) return
        armed.fire = undefined
        cancelled++
        sweep()
      }
    },
  }
}

const before = (a: Armed | undefined, b: Armed | undefined): boolean => (a?.due ?? Infinity) < (b?.due ?? Infinity)

const swap = (heap: Armed[], a: number, b: number): void => {
  const kept = heap[a] as Armed
  heap[a] = heap[b] as Armed
  heap[b] = kept
}

const push = (heap: Armed[], armed: Armed): void => {
  let at = heap.push(armed) - 1
  for (let parent = (at - 1) >> 1; at > 0 && before(heap[at], heap[parent]); parent = (at - 1) >> 1) {
    swap(heap, at, parent)
    at = parent
  }
}

const pop = (heap: Armed[]): void => {
  const last = heap.pop()
  if (!last || heap.length === 0) return
  heap[0] = last
  for (let at = 0; ; ) {
    const left = 2 * at + 1
    const least = before(heap[left + 1], heap[left]) ? left + 1 : left
    if (!before(heap[least], heap[at])) return
    swap(heap, at, least)
    at = least
  }
}
