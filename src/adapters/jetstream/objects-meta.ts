import type { KindMeta } from '../../ports.ts'
import type { Fenced } from './fenced.ts'
import type { ObjectsSum } from './objects-sum.ts'
import type { ObjectsWriter } from './objects-writer.ts'

export type Place = Pick<KindMeta, 'state' | 'reason' | 'version' | 'form' | 'resourceVersion' | 'observedAt' | 'leftOut'>

export type MetaWriter = {
  now(): KindMeta
  /** Where the reading stands now; a change of state, or whether something is left out, is written at once. */
  advance(next: Partial<Place>): void
  /** Comes back when a meta record that is not older than this call is stored, or the store is lost. */
  ask(): Promise<void>
}

/**
 * Meta records: each is written while nothing else of its kind is in flight, so that count and hash are exactly those of
 * the records before it. The resourceVersion is taken first: everything up to it is then stored.
 */
export const metaWriter = (
  { write }: Fenced,
  subject: string,
  firstSeq: number,
  epoch: string,
  firstPlace: Place,
  sum: ObjectsSum,
  writer: Pick<ObjectsWriter, 'settle' | 'resume'>,
  failed: (error: unknown) => void,
): MetaWriter => {
  let seq = firstSeq
  let place = firstPlace
  let running: Promise<void> = Promise.resolve()
  let waiting: Promise<void> | undefined

  const now = (): KindMeta => ({ epoch, ...place, count: sum.count(), hash: sum.hash() })
  const run = async (): Promise<void> => {
    waiting = undefined
    const taken = place
    await writer.settle()
    try {
      seq = await write(subject, Buffer.from(JSON.stringify({ ...now(), ...taken })), seq, async () => false)
    } catch (error) {
      failed(error)
    } finally {
      writer.resume()
    }
  }
  const ask = (): Promise<void> => {
    if (waiting === undefined) {
      waiting = running.then(run)
      running = waiting
    }
    return waiting
  }
  return {
    now,
    advance: (next) => {
      const before = place
      place = { ...place, ...next }
      if (place.state !== before.state || (place.leftOut === undefined) !== (before.leftOut === undefined)) void ask()
    },
    ask,
  }
}
