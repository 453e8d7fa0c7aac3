import { setTimeout as sleep } from 'node:timers/promises'
import type { JetStreamClient, JetStreamManager, NatsConnection } from 'nats'
import { subjects } from '../../events/subjects.ts'
import type { Log } from '../../runtime/ground.ts'
import { Conflict, Corrupt } from '../../runtime/journal.ts'
import { asked, isNotFound } from './errors.ts'
import { consumed } from './objects-consume.ts'
import {
  type Block,
  bytesOf,
  isKept,
  isObject,
  packBlock,
  parts,
  unpackBlock,
  type Version,
  versionIn,
} from './objects-history-block.ts'
import { writeFrame } from './objects-history-frame.ts'
import { HISTORY, HISTORY_MS, type Mark, type Marked, marksIn } from './objects-history-stream.ts'
import { OBJECTS } from './objects-stream.ts'

export type HistoryOptions = {
  /** Changes wait so long at most before they are written together, ms. */
  readonly gatherMs?: number
  /** The same where nothing changed and only the agent's count was renewed, ms. */
  readonly idleMs?: number
  /** Between two key frames at least, ms. */
  readonly frameMs?: number
  /** Between two parts of a key frame, ms. */
  readonly pauseMs?: number
}

type Recording = {
  readonly nc: NatsConnection
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly cluster: string
  readonly log: Log
  /** A name for each frame; never the same twice. */
  readonly newId: () => string
  readonly options?: HistoryOptions
}

const AGAIN_MS = 1_000
/** Another process records: it is looked after it now and then. */
const STAND_BY_MS = 30_000
/** Tombstones are gone from OBJECTS after an hour: who was away for longer has missed deletions. */
const AWAY_MS = 50 * 60_000
const GATHER_BYTES = 256 * 1024

export type HistoryRecorder = {
  /** Comes back when what was read until now is stored; at once, when another process records. */
  flush(): Promise<void>
  /** Comes back after the signal aborted. */
  readonly ended: Promise<void>
}

/**
 * Writes what OBJECTS held at any time to HISTORY, until the signal aborts: every change, in blocks, and now and then
 * everything. It goes on after the last block that is there, so that a crash loses no object's last version, and the
 * fence of that block makes sure that of two who record one waits.
 */
export const recordHistory = (recording: Recording, signal: AbortSignal): HistoryRecorder => {
  let flush = async (): Promise<unknown> => undefined
  const began = (its: () => Promise<unknown>): void => {
    flush = its
  }
  return {
    flush: async () => void (await flush()),
    ended: recordAgain(recording, began, signal),
  }
}

type Began = (flush: () => Promise<unknown>) => void

const recordAgain = async (recording: Recording, began: Began, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    try {
      await recordOnce(recording, began, signal)
    } catch (error) {
      began(async () => undefined)
      if (signal.aborted) return
      const isSecond = error instanceof Conflict
      const said = { err: (error as Error).message }
      if (isSecond) recording.log.debug(said, 'another process records the history of the cluster')
      else recording.log.warn(said, 'recording the history of the cluster begins again after what is stored')
      await sleep(isSecond ? STAND_BY_MS : AGAIN_MS, undefined, { signal, ref: false }).catch(() => {}) // the loop sees the abort
    }
  }
}

/** Where the recording stands: the last block's HISTORY sequence, what OBJECTS sequence it reaches, and of what time. */
type Place = { readonly seq: number; readonly through: number; readonly until: number }

const recordOnce = async (recording: Recording, began: Began, outer: AbortSignal): Promise<void> => {
  const { js, cluster, options = {} } = recording
  const life = new AbortController()
  const signal = AbortSignal.any([outer, life.signal])
  const fail = (error: unknown): void => life.abort(error)
  const { created, place, isAway } = await placeIn(recording)
  const frames = await framing(recording, created, isAway, signal)
  const blocks = gathering(recording, created, place, frames.stored)
  began(blocks.flush)
  const { gatherMs = 10_000, idleMs = 60_000 } = options
  const timer = setInterval(
    () => {
      if (blocks.isDue(gatherMs, idleMs)) blocks.flush().catch(fail)
      if (frames.isDue()) frames.write(blocks.flush).catch(fail)
    },
    Math.min(1_000, gatherMs),
  ).unref()
  try {
    for await (const message of consumed(js, [`qm.${cluster}.>`], signal, place.through)) {
      const version = versionIn(cluster, message)
      if (isKept(version) && blocks.add(version) > GATHER_BYTES) await blocks.flush()
    }
    outer.throwIfAborted()
    throw life.signal.reason ?? new Error('the consumer of OBJECTS ended')
  } finally {
    clearInterval(timer)
    // Whatever a stop leaves unwritten is read again by the next, except what is overwritten until then.
    if (outer.aborted) await blocks.flush().catch(fail)
    life.abort(new Error('the recording ended'))
  }
}

/** Where to go on: after the last block, or from the beginning, when OBJECTS is another one or has lost its end. */
const placeIn = async ({ nc, js, jsm, cluster }: Recording) => {
  const { created, state } = await asked(OBJECTS, () => jsm.streams.info(OBJECTS))
  const last = await lastBlock(jsm, cluster)
  const goesOn = last?.created === created && last.through <= state.last_seq
  if (goesOn) return { created, place: last, isAway: Date.now() - last.time > AWAY_MS }
  const place = { seq: last?.seq ?? 0, through: 0, until: 0 }
  const { state: kept } = await asked(HISTORY, () => jsm.streams.info(HISTORY))
  const mark = { id: '', after: kept.last_seq, first: 0, last: 0, objects: 0, until: 0, bytes: 0 }
  await writeMark({ js, cluster }, mark, await marksIn(nc, cluster))
  return { created, place, isAway: false }
}

const unread = (error: unknown): Omit<Block, 'after'> => {
  if (error instanceof Corrupt) return { created: '', through: 0, versions: [] }
  throw error
}

const lastBlock = async (
  jsm: JetStreamManager,
  cluster: string,
): Promise<(Place & { readonly created: string; readonly time: number }) | undefined> =>
  asked(HISTORY, async () => {
    try {
      const { seq, data, time } = await jsm.streams.getMessage(HISTORY, { last_by_subj: subjects(cluster).history('changes') })
      // After a block that nobody can read it begins anew.
      const { created, through, versions } = await unpackBlock(`${HISTORY} ${seq}`, data).catch(unread)
      return { seq, created, through, until: versions.at(-1)?.time ?? 0, time: time.getTime() }
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  })

/** Gathers changes, and writes them one block after the other, each fenced by the one before. */
const gathering = ({ js, cluster }: Recording, created: string, begin: Place, stored: (bytes: number) => void) => {
  const subject = subjects(cluster).history('changes')
  let place = begin
  let through = begin.through
  let objects: Version[] = []
  /** What the agent says of a kind again and again: of a block only the last of each is kept. */
  let metas = new Map<string, Version>()
  let bytes = 0
  let since = performance.now()
  let running: Promise<Place> = Promise.resolve(begin)

  const taken = (): readonly Version[] => {
    const versions = [...objects, ...metas.values()].toSorted((a, b) => a.seq - b.seq)
    objects = []
    metas = new Map()
    bytes = 0
    since = performance.now()
    return versions
  }
  const write = async (): Promise<Place> => {
    const until = through
    const cut = parts(taken())
    for (const [index, versions] of cut.entries()) {
      const end = index === cut.length - 1 ? until : (versions.at(-1)?.seq ?? until)
      const data = await packBlock({ created, after: place.through, through: end, versions })
      const expect = { lastSubjectSequence: place.seq }
      const { seq } = await asked(`${HISTORY} ${subject}`, () => js.publish(subject, data, { expect }))
      place = { seq, through: end, until: versions.at(-1)?.time ?? place.until }
      stored(data.length)
    }
    return place
  }
  return {
    /** @returns bytes that wait */
    add: (version: Version): number => {
      through = version.seq
      if (isObject(version.subject)) objects.push(version)
      else metas.set(version.subject, version)
      bytes += bytesOf(version)
      return bytes
    },
    isDue: (gatherMs: number, idleMs: number): boolean => {
      const waited = performance.now() - since
      return (objects.length > 0 && waited >= gatherMs) || (metas.size > 0 && waited >= idleMs)
    },
    /** Comes back with the place when everything that was added before is stored. @throws Conflict, Unanswered */
    flush: (): Promise<Place> => {
      running = running.then(write)
      return running
    },
  }
}

/** Key frames, one at a time. */
const framing = async (recording: Recording, created: string, isAway: boolean, signal: AbortSignal) => {
  const { nc, js, jsm, cluster, log, newId, options = {} } = recording
  const { frameMs = 3_600_000, pauseMs = 250 } = options
  const { config } = await asked(HISTORY, () => jsm.streams.info(HISTORY))
  let marks = await marksIn(nc, cluster)
  let isWriting = false
  let changesBytes = 0
  let isMissing = isAway

  const write = async (flush: () => Promise<Place>): Promise<void> => {
    isWriting = true
    try {
      const { seq: after, through, until } = await flush()
      changesBytes = 0
      const frame = { js, cluster, id: `${after}-${newId()}`, created, through, until, after, pauseMs }
      const mark = await writeFrame(frame, signal)
      await writeMark(recording, mark, marks)
      marks = await marksIn(nc, cluster)
      isMissing = false
      log.debug({ objects: mark.objects, bytes: mark.bytes }, 'the cluster is recorded whole')
    } finally {
      isWriting = false
    }
  }
  const isDue = (): boolean => {
    const { time = 0, bytes = 0 } = marks.at(-1) ?? {}
    return isMissing || isFrameDue({ ms: Date.now() - time, changesBytes }, bytes, config.max_bytes, frameMs)
  }
  const stored = (bytes: number): void => {
    changesBytes += bytes
  }
  return { isDue: () => !isWriting && isDue(), write, stored }
}

const DAY_MS = 24 * 3_600_000

/**
 * Whether it is time for the next frame, so and so long and so many bytes of changes after the last: as often as wanted,
 * but so seldom that the frames of a week take half of the room, and yet so often that some are always within it, however
 * fast the changes push them out. Exported for its tests.
 */
export const isFrameDue = (
  since: { readonly ms: number; readonly changesBytes: number },
  frameBytes: number,
  roomBytes: number,
  frameMs: number,
): boolean => {
  if (roomBytes <= 0) return since.ms >= frameMs
  const spread = (HISTORY_MS * frameBytes) / (roomBytes / 2)
  return since.ms >= Math.max(frameMs, Math.min(spread, DAY_MS)) || since.changesBytes >= Math.max(roomBytes / 8, frameBytes)
}

/** @throws Conflict when another process has marked a frame meanwhile */
const writeMark = async (
  { js, cluster }: Pick<Recording, 'js' | 'cluster'>,
  mark: Mark,
  marks: readonly Marked[],
): Promise<void> => {
  const subject = subjects(cluster).history('marks')
  const expect = { lastSubjectSequence: marks.at(-1)?.seq ?? 0 }
  await asked(`${HISTORY} ${subject}`, () => js.publish(subject, JSON.stringify(mark), { expect }))
}
