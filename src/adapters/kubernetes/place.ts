import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { Refused, Unavailable } from '../../ports.ts'
import { Expired } from './failure.ts'
import { Idle } from './watch.ts'

/** Where the reading of one kind stands. */
export type Place = {
  /** Undefined: list first. */
  version: string | undefined
  /** The last version that the API was at, also when another list comes first. */
  reached: string
  failures: number
  /** Watches in a row that ended soon, whatever they brought. */
  restless: number
  /** When the server wants to be asked again, ms from its last answer. */
  wishMs: number
  isStalled: boolean
  /** Of the watch that is open. */
  openedAt: number
  lastTurn: number
  /** What made no sense in the last list, or since, by name. */
  leftOut: ReadonlySet<string>
  /** Since when something is left out that was not left out by the list before: it may be the transport's fault. */
  doubtfulSince: number | undefined
}

/** A watch that stayed open for so long, ms, was a success even if nothing happened. */
const STEADY_MS = 5_000
/** Watches in a row that did not last slow the next one down by so many failures at most, if they brought something: 4 s. */
const RESTLESS = 5
/** So many watches in a row that ended at once and without a word are no chance. */
const MUTE = 3
const SLICE_MS = 10
/** A server that sends nonsense alone is not remembered name by name. */
const MOST_LEFT_OUT = 1_000

export const begun = (version: string | undefined): Place => ({
  version,
  reached: version ?? '',
  failures: 0,
  restless: 0,
  wishMs: 0,
  isStalled: false,
  openedAt: 0,
  lastTurn: performance.now(),
  leftOut: new Set(),
  doubtfulSince: undefined,
})

export const reach = (place: Place, version: string): void => {
  place.version = version
  place.reached = version
}

/** An end in order is a success, unless every watch ends at once and without a word. @returns whether that is a stall */
export const settle = (place: Place): boolean => {
  place.failures = wasSteady(place) ? 0 : place.failures + 1
  rest(place)
  return place.failures >= MUTE
}

/** @returns whether that is a stall: one lost connection or one expired version is daily life, and over before anyone could act on it */
export const stumble = (place: Place, error: Error): boolean => {
  if (error instanceof Expired) place.version = undefined
  // Twice silent from the same version on: perhaps the server's history is shorter than ours (a restored backup).
  if (error instanceof Idle && place.failures > 0) place.version = undefined
  if (wasSteady(place) && !(error instanceof Idle)) place.failures = 0
  rest(place)
  place.failures += 1
  place.wishMs = error instanceof Unavailable ? (error.retryAfterMs ?? 0) : 0
  return place.failures >= 2 || error instanceof Idle || error instanceof Refused
}

/** By how many failures the next try is slowed down. */
export const slowness = ({ failures, restless }: Place): number => Math.max(failures, Math.min(restless, RESTLESS))

const wasSteady = ({ openedAt }: Place): boolean => openedAt > 0 && performance.now() - openedAt >= STEADY_MS

// One that breaks every watch after its first event is not hammered either.
const rest = (place: Place): void => {
  if (place.openedAt > 0) place.restless = wasSteady(place) ? 0 : place.restless + 1
  place.openedAt = 0
}

/** Notes what is left out. @param names since the list, or all of a list that is `whole` */
export const leaveOut = (place: Place, names: readonly string[], whole: 'whole' | 'since'): void => {
  const isKnown = names.every((name) => place.leftOut.has(name)) || place.leftOut.size >= MOST_LEFT_OUT
  const before = whole === 'whole' ? [] : place.leftOut
  place.leftOut = new Set([...before, ...names].slice(0, MOST_LEFT_OUT))
  if (!isKnown) place.doubtfulSince ??= performance.now()
  else if (whole === 'whole') place.doubtfulSince = undefined
}

/** @throws Expired when something has been in doubt for so long, ms: a second list tells whether it is the transport's fault */
export const trust = ({ doubtfulSince, leftOut }: Place, ms: number): void => {
  if (doubtfulSince === undefined || performance.now() - doubtfulSince < ms) return
  const [name] = leftOut
  throw new Expired(`what made no sense is asked for once more: ${name}`)
}

/** Whether one resourceVersion is before another, as far as that can be told. */
export const isBefore = (a: string, b: string): boolean => /^\d{1,20}$/.test(a) && /^\d{1,20}$/.test(b) && BigInt(a) < BigInt(b)

/** Promises alone do not let timers and sockets run: gives them a turn every few milliseconds. */
export const turn = async (place: Place): Promise<void> => {
  if (performance.now() - place.lastTurn < SLICE_MS) return
  await yieldToLoop()
  place.lastTurn = performance.now()
}
