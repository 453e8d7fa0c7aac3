import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectionOptions, connect, ErrorCode, type NatsConnection, NatsError } from 'nats'

export type Reach = {
  /** So long the first answer of JetStream is waited for, ms: a cluster that starts elects its leader first. */
  readonly patienceMs?: number
}

const PATIENCE_MS = 30_000
const AGAIN_MS = 250

/**
 * A connection that never gives up, to a NATS that has JetStream.
 * @throws Error that says which server, why, and what to do
 */
export const reach = async (options: ConnectionOptions, { patienceMs = PATIENCE_MS }: Reach = {}): Promise<NatsConnection> => {
  const where = [options.servers ?? 'nats://127.0.0.1:4222'].flat().join(', ')
  const nc = await connect({ ...options, maxReconnectAttempts: -1 }).catch((error: unknown) => {
    throw new Error(`${unreached(where, error)}`, { cause: error })
  })
  try {
    await answering(nc, where, patienceMs)
    return nc
  } catch (error) {
    await nc.close()
    throw error
  }
}

const unreached = (where: string, error: unknown): string => {
  const code = error instanceof NatsError ? error.code : ''
  if (code === ErrorCode.AuthorizationViolation || code === ErrorCode.AuthenticationExpired)
    return `NATS at ${where} refuses this user: set NATS_NKEY to the file of a seed that it knows`
  return `no NATS answers at ${where} (${error instanceof Error ? error.message : String(error)}): start it, or correct NATS_URL`
}

const answering = async (nc: NatsConnection, where: string, patienceMs: number): Promise<void> => {
  for (const until = performance.now() + patienceMs; ; await sleep(AGAIN_MS)) {
    const refusal = await nc.jetstreamManager().then(
      () => undefined,
      (error: unknown) => error,
    )
    if (refusal === undefined) return
    const code = refusal instanceof NatsError ? refusal.code : ''
    if (code === ErrorCode.JetStreamNotEnabled && !nc.info?.jetstream)
      throw new Error(`NATS at ${where} has no JetStream: start it with --jetstream, or set NATS_URL to one that has it`, {
        cause: refusal,
      })
    if (performance.now() > until)
      throw new Error(
        `JetStream at ${where} does not answer (${(refusal as Error).message}): look whether its cluster has a leader (nats server report jetstream)`,
        { cause: refusal },
      )
  }
}
