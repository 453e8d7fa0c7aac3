type Planned = { readonly at: number; readonly order: number; readonly run: () => void; cancelled: boolean }

/** What happens when, in a world of its own: one thing after the other, and time passes only in between. */
export type Schedule = {
  /** Milliseconds since the world began. */
  readonly time: () => number
  /** Runs once after so many milliseconds; the result cancels. */
  readonly after: (ms: number, run: () => void) => () => void
  /** Runs what is next; false when nothing is left. */
  readonly step: () => boolean
  readonly steps: () => number
  /** Said when code of a process has run: what it left to be done comes before the next step. */
  readonly stirred: () => void
  /** Whether it was said since the last time this was asked. */
  readonly isStirred: () => boolean
}

const isBefore = (a: Planned, b: Planned): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

export const schedule = (): Schedule => {
  const heap: Planned[] = []
  let time = 0
  let order = 0
  let steps = 0
  let stirred = true
  return {
    time: () => time,
    steps: () => steps,
    stirred: () => {
      stirred = true
    },
    isStirred: () => {
      const was = stirred
      stirred = false
      return was
    },
    after: (ms, run) => {
      const planned = { at: time + Math.max(0, ms), order: order++, run, cancelled: false }
      push(heap, planned)
      return () => {
        planned.cancelled = true
      }
    },
    step: () => {
      for (let next = pop(heap); next; next = pop(heap)) {
        if (next.cancelled) continue
        time = next.at
        steps++
        next.run()
        return true
      }
      return false
    },
  }
}

const push = (heap: Planned[], planned: Planned): void => {
  let at = heap.push(planned) - 1
  for (let up = (at - 1) >> 1; at > 0; up = (at - 1) >> 1) {
    const parent = heap[up] as Planned
    if (!isBefore(planned, parent)) break
    heap[at] = parent
    at = up
  }
  heap[at] = planned
}

const pop = (heap: Planned[]): Planned | undefined => {
  const first = heap[0]
  const last = heap.pop()
  if (!first || !last || heap.length === 0) return first
  let at = 0
  for (;;) {
    const left = 2 * at + 1
    const right = heap[left + 1]
    const least = right && isBefore(right, heap[left] as Planned) ? left + 1 : left
    const child = heap[least]
    if (!child || !isBefore(child, last)) break
    heap[at] = child
    at = least
  }
  heap[at] = last
  return first
}
