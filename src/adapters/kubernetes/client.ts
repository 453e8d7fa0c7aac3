import { type Dispatcher, request } from 'undici'
import { Unavailable } from '../../ports.ts'
import { askAgain } from '../../runtime/licence.ts'
import type { Access } from './access.ts'
import { textIn } from './answers.ts'
import { failureOf } from './failure.ts'
import { openSessions, type Session } from './sessions.ts'

type Call = {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly body?: unknown
  readonly contentType?: string
  /** What form of answer is asked for; by default plain JSON. */
  readonly accept?: string
  readonly signal?: AbortSignal | undefined
  /** For the whole answer, ms; at most and by default 10,000. */
  readonly timeoutMs?: number
}

/** One cluster's API over one pool of connections. Every failure is an error of ports.ts, an abort is the signal's reason. */
export type KubernetesClient = {
  /** The parsed answer. @throws Gone, Blocked, Refused, Unavailable, Expired (410); Held when it was not sent, for want of a licence */
  request(method: string, path: string, call?: Call): Promise<unknown>
  /** The answer as it was written, uncompressed. @throws as `request`, but not for what is no JSON */
  bytes(path: string, call?: Call): Promise<Buffer>
  /** The answer's body as it comes, without an end in time: only the head has ten seconds. */
  open(path: string, call?: Pick<Call, 'query' | 'signal'>): Promise<Dispatcher.ResponseData['body']>
  close(): Promise<void>
}

const TIMEOUT_MS = 10_000

/** Hears of every answer: of the head alone where the body has no end. No code: there was none. */
export type OnAnswer = (verb: Verb, code: number | undefined, ms: number) => void
/** Kubernetes' own word for what is asked; a GET with a query is a list. */
type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete'

/** @param longestMs how long an answer is waited for at most */
export const kubernetesClient = (access: Access, onAnswer?: OnAnswer, longestMs = TIMEOUT_MS): KubernetesClient => {
  const server = access.server.replace(/\/+$/, '')
  const sessions = openSessions(access)
  const encoding = access.isNear ? 'identity' : 'gzip'

  const sendWith = (
    { agent, credentials }: Session,
    method: string,
    path: string,
    call: Call,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> => {
    if (method !== 'GET') askAgain()
    return told(onAnswer, verbOf(method, call), () =>
      request(server + path, {
        dispatcher: agent,
        method: method as Dispatcher.HttpMethod,
        headers: { ...headersOf(call, encoding), ...credentials.headers },
        query: Object.fromEntries(Object.entries(call.query ?? {}).filter(([, value]) => value !== undefined)),
        body: call.body === undefined ? null : JSON.stringify(call.body),
        signal,
      }),
    )
  }

  const send = async (method: string, path: string, call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData> => {
    const session = await before(sessions.session(), signal)
    const answer = await sendWith(session, method, path, call, signal)
    if (answer.statusCode !== 401) return answer
    const newer = await before(sessions.session(session), signal)
    if (newer === session) return answer
    await answer.body.dump()
    return sendWith(newer, method, path, call, signal)
  }

  const whole = (method: string, path: string, call: Call): Promise<Buffer> => {
    const signal = limited(call.signal, Math.min(call.timeoutMs ?? longestMs, longestMs))
    return named(method, path, call.signal, async () => bytesOf(method, path, await send(method, path, call, signal)))
  }

  return {
    request: async (method, path, call = {}) => parsed(method, path, await whole(method, path, call)),
    bytes: (path, call = {}) => whole('GET', path, call),
    open: async (path, call = {}) => {
      const head = new AbortController()
      const timer = setTimeout(() => head.abort(new Unavailable(`GET ${path}: no answer within ${longestMs} ms`)), longestMs)
      const signal = call.signal ? AbortSignal.any([call.signal, head.signal]) : head.signal
      try {
        return await named('GET', path, call.signal, async () => {
          const answer = await send('GET', path, { query: call.query ?? {} }, signal)
          if (answer.statusCode === 200) return answer.body
          await bytesOf('GET', path, answer)
          throw new Unavailable(`GET ${path}: an answer with code ${answer.statusCode} is no stream`)
        })
      } finally {
        clearTimeout(timer)
      }
    },
    close: sessions.close,
  }
}

/** What a promise comes to, unless the signal aborts first: what asks for credentials knows no signal. */
const before = <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })

const told = async (
  onAnswer: OnAnswer | undefined,
  verb: Verb,
  send: () => Promise<Dispatcher.ResponseData>,
): Promise<Dispatcher.ResponseData> => {
  const startedAt = performance.now()
  let code: number | undefined
  try {
    const answer = await send()
    code = answer.statusCode
    return answer
  } finally {
    onAnswer?.(verb, code, performance.now() - startedAt)
  }
}

const verbs: Readonly<Record<string, Verb>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }
const verbOf = (method: string, { query }: Call): Verb =>
  verbs[method] ?? (query?.['watch'] === true ? 'watch' : query === undefined ? 'get' : 'list')

const headersOf = (
  { body, contentType = 'application/json', accept = 'application/json', query }: Call,
  encoding: string,
): Record<string, string> => ({
  accept,
  'user-agent': 'quartermaster',
  // A watch comes in pieces that must be read at once, so it is not compressed.
  'accept-encoding': query?.watch === undefined ? encoding : 'identity',
  ...(body === undefined ? {} : { 'content-type': contentType }),
})

const limited = (signal: AbortSignal | undefined, ms: number): AbortSignal =>
  signal ? AbortSignal.any([signal, AbortSignal.timeout(ms)]) : AbortSignal.timeout(ms)

/** @throws the named error of an answer that is no success */
const bytesOf = async (method: string, path: string, answer: Dispatcher.ResponseData): Promise<Buffer> => {
  const { statusCode, headers } = answer
  const bytes = await textIn(`${method} ${path}`, answer.body, headers['content-encoding'] === 'gzip')
  if (statusCode >= 200 && statusCode <= 299) return bytes
  const wish = { retryAfter: headers['retry-after']?.toString(), date: headers.date?.toString() }
  throw failureOf({ method, path }, statusCode, bytes.toString(), wish)
}

const parsed = (method: string, path: string, bytes: Buffer): unknown => {
  const text = bytes.toString()
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Unavailable(`${method} ${path}: the answer is not JSON (${text.slice(0, 80)})`, { cause: error })
  }
}

/** Runs a request; what the transport throws becomes Unavailable, an abort of the caller stays the caller's. */
const named = async <T>(method: string, path: string, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> => {
  try {
    return await run()
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    if (isNamed(error)) throw error
    throw new Unavailable(`${method} ${path}: no answer: ${reasonOf(error)}`, { cause: error })
  }
}

const OURS: ReadonlySet<string> = new Set([
  'Gone',
  'Blocked',
  'Refused',
  'Unavailable',
  'AlreadyExists',
  'Expired',
  'TooLarge',
  'Held',
])
const isNamed = (error: unknown): boolean => error instanceof Error && OURS.has(error.name)

/** What went wrong on the wire, in words: several addresses fail as an AggregateError without a message. */
export const reasonOf = (error: unknown): string =>
  error instanceof AggregateError
    ? error.errors.map(reasonOf).join(', ')
    : error instanceof Error
      ? error.message || error.name
      : String(error)
