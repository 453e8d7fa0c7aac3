import { request } from 'undici'
import { z } from 'zod'
import { Gone, Refused, Unavailable } from '../../ports.ts'
import { askAgain } from '../../runtime/licence.ts'

type Api = {
  /** For people: `Google Cloud`. */
  readonly cloud: string
  /** Without a slash at its end. */
  readonly base: string
  readonly token: (signal: AbortSignal) => Promise<string>
}

/** One request to a cloud whose API is JSON with a bearer token. @throws Gone (404), Refused, Unavailable */
export type Rest = <A>(
  method: 'GET' | 'POST',
  path: string,
  answer: z.ZodType<A>,
  options?: { readonly body?: object; readonly signal?: AbortSignal | undefined },
) => Promise<A>

const TIMEOUT_MS = 9_000

// As Google and Azure both write them: cloud.google.com/apis/design/errors, learn.microsoft.com/rest/api/azure.
const Failure = z.object({
  error: z.object({
    code: z.union([z.string(), z.number()]).optional(),
    message: z.string().default(''),
    errors: z.array(z.object({ reason: z.string().default('') })).default([]),
  }),
})
/** Refusals by their status that pass by themselves. */
const PASSING = ['rateLimitExceeded', 'userRateLimitExceeded', 'resourceNotReady', 'operationInProgress']

export const restApi =
  ({ cloud, base, token }: Api): Rest =>
  async (method, path, answer, { body, signal } = {}) => {
    const limit = AbortSignal.timeout(TIMEOUT_MS)
    const either = signal ? AbortSignal.any([signal, limit]) : limit
    const what = `${method} ${path.split('?')[0]}`
    const silent = (error: unknown): never => {
      if (signal?.aborted) throw signal.reason
      throw new Unavailable(`${cloud} does not answer ${what}: ${told((error as Error).message)}`, { cause: error })
    }
    const authorization = `Bearer ${await token(either)}`
    if (signal?.aborted) throw signal.reason
    if (method === 'POST') askAgain()
    const {
      statusCode,
      headers,
      body: said,
    } = await request(base + path, {
      method,
      headers: { authorization, accept: 'application/json', ...(body && { 'content-type': 'application/json' }) },
      body: body ? JSON.stringify(body) : null,
      signal: either,
    }).catch(silent)
    const text = await said.text().catch(silent)
    if (statusCode < 200 || statusCode > 299) throw failure(cloud, what, statusCode, text, Number(headers['retry-after']))
    const result = answer.safeParse(jsonIn(text))
    if (result.success) return result.data
    // Its text is not repeated: an instance's metadata hold the node's own credentials.
    throw new Unavailable(`${cloud}: ${what}: the answer makes no sense: ${told(result.error.message)}`)
  }

const failure = (cloud: string, what: string, status: number, text: string, waitSeconds: number): Error => {
  const said = Failure.safeParse(jsonIn(text)).data?.error
  const message = `${cloud} answers ${what} with ${status}: ${told(said?.message ?? '') || 'no reason'}`
  // That something is not there proves that a machine is gone: the cloud has to say it, not whoever is on the way to it.
  if (status === 404 && said) return new Gone(message)
  const codes = [String(said?.code), ...(said?.errors.map(({ reason }) => reason) ?? [])]
  const passes =
    codes.some((code) => PASSING.includes(code)) || (status === 409 && /in.progress|another/i.test(said?.message ?? ''))
  if (!passes && said && status < 500 && ![408, 412, 429].includes(status)) return new Refused(message)
  return new Unavailable(message, { code: status, ...(waitSeconds > 0 && { retryAfterMs: waitSeconds * 1_000 }) })
}

const MOST_TOLD = 300
const isControl = (letter: string): boolean => letter < ' ' || letter === '\u007f'

/** What a cloud says, on one line and of a bounded length. */
export const told = (text: string): string =>
  [...text.slice(0, MOST_TOLD)].map((letter) => (isControl(letter) ? ' ' : letter)).join('')

const jsonIn = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // said by the schema, or nothing is expected
  }
}
