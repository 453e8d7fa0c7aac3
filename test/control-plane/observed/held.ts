import type { NatsConnection } from 'nats'

/** A record of OBJECTS: `value` is what its JSON says, undefined for a tombstone. */
export type Held = { readonly seq: number; readonly value: any }

const DELETED = 'Qm-Deleted'

/** What OBJECTS holds on these subjects, as its stream gives it to whoever reads it from the start. */
export const heldOf = async (nc: NatsConnection, ...filterSubjects: string[]): Promise<ReadonlyMap<string, Held>> => {
  const held = new Map<string, Held>()
  const jsm = await nc.jetstreamManager()
  const infos = await Promise.all(filterSubjects.map((filter) => jsm.streams.info('OBJECTS', { subjects_filter: filter })))
  if (infos.every(({ state }) => Object.keys(state.subjects ?? {}).length === 0)) return held
  const consumer = await nc.jetstream().consumers.get('OBJECTS', { filterSubjects })
  const messages = await consumer.consume({ max_messages: 5_000 })
  for await (const { subject, seq, data, headers, info } of messages) {
    const isDeleted = headers?.has(DELETED) || data.length === 0
    held.set(subject, { seq, value: isDeleted ? undefined : JSON.parse(Buffer.from(data).toString()) })
    if (info.pending === 0) break
  }
  messages.stop()
  return held
}

/** Subjects of objects that were written anew between two looks, although they hold the same version of the same object. */
export const resent = (before: ReadonlyMap<string, Held>, after: ReadonlyMap<string, Held>): readonly string[] =>
  [...after].flatMap(([subject, { seq, value }]) => {
    const known = before.get(subject)
    if (subject.split('.')[2] !== 'obj' || value === undefined || known?.value === undefined) return []
    return known.seq !== seq && versionOf(known.value) === versionOf(value) ? [subject] : []
  })

const versionOf = ({ metadata }: Held['value']): string => `${metadata.uid}/${metadata.resourceVersion}`
