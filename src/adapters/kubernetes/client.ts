import { isDeepStrictEqual, promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { Agent, type Dispatcher, request } from 'undici'
import { Unavailable } from '../../ports.ts'
import type { Access, Credentials } from './access.ts'
import { failureOf } from './failure.ts'

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
  /** The parsed answer. @throws Gone, Blocked, Refused, Unavailable, Expired (410) */
  request(method: string, path: string, call?: Call): Promise<unknown>
  /** The answer as it was written, uncompressed. @throws as `request`, but not for what is no JSON */
  bytes(path: string, call?: Call): Promise<Buffer>
  /** The answer's body as it comes, without an end in time: only the head has ten seconds. */
  open(path: string, call?: Pick<Call, 'query' | 'signal'>): Promise<Dispatcher.ResponseData['body']>
  close(): Promise<void>
}

const TIMEOUT_MS = 10_000
/** Kubernetes' tokens live ten minutes at least: this is often enough, and a 401 renews at once. */
const CREDENTIALS_MS = 30_000
/** An answer is never so large with pages of 500; what is larger is an attack or another server. */
const ANSWER_BYTES = 512 * 2 ** 20
/** What an answer says of its own size is believed within these. */
const LEAST_CHUNK_BYTES = 16 * 2 ** 10
const MOST_CHUNK_BYTES = 16 * 2 ** 20
const unzip = promisify(gunzip)

type Session = { readonly agent: Agent; readonly credentials: Credentials; readonly until: number }

/** Hears of every answer: of the head alone where the body has no end. No code: there was none. */
export type OnAnswer = (verb: Verb, code: number | undefined, ms: number) => void
/** Kubernetes' own word for what is asked; a GET with a query is a list. */
type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete'

export const kubernetesClient = (access: Access, onAnswer?: OnAnswer): KubernetesClient => {
  const server = access.server.replace(/\/+$/, '')
  let session: Promise<Session> | undefined
  const opened = new Set<Agent>()

  const connected = async (renew: boolean): Promise<Session> => {
    const previous = await session?.catch(() => undefined) // the one who asked for it has been told
    if (previous && !renew && performance.now() < previous.until) return previous
    const credentials = await access.credentials()
    return { agent: agentFor(credentials, previous), credentials, until: performance.now() + CREDENTIALS_MS }
  }
  // A new certificate needs new connections; the old ones end when their last answer does.
  const agentFor = (credentials: Credentials, previous: Session | undefined): Agent => {
    if (previous && isDeepStrictEqual(tlsOf(previous.credentials), tlsOf(credentials))) return previous.agent
    const agent = new Agent({ ...AGENT, connect: { ...CONNECT, ...tlsOf(credentials) } })
    opened.add(agent)
    if (previous) void previous.agent.close().finally(() => opened.delete(previous.agent))
    return agent
  }

  const send = async (method: string, path: string, call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData> => {
    for (const renew of [false, true]) {
      session = connected(renew)
      const { agent, credentials } = await session
      const answer = await told(onAnswer, verbOf(method, call), () =>
        request(server + path, {
          dispatcher: agent,
          method: method as Dispatcher.HttpMethod,
          headers: { ...headersOf(call), ...credentials.headers },
          query: Object.fromEntries(Object.entries(call.query ?? {}).filter(([, value]) => value !== undefined)),
          body: call.body === undefined ? null : JSON.stringify(call.body),
          signal,
        }),
      )
      if (answer.statusCode !== 401 || renew) return answer
      await answer.body.dump()
    }
    throw new Error('unreachable: the second try returns')
  }

  const whole = (method: string, path: string, call: Call): Promise<Buffer> => {
    const signal = limited(call.signal, Math.min(call.timeoutMs ?? TIMEOUT_MS, TIMEOUT_MS))
    return named(method, path, call.signal, async () => bytesOf(method, path, await send(method, path, call, signal)))
  }

  return {
    request: async (method, path, call = {}) => parsed(method, path, await whole(method, path, call)),
    bytes: (path, call = {}) => whole('GET', path, call),
    open: async (path, call = {}) => {
      const head = new AbortController()
      const timer = setTimeout(() => head.abort(new Unavailable(`GET ${path}: no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS)
      const signal = call.signal ? AbortSignal.any([call.signal, head.signal]) : head.signal
      try {
        return await named('GET', path, call.signal, async () => {
          const answer = await send('GET', path, { query: call.query ?? {} }, signal)
          if (answer.statusCode !== 200) await bytesOf('GET', path, answer)
          return answer.body
        })
      } finally {
        clearTimeout(timer)
      }
    },
    close: async () => {
      await Promise.all([...opened].map((agent) => agent.destroy()))
    },
  }
}

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

// HTTP/1.1: a watch on a dead connection then ends alone, while one dead HTTP/2 session takes every request with it. The
// kernel asks an idle peer after five seconds, so that an open watch means a living peer. Each of some 50 kinds holds a
// connection for its watch; they are opened as they are needed.
const AGENT = { allowH2: false, connections: 128, keepAliveTimeout: 30_000, headersTimeout: 0, bodyTimeout: 0 } as const
const CONNECT = { timeout: 5_000, keepAlive: true, keepAliveInitialDelay: 5_000 } as const

const tlsOf = ({ headers: _, ...tls }: Credentials): Omit<Credentials, 'headers'> => tls

const headersOf = ({
  body,
  contentType = 'application/json',
  accept = 'application/json',
  query,
}: Call): Record<string, string> => ({
  accept,
  'user-agent': 'quartermaster',
  // A watch comes in pieces that must be read at once, so it is not compressed.
  ...(query?.watch === undefined ? { 'accept-encoding': 'gzip' } : {}),
  ...(body === undefined ? {} : { 'content-type': contentType }),
})

const limited = (signal: AbortSignal | undefined, ms: number): AbortSignal =>
  signal ? AbortSignal.any([signal, AbortSignal.timeout(ms)]) : AbortSignal.timeout(ms)

/** @throws the named error of an answer that is no success */
const bytesOf = async (method: string, path: string, answer: Dispatcher.ResponseData): Promise<Buffer> => {
  const { statusCode, headers, body } = answer
  const sent = Buffer.from(await body.arrayBuffer())
  const bytes = headers['content-encoding'] === 'gzip' ? await uncompressed(sent) : sent
  if (statusCode >= 200 && statusCode <= 299) return bytes
  throw failureOf({ method, path }, statusCode, bytes.toString(), headers['retry-after']?.toString())
}

/** In one piece, as large as the end of the compressed form says: in many small ones it takes twice the time and memory. */
const uncompressed = (sent: Buffer): Promise<Buffer> => {
  const said = sent.length >= 4 ? sent.readUInt32LE(sent.length - 4) : 0
  const chunkSize = Math.min(Math.max(said, LEAST_CHUNK_BYTES), MOST_CHUNK_BYTES)
  return unzip(sent, { maxOutputLength: ANSWER_BYTES, chunkSize })
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

const OURS: ReadonlySet<string> = new Set(['Gone', 'Blocked', 'Refused', 'Unavailable', 'Expired'])
const isNamed = (error: unknown): boolean => error instanceof Error && OURS.has(error.name)

/** What went wrong on the wire, in words: several addresses fail as an AggregateError without a message. */
export const reasonOf = (error: unknown): string =>
  error instanceof AggregateError
    ? error.errors.map(reasonOf).join(', ')
    : error instanceof Error
      ? error.message || error.name
      : String(error)
