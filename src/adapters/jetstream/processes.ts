import { type JetStreamClient, JSONCodec } from 'nats'
import type { BrakeReport } from '../../events/cluster.ts'
import type { Processes } from '../../ports.ts'
import { asked } from './errors.ts'

/** What a process says of itself every second. */
export type ProcessState = {
  readonly types: readonly string[]
  readonly seen: number
  readonly inFlight: number
}

const BUCKET = 'processes'
/** Longer than CERTAIN_MS: who was cut off counts as unanswered until nothing of it can be under way. */
const FORGOTTEN_MS = 15_000
const LOOK_MS = 100
/** A licence lives for three seconds and a request for ten: after that nothing can be under way anywhere. */
const CERTAIN_MS = 13_000
const states = JSONCodec<ProcessState>()

/** The processes of this system in a KV bucket whose entries vanish when nobody renews them. */
export const kvProcesses = async (
  js: JetStreamClient,
): Promise<Processes & { announce(own: string, state: ProcessState): Promise<void>; clear(): Promise<void> }> => {
  const kv = await asked(BUCKET, () => js.views.kv(BUCKET, { history: 1, ttl: FORGOTTEN_MS }))
  const all = async (): Promise<readonly ProcessState[]> => {
    const found: ProcessState[] = []
    for await (const key of await kv.keys()) {
      const entry = await kv.get(key)
      if (entry?.operation === 'PUT') found.push(states.decode(entry.value))
    }
    return found
  }
  return {
    announce: async (own, state) => {
      await kv.put(own, states.encode(state))
    },
    /** For a start that has made sure that no other process is alive. */
    clear: async () => {
      for await (const key of await kv.keys()) await kv.purge(key)
    },
    awaitSeen: async (n, signal) => {
      const certainAt = performance.now() + CERTAIN_MS
      for (;;) {
        signal?.throwIfAborted()
        const report = reported(await all(), n)
        if ((report.unanswered === 0 && report.inFlight === 0) || performance.now() > certainAt) return report
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      }
    },
  }
}

const reported = (processes: readonly ProcessState[], n: number): BrakeReport => ({
  processes: processes.length,
  unanswered: processes.filter(({ seen }) => seen < n).length,
  inFlight: processes.reduce((sum, { inFlight }) => sum + inFlight, 0),
})
