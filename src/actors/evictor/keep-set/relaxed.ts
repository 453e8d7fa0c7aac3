import type { LinearSolver } from '../../../ports.ts'
import type { Outline } from './outline.ts'
import { dualBound, relaxationOf } from './relaxation.ts'

/** The relaxation while it is being solved. */
export type Relaxed = {
  /** What a place for a pod is worth at the optimum, $/h by kind. */
  readonly worth: (patienceMs: number) => Float64Array | undefined
  /** A lower bound of every plan's $/h. */
  readonly bound: (patienceMs: number) => number | undefined
  readonly stop: () => void
}

export const relax = (solver: LinearSolver, outline: Outline): Relaxed => {
  const { program, rowOf } = relaxationOf(outline)
  const run = solver.begin(program)
  return {
    worth(patienceMs) {
      const duals = run.duals(patienceMs)
      return duals && Float64Array.from(rowOf, (row) => duals[row] ?? 0)
    },
    bound(patienceMs) {
      const duals = run.duals(patienceMs)
      return duals && dualBound(program, duals)
    },
    stop: run.stop,
  }
}
