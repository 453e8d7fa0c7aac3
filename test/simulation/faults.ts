import type { Random } from './random.ts'

/** What goes wrong, and how often it did. */
export type FaultKind =
  | 'request lost'
  | 'answer lost'
  | 'request late'
  | 'server silent'
  | 'process killed'
  | 'killed at a step'
  | 'process paused'
  | 'clock set'
  | 'acknowledgement lost'
  | 'command doubled'
  | 'effect failed'
  | 'effect slow'
  | 'effect hung'
  | 'snapshot lost'
  | 'snapshot refused'
  | 'journal shortened'

export type Faults = {
  /** Whether it happens now; counted if it does, never while the world is at peace. */
  readonly strikes: (kind: FaultKind, probability: number) => boolean
  readonly count: (kind: FaultKind) => void
  readonly peace: () => void
  readonly isPeace: () => boolean
  readonly counts: () => Readonly<Partial<Record<FaultKind, number>>>
  readonly total: () => number
}

export const faults = (random: Random): Faults => {
  const counts: Partial<Record<FaultKind, number>> = {}
  let isPeace = false
  let total = 0
  const count = (kind: FaultKind): void => {
    counts[kind] = (counts[kind] ?? 0) + 1
    total++
  }
  return {
    count,
    strikes: (kind, probability) => {
      if (isPeace || !random.happens(probability)) return false
      count(kind)
      return true
    },
    peace: () => {
      isPeace = true
    },
    isPeace: () => isPeace,
    counts: () => counts,
    total: () => total,
  }
}
