import type { Clock } from '../../src/runtime/clock.ts'
import type { Schedule } from './schedule.ts'

/** One operating-system process: everything that comes to it from outside comes through here. */
export type SimulatedProcess = {
  readonly name: string
  readonly isAlive: () => boolean
  readonly clock: Clock
  /** Something comes in after so many milliseconds, if the process is then alive; when it is paused, as soon as it goes on. */
  readonly later: (ms: number, run: () => void) => () => void
  readonly kill: () => void
  readonly pause: () => void
  readonly resume: () => void
  /** The wall clock is set by so many milliseconds. */
  readonly jump: (ms: number) => void
}

/** Epoch milliseconds at which every world begins. */
export const EPOCH = Date.UTC(2026, 0, 1)

/** @param skew what its wall clock is wrong by, ms */
export const simulatedProcess = (world: Schedule, name: string, skew: number): SimulatedProcess => {
  let state: 'running' | 'paused' | 'dead' = 'running'
  let wrongBy = skew
  const missed: (() => void)[] = []
  const come = (run: () => void): void => {
    if (state === 'running') {
      world.stirred()
      run()
    } else if (state === 'paused') missed.push(run)
  }
  const later = (ms: number, run: () => void): (() => void) => {
    let isCancelled = false
    const cancel = world.after(ms, () => come(() => !isCancelled && run()))
    return () => {
      isCancelled = true
      cancel()
    }
  }
  return {
    name,
    isAlive: () => state !== 'dead',
    clock: {
      now: () => EPOCH + Math.floor(world.time() + wrongBy),
      monotonic: () => world.time(),
      after: later,
    },
    later,
    kill: () => {
      state = 'dead'
      missed.length = 0
    },
    pause: () => {
      if (state === 'running') state = 'paused'
    },
    resume: () => {
      if (state !== 'paused') return
      state = 'running'
      // What came meanwhile is taken one after the other, each with what follows from it, as an event loop does.
      for (const run of missed.splice(0)) world.after(0, () => come(run))
    },
    jump: (ms) => {
      wrongBy += ms
    },
  }
}
