import type { JetStreamManager, NatsConnection } from 'nats'
import { subjects } from '../../events/subjects.ts'
import type { KindMeta } from '../../ports.ts'
import { asked } from './errors.ts'
import { isObject, unpackBlock, type Version } from './objects-history-block.ts'
import { type KindName, kindIn, scopeIn } from './objects-history-names.ts'
import { HISTORY, historyOn, type Marked, marksIn } from './objects-history-stream.ts'
import { metaIn } from './objects-stream.ts'

/** Where the reading of a picture stands; to go on after it. */
export type Place = { readonly of: 'frame' | 'changes'; readonly seq: number; readonly index: number }

type Found = {
  readonly kind: KindName
  readonly version: Version & { readonly payload: Uint8Array }
  readonly place: Place
}

/**
 * `isThen`: this version was there at the picture's time. `isCounted`: it was there when the agent last counted its kind
 * before that time.
 */
export type Seen = Found & { readonly isThen: boolean; readonly isCounted: boolean }

/** What the agent said of a kind, and when, epoch ms. */
export type Count = { readonly meta: KindMeta; readonly time: number }

export type Picture = {
  /** Epoch ms: the time that was asked for, or until when it is recorded, if that is earlier. */
  readonly until: number
  /** Of the key frame that it is made from, epoch ms. */
  readonly frameAt: number
  /** What the agent said of each kind last, as far as it is among the changes; what is not may be in the frame. */
  readonly counts: ReadonlyMap<string, Count>
  /** Everything that was there, among what was there before or after, block by block; after a place, to go on. */
  readonly seen: (after?: Place) => AsyncGenerator<readonly Seen[]>
}

/** There is no picture of that time; the message says since when there are. */
export class NotKept extends Error {
  override name = 'NotKept'
}

/** Sequences in OBJECTS of the versions that came after the frame, by subject. */
type Changed = {
  /** Before the agent's last count of the kind … */
  readonly counted: Map<string, number>
  /** … and since. */
  readonly since: Map<string, number>
}

type Overlay = {
  readonly kinds: Map<KindName, Changed>
  readonly counts: Map<string, Count>
  /** HISTORY sequences: the changes are on those after `after`, up to `last`. */
  after: number
  last: number
  /** OBJECTS began anew after the frame: nothing of it was left. */
  isAnew: boolean
  until: number
}

/**
 * The cluster at a time: the last key frame before it, and what changed from there to that time. Kept in memory is one
 * sequence for each subject that changed since the frame.
 * @param time epoch ms
 * @throws NotKept when nothing is kept of that time, Unanswered, Corrupt
 */
export const pictureAt = async (nc: NatsConnection, jsm: JetStreamManager, cluster: string, time: number): Promise<Picture> => {
  const mark = await markBefore(nc, jsm, cluster, time)
  const overlay = await overlayOf(nc, cluster, mark, time)
  return {
    until: overlay.until,
    frameAt: mark.time,
    counts: overlay.counts,
    seen: (after) => seenIn(nc, cluster, mark, overlay, after),
  }
}

const markBefore = async (nc: NatsConnection, jsm: JetStreamManager, cluster: string, time: number): Promise<Marked> => {
  const { state } = await asked(HISTORY, () => jsm.streams.info(HISTORY))
  const kept = (await marksIn(nc, cluster)).filter(({ after }) => after + 1 >= state.first_seq)
  const mark = kept.findLast((each) => each.time <= time)
  if (mark) return mark
  const wanted = new Date(time).toISOString()
  const since = kept[0] && new Date(kept[0].time).toISOString()
  throw new NotKept(
    since
      ? `the cluster at ${wanted} is not kept: its history begins at ${since}; ask for a time from then on`
      : `the cluster at ${wanted} is not kept: nothing of its history is recorded yet`,
  )
}

const overlayOf = async (nc: NatsConnection, cluster: string, mark: Marked, time: number): Promise<Overlay> => {
  const overlay: Overlay = {
    kinds: new Map(),
    counts: new Map(),
    after: mark.after,
    last: mark.after,
    isAnew: false,
    until: mark.until,
  }
  for await (const { seq, data } of historyOn(nc, subjects(cluster).history('changes'), mark.after)) {
    const { after, versions } = await unpackBlock(`${HISTORY} ${seq}`, data)
    if ((versions[0]?.time ?? 0) > time) return { ...overlay, until: time }
    if (after === 0) begin(overlay, seq)
    overlay.last = seq
    for (const version of versions) {
      if (version.time > time) return { ...overlay, until: time }
      overlay.until = Math.max(overlay.until, version.time)
      lay(overlay, version)
    }
  }
  return overlay
}

const begin = (overlay: Overlay, seq: number): void => {
  overlay.kinds.clear()
  overlay.counts.clear()
  overlay.after = seq - 1
  overlay.isAnew = true
}

const lay = ({ kinds, counts }: Overlay, { subject, seq, time, payload }: Version): void => {
  const kind = kindIn(subject)
  const changed = kinds.get(kind) ?? { counted: new Map(), since: new Map() }
  kinds.set(kind, changed)
  if (isObject(subject)) {
    changed.since.set(subject, seq)
    return
  }
  const meta = payload && metaIn(payload)
  if (!meta) return
  const scope = scopeIn(subject)
  counts.set(scope, { meta, time })
  for (const [each, its] of changed.since) {
    if (scope !== kind && scopeIn(each) !== scope) continue
    changed.counted.set(each, its)
    changed.since.delete(each)
  }
}

const seenIn = async function* (
  nc: NatsConnection,
  cluster: string,
  { id, first, last }: Marked,
  { kinds, after: firstChanges, last: lastChanges, isAnew }: Overlay,
  after?: Place,
): AsyncGenerator<readonly Seen[]> {
  const { history } = subjects(cluster)
  const read = async function* (of: Place['of'], subject: string, begin: number, end: number): AsyncGenerator<readonly Found[]> {
    const isResumed = after?.of === of
    for await (const { seq, data } of historyOn(nc, subject, isResumed ? after.seq - 1 : begin, end)) {
      const { versions } = await unpackBlock(`${HISTORY} ${seq}`, data)
      const first = isResumed && seq === after.seq ? after.index + 1 : 0
      yield versions.flatMap((version, index) => {
        const { subject: its, payload } = version
        return payload && index >= first
          ? [{ kind: kindIn(its), version: { ...version, payload }, place: { of, seq, index } }]
          : []
      })
    }
  }
  if (!isAnew && first > 0 && after?.of !== 'changes')
    for await (const found of read('frame', history(`frame.${id}`), first - 1, last))
      yield found.map((one) => {
        const { counted, since } = kinds.get(one.kind) ?? {}
        const isCounted = counted?.has(one.version.subject) !== true
        return { ...one, isCounted, isThen: isCounted && since?.has(one.version.subject) !== true }
      })
  for await (const found of read('changes', history('changes'), firstChanges, lastChanges))
    yield found.map((one) => {
      const { subject, seq } = one.version
      const { counted, since } = kinds.get(one.kind) ?? {}
      const isThen = (since?.get(subject) ?? counted?.get(subject)) === seq
      return { ...one, isCounted: counted?.get(subject) === seq, isThen }
    })
}
