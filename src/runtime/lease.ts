import { type Clock, pause, systemClock } from './clock.ts'
import { failureOf } from './effects.ts'
import type { Log } from './ground.ts'
import type { Lease, Leases } from './inbox.ts'
import { STEP_MS } from './licence.ts'

/** A lease as it is stored. Who writes over it names the version that he has read. */
export type LeaseRecord = {
  readonly version: string
  /** Undefined: released. */
  readonly holder: string | undefined
  /** The holder may be silent for so long. */
  readonly leaseMs: number
}

/** Where leases are stored. Writes are refused when the record is no longer the one that was read. */
export type LeaseStore<Record extends LeaseRecord> = {
  /** Undefined: there is none. @throws when nobody answers */
  read(type: string, signal: AbortSignal): Promise<Record | undefined>
  /** Writes over what was read. @throws when it is no longer that, or nobody answers: then it may have been written */
  write(type: string, held: Held, over: Record | undefined, signal: AbortSignal): Promise<Record>
  /** Gives the record back, so that the next one need not wait. @throws as `write` does */
  release(type: string, over: Record, signal: AbortSignal): Promise<void>
  /** Calls after every change until the signal aborts. One too many or too late costs time and nothing else. */
  watch(type: string, onChange: () => void, signal: AbortSignal): Promise<void>
}
type Held = { readonly holder: string; readonly leaseMs: number }

/** Milliseconds: a holder is outlived after `leaseMs` of silence, and has given up by itself after `loseMs`. */
export type LeaseTiming = { readonly leaseMs: number; readonly loseMs: number; readonly renewMs: number }

export type LeaseOptions = { readonly timing?: LeaseTiming; readonly clock?: Clock; readonly log?: Pick<Log, 'warn'> }

const TOLD_MS = 30_000

/**
 * Leases over any store that compares before it writes. No two clocks are compared: a waiter counts from when it saw the
 * record change, a holder from when it sent the last renewal that was answered, which is earlier.
 */
export const createLeases = <Record extends LeaseRecord>(
  store: LeaseStore<Record>,
  { timing, clock = systemClock, log }: LeaseOptions & { readonly timing: LeaseTiming },
): Leases => {
  /** Of every type ever taken: until when a request of an earlier holder may be under way. */
  const quiet = new Map<string, number>()
  const limited = <T>(request: (signal: AbortSignal) => Promise<T>): Promise<T> => within(clock, timing.renewMs * 2, request)
  const read = (type: string): Promise<Record | undefined> => limited((signal) => store.read(type, signal))
  const write = (type: string, holder: string, over: Record | undefined): Promise<Record> =>
    limited((signal) => store.write(type, { holder, leaseMs: timing.leaseMs }, over, signal))

  const claim = async (type: string, own: string, over: Record | undefined): Promise<Taken<Record>> => {
    const at = clock.monotonic()
    if (over?.holder === undefined) quiet.set(type, at)
    else if (over.holder !== own) quiet.set(type, at + STEP_MS)
    return { record: await write(type, own, over), at }
  }

  const take = async (type: string, own: string, signal: AbortSignal): Promise<Taken<Record>> => {
    const waiting = new AbortController()
    const complain = complaints(clock, log, type)
    let changed = new AbortController()
    void store.watch(type, () => changed.abort(), AbortSignal.any([waiting.signal, signal]))
    let seen: { readonly version: string | undefined; readonly since: number } | undefined
    try {
      for (;;) {
        signal.throwIfAborted()
        changed = new AbortController()
        try {
          const record = await read(type)
          if (!seen || seen.version !== record?.version) seen = { version: record?.version, since: clock.monotonic() }
          signal.throwIfAborted()
          const wait = silenceLeft(record, own, clock.monotonic() - seen.since)
          if (wait <= 0) return await claim(type, own, record)
          complain()
          await pause(clock, wait, AbortSignal.any([changed.signal, signal]))
        } catch (error) {
          complain(error)
          await pause(clock, timing.renewMs / 4, signal)
        }
      }
    } finally {
      waiting.abort()
    }
  }

  const hold = (type: string, own: string, taken: Taken<Record>, signal: AbortSignal): Lease => {
    const lost = new AbortController()
    const ended = new AbortController()
    const stopped = AbortSignal.any([ended.signal, signal])
    const quietAt = quiet.get(type) ?? clock.monotonic()
    let record = taken.record
    const lose = (why: string): void => {
      if (ended.signal.aborted) return
      quiet.set(type, clock.monotonic() + STEP_MS)
      ended.abort()
      disarm()
      lost.abort(new Error(`the lease of ${type} is lost: ${why}`))
    }
    const arm = (at: number): (() => void) =>
      clock.after(Math.max(0, at + timing.loseMs - clock.monotonic()), () =>
        lose(`no renewal was answered for ${timing.loseMs} ms`),
      )
    let disarm = arm(taken.at)

    const renew = async (): Promise<number> => {
      const at = clock.monotonic()
      try {
        record = await write(type, own, record)
        if (ended.signal.aborted) return 0
        disarm()
        disarm = arm(at)
        return Math.max(0, timing.renewMs - (clock.monotonic() - at))
      } catch {
        // A lost race and a lost answer look alike, and only the record tells them apart.
        const found = await read(type).catch(() => 'unanswered' as const)
        if (found === 'unanswered') return timing.renewMs / 4
        if (found?.holder !== own) lose(found?.holder === undefined ? 'it was taken away' : `${found.holder} has taken it`)
        else record = found
        return timing.renewMs / 4
      }
    }
    const renewing = (async () => {
      let wait = timing.renewMs
      while (!stopped.aborted) {
        await pause(clock, wait, stopped)
        if (!stopped.aborted) wait = await renew()
      }
    })()

    return {
      lost: lost.signal,
      quietAt,
      release: async () => {
        ended.abort()
        disarm()
        await renewing
        // Given back before it was quiet, the next holder would not know: it has to outlive us.
        if (lost.signal.aborted || clock.monotonic() < quietAt) return
        await giveBack(type, own, record)
      },
    }
  }

  const giveBack = async (type: string, own: string, record: Record): Promise<void> => {
    const release = (over: Record): Promise<void> => limited((signal) => store.release(type, over, signal))
    try {
      await release(record)
    } catch {
      const found = await read(type).catch(() => undefined) // unanswered: it runs out by itself
      if (found?.holder === own) await release(found).catch(() => {}) // likewise
    }
  }

  return { acquire: async (type, own, signal) => hold(type, own, await take(type, own, signal), signal) }
}

type Taken<Record> = { readonly record: Record; readonly at: number }

/** How long the record's holder has to be waited for yet, ms. */
const silenceLeft = (record: LeaseRecord | undefined, own: string, silentMs: number): number =>
  record?.holder === undefined || record.holder === own ? 0 : record.leaseMs - silentMs

/** Tells of failures that last, and not too often: one alone is a lost race. */
const complaints = (clock: Clock, log: Pick<Log, 'warn'> | undefined, type: string): ((error?: unknown) => void) => {
  let failures = 0
  let toldAt = Number.NEGATIVE_INFINITY
  return (error) => {
    failures = error === undefined ? 0 : failures + 1
    if (failures < 2 || clock.monotonic() - toldAt < TOLD_MS) return
    toldAt = clock.monotonic()
    log?.warn({ type, err: failureOf(error) }, 'the lease can not be read or written, trying again')
  }
}

/** Gives up on a request after so many milliseconds, whether or not it heeds the signal. */
const within = <T>(clock: Clock, ms: number, request: (signal: AbortSignal) => Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const limit = new AbortController()
    const cancel = clock.after(ms, () => {
      limit.abort(new Error(`no answer within ${ms} ms`))
      reject(limit.signal.reason as Error)
    })
    void request(limit.signal).then(resolve, reject).finally(cancel)
  })
