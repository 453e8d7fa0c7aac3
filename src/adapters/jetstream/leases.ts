import { type JetStreamClient, JSONCodec, type KV, type KvEntry } from 'nats'
import type { Leases } from '../../runtime/inbox.ts'
import { asked } from './errors.ts'

const BUCKET = 'leases'
/** A lease that its holder has not renewed for so long, on the waiter's own clock, may be taken. */
const LEASE_MS = 3_000
const RENEW_MS = 1_000
const holders = JSONCodec<{ readonly own: string }>()
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * One lease per actor type in a KV bucket. The time in it is never read: a waiter watches whether the revision changes,
 * so clocks need not agree. That two holders never both write is the journal's fence; this makes it calm.
 */
export const kvLeases = async (js: JetStreamClient): Promise<Leases & { clear(): Promise<void> }> => {
  const kv = await asked(BUCKET, () => js.views.kv(BUCKET, { history: 1 }))
  return {
    acquire: async (type, own, signal) => {
      const revision = await take(kv, type, own, signal)
      const lost = new AbortController()
      const released = new AbortController()
      void keep(kv, type, own, revision, lost, AbortSignal.any([released.signal, signal]))
      return {
        lost: lost.signal,
        release: async () => {
          released.abort()
          if (!lost.signal.aborted) await kv.purge(type).catch(() => {}) // it runs out by itself
        },
      }
    },
    /** For a start that has made sure that no other process is alive: nothing to wait for. */
    clear: async () => {
      for await (const key of await kv.keys()) await kv.purge(key)
    },
  }
}

const take = async (kv: KV, type: string, own: string, signal: AbortSignal): Promise<number> => {
  let seen: { readonly revision: number; readonly since: number } | undefined
  for (;;) {
    signal.throwIfAborted()
    const held = await kv.get(type).catch(() => undefined)
    const entry = held?.operation === 'PUT' ? held : undefined
    if (seen?.revision !== entry?.revision) seen = entry && { revision: entry.revision, since: performance.now() }
    const free = held !== undefined && (!entry || performance.now() - (seen?.since ?? Infinity) > LEASE_MS)
    const revision = free || held === null ? await claim(kv, type, own, entry) : undefined
    if (revision !== undefined) return revision
    await pause(RENEW_MS / 4)
  }
}

/** Undefined: somebody else was quicker, or NATS did not answer. */
const claim = (kv: KV, type: string, own: string, entry: KvEntry | undefined): Promise<number | undefined> => {
  const value = holders.encode({ own })
  return (entry ? kv.update(type, value, entry.revision) : kv.create(type, value)).catch(() => undefined)
}

const keep = async (
  kv: KV,
  type: string,
  own: string,
  first: number,
  lost: AbortController,
  ended: AbortSignal,
): Promise<void> => {
  let revision = first
  while (!ended.aborted) {
    await pause(RENEW_MS)
    if (ended.aborted) return
    try {
      revision = await kv.update(type, holders.encode({ own }), revision)
    } catch {
      // No answer: nobody else can take it either while NATS is away, and the licence holds disruptive work back.
      const entry = await kv.get(type).catch(() => undefined)
      if (entry === undefined) continue
      if (entry?.operation !== 'PUT' || holders.decode(entry.value).own !== own)
        return lost.abort(new Error(`the lease of ${type} was taken`))
      revision = entry.revision
    }
  }
}
