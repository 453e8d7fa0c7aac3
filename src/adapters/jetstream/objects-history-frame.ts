import { setTimeout as sleep } from 'node:timers/promises'
import type { JetStreamClient } from 'nats'
import { subjects } from '../../events/subjects.ts'
import { asked } from './errors.ts'
import { consumed } from './objects-consume.ts'
import { type Block, bytesOf, isKept, packBlock, parts, type Version, versionIn } from './objects-history-block.ts'
import { HISTORY, type Mark } from './objects-history-stream.ts'

export type FrameOf = {
  readonly js: JetStreamClient
  readonly cluster: string
  readonly id: string
  /** Which OBJECTS, and up to which of its sequences. */
  readonly created: string
  readonly through: number
  /** When OBJECTS took that one, epoch ms. */
  readonly until: number
  /** The HISTORY sequence of the changes up to there. */
  readonly after: number
  /** Between two parts, ms: a frame is no burst. */
  readonly pauseMs: number
}

/** Uncompressed; the rest of a part is what the last version adds. */
const PART_BYTES = 400 * 1024

/**
 * Writes everything that OBJECTS holds up to a sequence to HISTORY, slowly and with the memory of one part. What changes
 * meanwhile is missing here and is among the changes after that sequence: together they are the whole, from the last part
 * on. Nobody finds it before it is marked.
 */
export const writeFrame = async (frame: FrameOf, signal: AbortSignal): Promise<Mark> => {
  const { js, cluster, id, created, through, until, after, pauseMs } = frame
  const subject = subjects(cluster).history(`frame.${id}`)
  let mark: Mark = { id, after, first: 0, last: 0, objects: 0, until, bytes: 0 }
  const write = async (versions: readonly Version[]): Promise<void> => {
    for (const part of parts(versions)) {
      const block: Block = { created, after: 0, through, versions: part }
      const data = await packBlock(block)
      const expect = { lastSubjectSequence: mark.last }
      const { seq } = await asked(`${HISTORY} ${subject}`, () => js.publish(subject, data, { expect }))
      const objects = mark.objects + part.length
      mark = { ...mark, first: mark.first || seq, last: seq, objects, bytes: mark.bytes + data.length }
    }
    await sleep(pauseMs, undefined, { signal, ref: false })
  }
  let gathered: Version[] = []
  let bytes = 0
  const life = new AbortController()
  try {
    for await (const message of consumed(js, [`qm.${cluster}.>`], AbortSignal.any([signal, life.signal]))) {
      const version = message.seq > through ? undefined : versionIn(cluster, message)
      if (version?.payload && isKept(version)) {
        gathered.push(version)
        bytes += bytesOf(version)
      }
      if (version === undefined || message.info.pending === 0 || message.seq === through) break
      if (bytes < PART_BYTES) continue
      await write(gathered)
      gathered = []
      bytes = 0
    }
  } finally {
    life.abort()
  }
  signal.throwIfAborted()
  await write(gathered)
  return mark
}
