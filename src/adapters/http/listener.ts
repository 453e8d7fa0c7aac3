import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ListenAddress } from './address.ts'

export type Page = { readonly status: number; readonly contentType: string; readonly body: string }
export type Pages = Readonly<Record<string, () => Page | Promise<Page>>>

export type Listener = {
  /** `http://HOST:PORT` */
  readonly url: string
  readonly stop: () => Promise<void>
}

/** Whoever sends or takes bytes slowly is not waited for longer, ms. */
const REQUEST_MS = 10_000
/** Scrapers and probes are few; more is an attack or an accident. */
const CONNECTIONS = 64

const plain = (status: number, body: string): Page => ({ status, contentType: 'text/plain; charset=utf-8', body })

/**
 * Answers GET and HEAD for these paths, and nothing else: no body is read, nothing is changed.
 * @param onError hears why a page could not be made; who asked is told 500 without the reason
 * @throws Error that names the address, the reason and the remedy
 */
export const startListener = async (
  { host, port }: ListenAddress,
  pages: Pages,
  onError: (path: string, error: unknown) => void,
): Promise<Listener> => {
  const made = async ({ method = '', url = '' }: IncomingMessage): Promise<Page> => {
    const path = url.split('?', 1)[0] ?? ''
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined
    if (page === undefined) return plain(404, `there are ${Object.keys(pages).join(', ')}\n`)
    if (method !== 'GET' && method !== 'HEAD') return plain(405, 'GET or HEAD\n')
    try {
      return await page()
    } catch (error) {
      onError(path, error)
      return plain(500, 'failed; the log says why\n')
    }
  }
  const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) => {
    void made(request).then((page) => answer(request, response, page))
  })
  server.maxConnections = CONNECTIONS
  server.setTimeout(REQUEST_MS)
  server.listen(port, host)
  await once(server, 'listening').catch((error: NodeJS.ErrnoException) => {
    throw new Error(unheard(host, port, error), { cause: error })
  })
  const bound = server.address() as AddressInfo
  return {
    url: `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`,
    stop: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

const answer = (request: IncomingMessage, response: ServerResponse, { status, contentType, body }: Page): void => {
  const bytes = Buffer.from(body)
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 && { allow: 'GET, HEAD' }),
  })
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

const unheard = (host: string, port: number, { code, message }: NodeJS.ErrnoException): string => {
  const where = `--metrics ${host}:${port}`
  if (code === 'EADDRINUSE') return `${where}: another program listens there already; give another port, or 0 for a free one`
  if (code === 'EACCES') return `${where}: this user may not listen there; give a port above 1023`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `${where}: this machine has no such address; use 127.0.0.1 or 0.0.0.0`
  return `${where}: ${message}`
}
