import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamClient, JSONCodec, type KV, type KvEntry } from 'nats'
import type { Leases } from '../../runtime/inbox.ts'
import { createLeases, type LeaseOptions, type LeaseRecord, type LeaseStore, type LeaseTiming } from '../../runtime/lease.ts'
import { asked } from './errors.ts'

const BUCKET = 'leases'
/** Four seconds outlast a restart of NATS, and as a rule the election of a new leader. */
const TIMING: LeaseTiming = { leaseMs: 5_000, loseMs: 4_000, renewMs: 1_000 }
const WATCH_AGAIN_MS = 1_000

/** `leaseMs` is missing in what older versions wrote. */
const holders = JSONCodec<{ readonly own: string; readonly leaseMs?: number }>()

/** One lease per actor type in a KV bucket: its revision is what is compared and watched. */
export const kvLeases = async (js: JetStreamClient, options: LeaseOptions = {}): Promise<Leases & { clear(): Promise<void> }> => {
  const kv = await asked(BUCKET, () => js.views.kv(BUCKET, { history: 1 }))
  return {
    ...createLeases(kvStore(kv), { timing: TIMING, ...options }),
    /** For a start that has made sure that no other process is alive: nothing to wait for. */
    clear: async () => {
      // The keys first: whoever changes the bucket while they come is given no more of them.
      for (const key of await Array.fromAsync(await kv.keys())) await kv.purge(key)
    },
  }
}

const kvStore = (kv: KV): LeaseStore<LeaseRecord> => ({
  read: async (type) => {
    const entry = await kv.get(type)
    return entry ? recordOf(entry) : undefined
  },
  write: async (type, { holder, leaseMs }, over) => {
    const previousSeq = over === undefined ? 0 : Number(over.version)
    const revision = await kv.put(type, holders.encode({ own: holder, leaseMs }), { previousSeq })
    return { version: String(revision), holder, leaseMs }
  },
  release: (type, { version }) => kv.purge(type, { previousSeq: Number(version) }),
  watch: async (type, onChange, signal) => {
    while (!signal.aborted) {
      await untilItEnds(kv, type, onChange, signal).catch(() => {}) // without the watch only time wakes the waiter
      await sleep(WATCH_AGAIN_MS, undefined, { signal, ref: false }).catch(() => {})
      onChange()
    }
  },
})

/** A purged key leaves a marker, whose revision the next holder writes over. */
const recordOf = ({ revision, operation, value }: KvEntry): LeaseRecord => {
  const { own, leaseMs } = operation === 'PUT' ? holders.decode(value) : { own: undefined, leaseMs: undefined }
  return { version: String(revision), holder: own, leaseMs: leaseMs ?? TIMING.leaseMs }
}

const untilItEnds = async (kv: KV, type: string, onChange: () => void, signal: AbortSignal): Promise<void> => {
  const changes = await kv.watch({ key: type })
  const stop = (): void => changes.stop()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    for await (const _ of changes) onChange()
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
