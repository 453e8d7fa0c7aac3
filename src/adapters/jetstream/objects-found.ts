import type { JetStreamClient, JetStreamManager } from 'nats'
import { z } from 'zod'
import type { Kind } from '../../events/kinds.ts'
import { subjects } from '../../events/subjects.ts'
import type { KindMeta } from '../../ports.ts'
import { consumed, lastSequence } from './objects-consume.ts'
import { DELETED, jsonIn, metaIn, subjectsOf } from './objects-stream.ts'
import { type ObjectsSum, objectsSum } from './objects-sum.ts'
import type { Slot } from './objects-writer.ts'

export type Found = {
  readonly slots: Map<string, Slot>
  readonly sum: ObjectsSum
  readonly meta: KindMeta | undefined
  readonly metaSeq: number
  readonly isWhole: boolean
}

/** What OBJECTS holds of the kind: the sequences are what the next writes must follow. */
export const readBack = async (
  js: JetStreamClient,
  jsm: JetStreamManager,
  cluster: string,
  kind: Kind,
  signal: AbortSignal,
): Promise<Found> => {
  const filters = subjectsOf(cluster, kind)
  const slots = new Map<string, Slot>()
  const sum = objectsSum()
  let [meta, metaSeq, lastSeq, isWhole]: [KindMeta | undefined, number, number, boolean] = [undefined, 0, 0, true]
  const until = await lastSequence(jsm, filters)
  if (until === 0) return { slots, sum, meta, metaSeq, isWhole }
  for await (const { subject, seq, data, headers, info } of consumed(js, filters, signal)) {
    if (subject === subjects(cluster).meta(kind)) [meta, metaSeq] = [metaIn(data), seq]
    else {
      const slot = slotOf(seq, data, headers?.has(DELETED) ?? false, info.timestampNanos)
      const before = slots.get(subject)
      if (before?.uid !== undefined) sum.remove(before.uid, before.resourceVersion)
      if (slot.uid !== undefined) sum.add(slot.uid, slot.resourceVersion)
      if (slot.uid === '') isWhole = false
      slots.set(subject, slot)
      lastSeq = seq
    }
    if (seq >= until || info.pending === 0) break
  }
  signal.throwIfAborted()
  // Nothing was written after the meta record, so what it says must be what is there.
  if (metaSeq > lastSeq && meta && (meta.hash !== sum.hash() || meta.count !== sum.count())) isWhole = false
  return { slots, sum, meta, metaSeq, isWhole }
}

const Versioned = z.object({ metadata: z.object({ uid: z.string(), resourceVersion: z.string() }) })

// A record that cannot be read counts as an unknown object: the next list replaces it.
const slotOf = (seq: number, data: Uint8Array, isDeleted: boolean, timestampNanos: number): Slot => {
  const writtenAt = timestampNanos / 1e6
  if (isDeleted) return { seq, uid: undefined, resourceVersion: '', writtenAt }
  const { uid, resourceVersion } = Versioned.safeParse(jsonIn(data)).data?.metadata ?? { uid: '', resourceVersion: '' }
  return { seq, uid, resourceVersion, writtenAt }
}
