import { parentPort, workerData } from 'node:worker_threads'
import { playOf } from './plays.ts'
import { simulate } from './simulate.ts'
import { counted, emptyTally } from './tally.ts'

/** Plays every `step`-th seed from `from` to before `end`, or until the time is over (epoch ms). */
export type Share = { readonly from: number; readonly end: number; readonly step: number; readonly until: number }

/** So many seeds between two words to the one who asked. */
const TOLD_EVERY = 20

const { from, end, step, until } = workerData as Share
let tally = emptyTally()
for (let seed = from; seed < end && Date.now() < until; seed += step) {
  counted(tally, await simulate(seed, { play: playOf(seed) }))
  if (tally.seeds < TOLD_EVERY && tally.violations.length === 0) continue
  parentPort?.postMessage(tally)
  tally = emptyTally()
}
parentPort?.postMessage(tally)
