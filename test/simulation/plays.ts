import { madePlay } from './made-play.ts'
import type { Play } from './play.ts'
import { shippedPlay } from './shipped-play.ts'

export const plays: Readonly<Record<string, Play>> = { made: madePlay, shipped: shippedPlay }

/** Which machines a seed plays with: half of them with ours. */
export const playOf = (seed: number): Play => (seed % 2 === 0 ? shippedPlay : madePlay)
