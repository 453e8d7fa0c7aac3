import { type Clock, pause } from './clock.ts'
import { failureOf } from './effects.ts'
import type { Log } from './ground.ts'
import { Corrupt, type Entry, type Journal } from './journal.ts'
import { keyOf, type Refusal } from './types.ts'

/** CloudEvents 1.0, structured JSON, with the extensions correlationid, causationid and traceparent. */
export type CloudEvent = {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject: string
  readonly time: string
  readonly datacontenttype: 'application/json'
  readonly correlationid?: string
  readonly causationid?: string
  readonly traceparent?: string
  /** Who gave the command, as NATS reports it. */
  readonly principal?: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Where an event comes from: a record of the journal, and its place among that record's facts. */
export type Position = { readonly seq: number; readonly index: number }

export type EventLog = {
  /** How long an event is kept, ms. What is older is not told any more, also when nothing is left to go on after. */
  readonly keptMs: number
  /** The position of the newest event; from there projecting goes on. */
  last(): Promise<Position | undefined>
  /** Appends after the newest event known here. @throws Conflict when another projector was quicker, Unanswered */
  append(event: CloudEvent, position: Position): Promise<void>
}

const AGAIN_MS = 500

const isNew = ({ seq, index }: Position, last: Position | undefined): boolean =>
  !last || seq > last.seq || (seq === last.seq && index > last.index)

/** Pure: the public facts of one journal record. The event's id is the key of the fact; a repeat has the same. */
export const cloudEvents = (tenant: string, { type, id, record }: Entry): readonly CloudEvent[] => {
  if (record instanceof Corrupt) return []
  const time = new Date(record.ts).toISOString()
  if ('refused' in record) return [refusedAtTheDoor(tenant, type, time, record)]
  const self = { type, id: id ?? '' }
  return record.em.map(({ i, ev: { type: fact, at: _, ...data } }) => ({
    ...base,
    id: keyOf(self, record.n, i),
    source: `/qm/${tenant}/${type}/${id}`,
    type: `quartermaster.${fact}.v1`,
    subject: id ?? '',
    time,
    correlationid: record.corr,
    causationid: record.cmd,
    ...(record.trace !== undefined && { traceparent: record.trace }),
    ...(record.who !== undefined && { principal: record.who }),
    data,
  }))
}

/** `$Open` is not a command: the actor itself may not act any more. */
const refusedAtTheDoor = (tenant: string, type: string, time: string, { refused, cmd, who }: Refusal): CloudEvent => {
  const { verb, id, reason } = refused
  const isQuarantine = verb === '$Open'
  return {
    ...base,
    id: `${type}/refused/${cmd}`,
    source: `/qm/${tenant}/${type}`,
    type: `quartermaster.${type}.${isQuarantine ? 'ActorQuarantined' : 'CommandRefused'}.v1`,
    subject: id ?? tenant,
    time,
    correlationid: cmd,
    ...(who !== undefined && { principal: who }),
    data: isQuarantine ? { id, reason } : { command: `${type}.${verb}`, id, cmd, reason },
  }
}
const base = { specversion: '1.0', datacontenttype: 'application/json' } as const

/** `cluster.PhaseEntered` of `quartermaster.cluster.PhaseEntered.v1`: what the subject is named by. */
export const factOf = ({ type }: CloudEvent): string => type.replace(/^quartermaster\./, '').replace(/\.v\d+$/, '')

/** Publishes the journal's facts, in order and each once: it goes on after the newest event that is there. */
export const project = async (
  tenant: string,
  journal: Journal,
  events: EventLog,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
): Promise<void> => {
  while (!signal.aborted) {
    try {
      const last = await events.last()
      for await (const entry of journal.follow((last?.seq ?? 1) - 1, signal)) {
        const { record } = entry
        if (record instanceof Corrupt) {
          log.error({ seq: entry.seq, err: failureOf(record) }, 'a record of the journal is passed over')
          continue
        }
        for (const [index, event] of cloudEvents(tenant, entry).entries())
          if (isNew({ seq: entry.seq, index }, last) && clock.now() - record.ts < events.keptMs)
            await events.append(event, { seq: entry.seq, index })
      }
    } catch (error) {
      if (signal.aborted) return
      log.warn({ err: failureOf(error) }, 'projector starts again after the newest event')
      await pause(clock, AGAIN_MS, signal)
    }
  }
}
