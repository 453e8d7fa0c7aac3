import { Unanswered } from '../../src/runtime/journal.ts'
import type { Faults } from './faults.ts'
import type { SimulatedProcess } from './process.ts'
import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'

/** How often a request, its answer or its punctuality is lost. */
const LOST = 0.004
/** A client waits so long for an answer. */
const TIMEOUT_MS = 2_000
const never = new Promise<never>(() => {})

/** The way from processes to one server and back. */
export type Wire = {
  /** What `apply` says of the server's state at the moment when the request arrives. @throws Unanswered */
  readonly ask: <Answer>(from: SimulatedProcess, apply: () => Answer) => Promise<Answer>
  /** Something the server does for a process, without being asked just now. */
  readonly tell: (to: SimulatedProcess, run: () => void) => void
  /** Something the process tells the server without waiting for an answer. */
  readonly say: (from: SimulatedProcess, apply: () => void) => void
  /** The server stays silent for so long: it takes in what is asked, and answers after. */
  readonly silence: (ms: number) => void
}

export const wire = (world: Schedule, random: Random, faults: Faults): Wire => {
  let silentUntil = 0
  const travel = (): number => random.between(0.1, 3)
  /** Arrival at the server, not before it is there again. */
  const arrive = (ms: number, run: () => void): void => {
    world.after(ms, () => (world.time() < silentUntil ? arrive(silentUntil - world.time() + travel(), run) : run()))
  }
  const ask: Wire['ask'] = (from, apply) => {
    if (!from.isAlive()) return never
    const isLost = faults.strikes('request lost', LOST)
    const isLate = faults.strikes('request late', LOST)
    return new Promise((resolve, reject) => {
      const giveUp = from.later(TIMEOUT_MS, () => reject(new Unanswered('no answer within 2 s')))
      const answer = (end: () => void): void => {
        if (faults.strikes('answer lost', LOST)) return
        from.later(travel(), () => {
          giveUp()
          end()
        })
      }
      if (isLost) return
      arrive(isLate ? TIMEOUT_MS + random.between(0, 2_000) : travel(), () => {
        try {
          const found = apply()
          answer(() => resolve(found))
        } catch (error) {
          answer(() => reject(error as Error))
        }
      })
    })
  }
  return {
    ask,
    tell: (to, run) => void to.later(travel(), run),
    say: (from, apply) => {
      if (from.isAlive()) arrive(travel(), apply)
    },
    silence: (ms) => {
      silentUntil = Math.max(silentUntil, world.time() + ms)
    },
  }
}
