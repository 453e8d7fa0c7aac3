import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamClient, type JetStreamManager, JSONCodec, type KV } from 'nats'
import type { BrakeReport } from '../../events/cluster.ts'
import type { Processes } from '../../ports.ts'
import { LICENCE_MS, STEP_MS } from '../../runtime/licence.ts'
import { asked } from './errors.ts'

/** What a process says of itself every second. */
type ProcessState = {
  readonly types: readonly string[]
  readonly seen: number
  readonly inFlight: number
}

export type KvProcesses = Processes & {
  announce(own: string, state: ProcessState): Promise<void>
  /** For a process that ends in order: nothing of it can be under way any more. */
  withdraw(own: string): Promise<void>
  /** For a start that has made sure that no other process is alive. */
  clear(): Promise<void>
}

const BUCKET = 'processes'
const STREAM = `KV_${BUCKET}`
const PREFIX = `$KV.${BUCKET}.`
/** After that nothing can be under way anywhere: the last licence has run out, and the last request after it. */
const CERTAIN_MS = LICENCE_MS + STEP_MS
/** Longer than CERTAIN_MS: who was cut off counts as unanswered until nothing of it can be under way. */
const FORGOTTEN_MS = CERTAIN_MS + 2_000
const LOOK_AGAIN_MS = 250
const states = JSONCodec<ProcessState>()

/** The processes of this system in a KV bucket whose entries vanish when nobody renews them. */
export const kvProcesses = async (js: JetStreamClient): Promise<KvProcesses> => {
  const kv = await asked(BUCKET, () => js.views.kv(BUCKET, { history: 1, ttl: FORGOTTEN_MS }))
  const jsm = await js.jetstreamManager()
  return {
    announce: async (own, state) => {
      await kv.put(own, states.encode(state))
    },
    withdraw: (own) => kv.purge(own),
    clear: async () => {
      // The keys first: whoever changes the bucket while they come is given no more of them.
      for (const key of await Array.fromAsync(await kv.keys())) await kv.purge(key)
    },
    awaitSeen: async (n, signal) => {
      const certainAt = performance.now() + CERTAIN_MS
      const known = new Map<string, ProcessState>()
      // Whoever was there when the brake was put on is counted, also when its entry vanishes meanwhile.
      for (let report = await look(kv, jsm, known, n, signal); ; report = await look(kv, jsm, known, n, signal)) {
        if (report && isQuiet(report)) return report
        const left = certainAt - performance.now()
        if (report && left <= 0) return report
        await sleep(LOOK_AGAIN_MS, undefined, { signal, ref: false })
      }
    },
  }
}

const isQuiet = ({ unanswered, inFlight }: BrakeReport): boolean => unanswered === 0 && inFlight === 0

/** Brings `known` up to date. Undefined: NATS did not answer, nothing is known for sure. */
const look = async (
  kv: KV,
  jsm: JetStreamManager,
  known: Map<string, ProcessState>,
  n: number,
  signal: AbortSignal | undefined,
): Promise<BrakeReport | undefined> => {
  signal?.throwIfAborted()
  try {
    await readInto(kv, jsm, known)
  } catch {
    return undefined // the next look asks again, until the effect's own time is over
  }
  const processes = [...known.values()]
  return {
    processes: processes.length,
    unanswered: processes.filter(({ seen }) => seen < n).length,
    inFlight: processes.reduce((sum, { inFlight }) => sum + inFlight, 0),
  }
}

const readInto = async (kv: KV, jsm: JetStreamManager, known: Map<string, ProcessState>): Promise<void> => {
  const { state } = await jsm.streams.info(STREAM, { subjects_filter: `${PREFIX}>` })
  for (const subject of Object.keys(state.subjects ?? {})) {
    const key = subject.slice(PREFIX.length)
    const entry = await kv.get(key)
    if (entry?.operation === 'PUT') known.set(key, states.decode(entry.value))
    else if (entry) known.delete(key) // it ended in order
  }
}
