import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { ApiFailure, statusOf, unauthorized } from '../failure.ts'
import type { Caller } from './access.ts'
import { anonymous } from './access.ts'
import type { Answer, Request, Served } from './routes.ts'
import { answer, ownRoute } from './routes.ts'

const MOST_BODY_BYTES = 3 * 1024 * 1024
const GZIP_FROM_BYTES = 128 * 1024 // as the real one: small bodies are not worth it
const compress = promisify(gzip)

const bodyOf = async (message: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of message) {
    size += chunk.length
    if (size > MOST_BODY_BYTES)
      throw new ApiFailure(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${MOST_BODY_BYTES}`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const requestOf = async (message: IncomingMessage, url: string): Promise<Request> => {
  const [path = '/', ...query] = url.split('?')
  return {
    method: message.method ?? 'GET',
    path,
    query: new URLSearchParams(query.join('?')),
    mediaType: (message.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '',
    accept: message.headers.accept ?? '',
    body: await bodyOf(message),
  }
}

const isSame = (given: string, wanted: string): boolean => {
  const [one, other] = [Buffer.from(given), Buffer.from(wanted)]
  return one.length === other.length && timingSafeEqual(one, other)
}

// kubectl sends no credentials over plain HTTP; with `--server URL/with-token/TOKEN` it has them in the path.
const IN_PATH = /^\/with-token\/([^/]+)(\/.*)$/

/** Who may ask, by token. */
export type Callers = ReadonlyMap<string, Caller>
type Authenticated = { readonly caller: Caller; readonly url: string }

/** The caller, and the URL that is asked for when the token comes with it. @throws ApiFailure 401 for a token that nobody has */
const authenticated = ({ headers, url = '/' }: IncomingMessage, callers: Callers): Authenticated => {
  const [, inPath, rest = '/'] = IN_PATH.exec(url) ?? []
  const given = inPath ?? headers.authorization?.replace(/^Bearer /, '')
  if (given === undefined) return { caller: anonymous, url }
  for (const [token, caller] of callers) if (isSame(given, token)) return { caller, url: inPath === undefined ? url : rest }
  throw unauthorized()
}

const send = async (
  message: IncomingMessage,
  response: ServerResponse,
  { code, text }: Answer,
  headers: Record<string, string>,
): Promise<void> => {
  const bytes = Buffer.from(text, 'utf8')
  const zipped = bytes.length >= GZIP_FROM_BYTES && /\bgzip\b/.test(message.headers['accept-encoding'] ?? '')
  const body = zipped ? await compress(bytes, { level: 1 }) : bytes
  response.writeHead(code, {
    'content-type': 'application/json',
    'content-length': body.length,
    ...(zipped ? { 'content-encoding': 'gzip' } : {}),
    ...headers,
  })
  response.end(body)
}

const refuse = async (message: IncomingMessage, response: ServerResponse, error: unknown): Promise<void> => {
  const failure =
    error instanceof ApiFailure ? error : new ApiFailure(500, 'InternalError', `Internal error occurred: ${String(error)}`)
  if (response.headersSent) return void response.destroy()
  const { retryAfterSeconds, isPlain } = failure.extra
  const headers: Record<string, string> = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }
  if (isPlain)
    return send(message, response, { code: failure.code, text: `${failure.message}\n` }, { 'content-type': 'text/plain' })
  await send(message, response, { code: failure.code, text: JSON.stringify(statusOf(failure)) }, headers)
}

const HEALTH = new Set(['/readyz', '/livez', '/healthz'])

const serve = async (served: Served, callers: Callers, message: IncomingMessage, response: ServerResponse): Promise<void> => {
  const [path = ''] = (message.url ?? '').split('?')
  if (HEALTH.has(path)) return void response.writeHead(200, { 'content-type': 'text/plain' }).end('ok')
  const { caller, url } = authenticated(message, callers)
  const request = await requestOf(message, url)
  const waitMs = served.faults.delayMs(request.method)
  // Real time, also in a world whose clock is virtual: it is the connection that is slow.
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
  if (caller.isOwner && request.path.startsWith('/simulator/')) return send(message, response, ownRoute(served, request), {})
  served.faults.strike()
  const reply = answer(served, caller, request, response)
  if (reply) await send(message, response, reply, {})
}

export type Listening = { readonly url: string; close(): Promise<void> }

/** Serves the API on a free port of 127.0.0.1, to those who have a token; health checks are for everybody. */
export const listen = async (served: Served, callers: Callers, port = 0): Promise<Listening> => {
  const server = createServer((message, response) => {
    serve(served, callers, message, response)
      .catch((error: unknown) => refuse(message, response, error))
      .catch(() => response.destroy()) // the client is gone: there is no one left to tell
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return { url: `http://127.0.0.1:${portOf(server)}`, close: () => close(server) }
}

const portOf = (server: Server): number => {
  const address = server.address()
  if (address === null || typeof address === 'string')
    throw new Error('the simulated API server has no port: it is not listening')
  return address.port
}
const close = (server: Server): Promise<void> =>
  new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()))
    server.closeAllConnections()
  })
