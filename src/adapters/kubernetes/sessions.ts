import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { Agent } from 'undici'
import { Unavailable } from '../../ports.ts'
import type { Access, Credentials } from './access.ts'

/** Who we are, and connections on which that was said. */
export type Session = { readonly agent: Agent; readonly credentials: Credentials }

export type Sessions = {
  /**
   * The session to ask with. All who want one at the same time get the same.
   * @param refused the session with which the API did not know us (401): a newer one, unless there was one just now
   * @throws Unavailable while there are no credentials
   */
  session(refused?: Session): Promise<Session>
  close(): Promise<void>
}

/** Kubernetes' tokens live ten minutes at least: this is often enough, and a 401 renews at once. */
const CREDENTIALS_MS = 30_000
/** Credentials that the API refuses are not renewed more often, nor asked for again sooner when there are none: each time may be a process. */
const REFUSED_MS = 5_000
const FAILED_MS = 1_000
/** A plugin may ask a person or a cloud; one that hangs is given up. */
const PATIENCE_MS = 30_000

// HTTP/1.1: a watch on a dead connection then ends alone, while one dead HTTP/2 session takes every request with it. The
// kernel asks an idle peer after five seconds, so that an open watch means a living peer. Each of some 50 kinds holds a
// connection for its watch; they are opened as they are needed.
const AGENT = { allowH2: false, connections: 128, keepAliveTimeout: 30_000, headersTimeout: 0, bodyTimeout: 0 } as const
const CONNECT = { timeout: 5_000, keepAlive: true, keepAliveInitialDelay: 5_000 } as const

/** @param now monotonic ms */
export const openSessions = (access: Access, now: () => number = () => performance.now()): Sessions => {
  const opened = new Set<Agent>()
  let current: Session | undefined
  let asking: Promise<Session> | undefined
  let failure: { readonly error: unknown; readonly until: number } | undefined
  let [until, renewedAt] = [0, -Infinity]

  // A new certificate needs new connections; the old ones end when their last answer does.
  const agentFor = (credentials: Credentials): Agent => {
    if (current && isDeepStrictEqual(tlsOf(current.credentials), tlsOf(credentials))) return current.agent
    const agent = new Agent({ ...AGENT, connect: { ...CONNECT, ...tlsOf(credentials) } })
    opened.add(agent)
    const previous = current?.agent
    if (previous) void previous.close().finally(() => opened.delete(previous))
    return agent
  }
  const ask = async (): Promise<Session> => {
    try {
      const credentials = await within(access.credentials())
      current = { agent: agentFor(credentials), credentials }
      until = now() + CREDENTIALS_MS
      return current
    } catch (error) {
      failure = { error, until: now() + FAILED_MS }
      throw error
    }
  }
  const renew = async (): Promise<Session> => {
    if (failure && now() < failure.until) throw failure.error
    asking ??= ask().finally(() => {
      asking = undefined
    })
    return asking
  }

  return {
    session: async (refused) => {
      if (asking) return asking
      if (refused === undefined) return current && now() < until ? current : renew()
      if (current && (current !== refused || now() - renewedAt < REFUSED_MS)) return current
      renewedAt = now()
      return renew()
    },
    close: async () => {
      await Promise.all([...opened].map((agent) => agent.destroy()))
    },
  }
}

const tlsOf = ({ headers: _, ...tls }: Credentials): Omit<Credentials, 'headers'> => tls

const within = async (credentials: Promise<Credentials>): Promise<Credentials> => {
  const end = new AbortController()
  const late = sleep(PATIENCE_MS, undefined, { signal: end.signal, ref: false }).then(() => {
    throw new Unavailable(`no credentials within ${PATIENCE_MS} ms: does the kubeconfig's plugin hang?`)
  })
  late.catch(() => {}) // it is awaited below, or nobody waits any more
  try {
    return await Promise.race([credentials, late])
  } finally {
    end.abort()
  }
}
