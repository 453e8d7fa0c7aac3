import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { headers, type JetStreamManager, NatsError } from 'nats'
import { Superseded } from '../../ports.ts'
import { Conflict, Unanswered } from '../../runtime/journal.ts'
import { translated } from './errors.ts'
import { DELETED, lastOn, OBJECTS } from './objects-stream.ts'
import type { Message, Publish } from './publish.ts'

/** Empty bytes are a tombstone. */
export type Payload = Uint8Array

/** Room for writes in flight, shared by all kinds of one process. */
export type Room = { readonly take: () => boolean; readonly give: () => void; readonly whenFree: (run: () => void) => void }

export const room = (size: number): Room => {
  let used = 0
  const waiting = new Set<() => void>()
  return {
    take: () => {
      if (used >= size) return false
      used += 1
      return true
    },
    give: () => {
      used -= 1
      const [first] = waiting
      if (first === undefined) return
      waiting.delete(first)
      first()
    },
    whenFree: (run) => {
      waiting.add(run)
    },
  }
}

/** What is to follow the record with sequence `expected` (0: none). */
export type Next = { readonly subject: string; readonly payload: Payload; readonly expected: number }

export type Fenced = {
  /**
   * Writes one record after the one with sequence `expected` (0: none), and comes back with its sequence when it is
   * known to be stored. Waits out any outage of NATS. `isOwner` judges a conflict: the owner writes again over a zombie's record.
   * @throws Superseded when another writer was there
   */
  write(subject: string, payload: Payload, expected: number, isOwner: () => Promise<boolean>): Promise<number>
  /**
   * The same for records of different subjects, stored together if nothing stands against it: then a thousand take one
   * acknowledgement. Otherwise each for itself, so that one conflict holds up none but its own. @returns their sequences
   */
  writeAll(records: readonly Next[], isOwner: () => Promise<boolean>): Promise<readonly number[]>
  /** Asks until NATS answers. */
  ask<T>(request: () => Promise<T>): Promise<T>
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

/** Publishing to OBJECTS where nothing is overwritten that was not read: the expected sequence is the fence. */
export const fenced = (publish: Publish, jsm: JetStreamManager, signal: AbortSignal): Fenced => {
  const store = async (record: Next): Promise<number> => {
    const { subject, payload, headers } = fencedMessage(record)
    return (await publish(subject, payload, headers)).seq
  }
  /** @returns the sequences; undefined if the answer is not that of a batch */
  const storeAll = async (records: readonly Next[]): Promise<readonly number[] | undefined> => {
    const batch = batched(records)
    const last = batch.pop()
    if (last === undefined) return []
    const { seq, count } = await publish(last.subject, last.payload, last.headers, batch)
    return count === records.length ? records.map((_, index) => seq - count + 1 + index) : undefined
  }

  // Half of it random: hundreds of writes may wait for one server.
  const pause = (ms: number): Promise<void> => sleep(ms / 2 + (Math.random() * ms) / 2, undefined, { signal, ref: false })

  const ask = async <T>(request: () => Promise<T>): Promise<T> => {
    for (let ms = FIRST_PAUSE_MS; ; ms = Math.min(ms * 2, LONGEST_PAUSE_MS)) {
      try {
        return await request()
      } catch (error) {
        signal.throwIfAborted()
        if (!isTransient(error)) throw error
      }
      await pause(ms)
    }
  }

  const follow = async (
    { subject, payload, expected }: Next,
    isOwner: () => Promise<boolean>,
    isDoubtful: boolean,
  ): Promise<number> => {
    let after = expected
    let mayHaveLanded = isDoubtful
    for (;;) {
      signal.throwIfAborted()
      try {
        return await store({ subject, payload, expected: after })
      } catch (error) {
        const reason = translated(error, `${OBJECTS} ${subject}`)
        if (!(reason instanceof Conflict) && !isTransient(reason)) throw reason
        mayHaveLanded ||= !(reason instanceof Conflict)
      }
      // Never again without the answer: a publish that timed out may have landed, or may land yet. If it lands after
      // the answer, the next one conflicts, and the answer to that is our own record.
      const last = await ask(() => lastOn(jsm, subject))
      if (mayHaveLanded && last !== undefined && last.seq > after && isSame(last.data, payload)) return last.seq
      if (last !== undefined && last.seq !== after && !(await ask(isOwner)))
        throw new Superseded(
          `${OBJECTS} ${subject}: another agent writes this cluster's objects (sequence ${last.seq}, not ${after}); this one stops`,
        )
      after = last?.seq ?? 0
      await pause(FIRST_PAUSE_MS)
    }
  }

  const writeAll: Fenced['writeAll'] = async (records, isOwner) => {
    signal.throwIfAborted()
    let mayHaveLanded = true
    try {
      const stored = await storeAll(records)
      if (stored) return stored
    } catch (error) {
      mayHaveLanded = isTransient(translated(error, OBJECTS))
    }
    // If the batch lands after one of these, it conflicts with it and is stored in no part.
    return Promise.all(records.map((record) => follow(record, isOwner, mayHaveLanded)))
  }
  return { write: (subject, payload, expected, isOwner) => follow({ subject, payload, expected }, isOwner, false), writeAll, ask }
}

const fencedMessage = ({ subject, payload, expected }: Next): Message => {
  const fence = headers()
  fence.append('Nats-Expected-Last-Subject-Sequence', `${expected}`)
  if (payload.length === 0) fence.append(DELETED, '1')
  return { subject, payload, headers: fence }
}

/** As one batch: all are stored at once, in a row, or none is (ADR-50 of NATS). */
const batched = (records: readonly Next[]): Message[] => {
  const id = randomUUID()
  return records.map((record, index) => {
    const message = fencedMessage(record)
    message.headers.append('Nats-Batch-Id', id)
    message.headers.append('Nats-Batch-Sequence', `${index + 1}`)
    if (index === records.length - 1) message.headers.append('Nats-Batch-Commit', '1')
    return message
  })
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

const HOPELESS: ReadonlySet<string> = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_DRAINING',
  'PERMISSIONS_VIOLATION',
  'AUTHORIZATION_VIOLATION',
  'MAX_PAYLOAD_EXCEEDED',
])

/** Whether waiting helps: it does not mend a connection that was closed for good, or a missing permission. */
const isTransient = (error: unknown): boolean => {
  if (!(error instanceof Unanswered)) return false
  return !(error.cause instanceof NatsError && HOPELESS.has(error.cause.code))
}
