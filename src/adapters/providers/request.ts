import { Agent, request } from 'undici'
import type { Cloud } from '../../events/provider.ts'
import { Unavailable } from '../../ports.ts'

type Call = { readonly method?: 'GET' | 'PUT'; readonly headers?: Readonly<Record<string, string>> }
type Answer = { readonly text: string; readonly header: (name: string) => string | undefined }

/** Asks one metadata service. Undefined: it has no such thing (404). @throws Unavailable */
export type Ask = (path: string, call?: Call) => Promise<Answer | undefined>

/** The service is on the machine itself: what takes longer is not there, or is somebody else. */
const ANSWER_MS = 1_000
const ANSWER_BYTES = 64 * 1024

/**
 * Asks the metadata service at `base`: directly, whatever proxy the environment names, and following no redirect.
 * @param base `http://169.254.169.254`, without a slash at its end
 */
export const asking = async <T>(
  cloud: Cloud,
  base: string,
  signal: AbortSignal | undefined,
  work: (ask: Ask) => Promise<T>,
): Promise<T> => {
  const agent = new Agent({ connections: 8, maxResponseSize: ANSWER_BYTES, connect: { timeout: ANSWER_MS } })
  const ask: Ask = async (path, { method = 'GET', headers = {} } = {}) => {
    const limit = AbortSignal.timeout(ANSWER_MS)
    try {
      const answer = await request(base + path, {
        dispatcher: agent,
        method,
        headers,
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      })
      const text = await answer.body.text()
      if (answer.statusCode === 404) return undefined
      if (answer.statusCode !== 200) throw new Unavailable(`it answers ${path} with ${answer.statusCode}`)
      return { text, header: (name) => answer.headers[name]?.toString() }
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      const reason = limit.aborted ? `no answer within ${ANSWER_MS} ms` : reasonOf(error)
      throw new Unavailable(`the metadata service of ${cloud} at ${base}: ${reason}`, { cause: error })
    }
  }
  try {
    return await work(ask)
  } finally {
    await agent.destroy()
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof AggregateError
    ? error.errors.map(reasonOf).join(', ')
    : error instanceof Error
      ? error.message || error.name
      : String(error)

/** The error for an answer in which there is no sense. */
export const nonsense = (cloud: Cloud, what: string, cause?: unknown): Unavailable =>
  new Unavailable(`the metadata service of ${cloud}: ${what}; is it another server?`, { cause })
