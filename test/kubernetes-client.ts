import { Agent, fetch, type Headers } from 'undici'

/** Where an API server is and who asks it. */
export type Connection = {
  readonly url: string
  readonly token: string
  /** PEM, for an API server over TLS. */
  readonly ca?: string
}
export type Reply = { readonly status: number; readonly headers: Headers; readonly body: any }
type Call = { readonly type?: string; readonly headers?: Record<string, string> }
type Tls = { readonly cert: string; readonly key: string }

/** Speaks to an API server with a bearer token, with a client certificate instead, or (an empty token) as nobody. */
export const client = ({ url, token, ca }: Connection, tls?: Tls) => {
  const dispatcher = new Agent({ connections: 32, connect: { ...(ca !== undefined && { ca }), ...tls } })
  const identity: Record<string, string> = tls || token === '' ? {} : { authorization: `Bearer ${token}` }
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    { type = 'application/json', headers = {} }: Call = {},
  ): Promise<Reply> => {
    const response = await fetch(url + path, {
      method,
      dispatcher,
      headers: { ...identity, ...(body === undefined ? {} : { 'content-type': type }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text.startsWith('{') ? JSON.parse(text) : text }
  }
  /** Reads a watch until the reader has seen enough or the server ends it. @throws Error when it is refused */
  const watch = async (
    path: string,
    enough: (events: readonly any[]) => boolean,
    headers: Record<string, string> = {},
  ): Promise<readonly any[]> => {
    const stop = new AbortController()
    const response = await fetch(url + path, { dispatcher, headers: { ...identity, ...headers }, signal: stop.signal })
    if (response.status !== 200) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
    const events: any[] = []
    let rest = ''
    for await (const chunk of response.body ?? []) {
      const lines = (rest + Buffer.from(chunk).toString()).split('\n')
      rest = lines.pop() ?? ''
      events.push(...lines.map((line) => JSON.parse(line)))
      if (enough(events)) break
    }
    stop.abort()
    return events
  }
  return {
    get: (path: string, call_?: Call) => call('GET', path, undefined, call_),
    post: (path: string, body: unknown) => call('POST', path, body),
    put: (path: string, body: unknown) => call('PUT', path, body),
    patch: (path: string, body: unknown, kind = 'merge-patch+json') => call('PATCH', path, body, { type: `application/${kind}` }),
    call,
    delete: (path: string, body?: unknown) => call('DELETE', path, body),
    watch,
    close: () => dispatcher.destroy(),
  }
}
export type Client = ReturnType<typeof client>

/** Asks again until the answer is there; how long that takes is no part of a contract. @throws Error after `longestMs` */
export const until = async <Answer>(
  what: string,
  ask: () => Promise<Answer | undefined | false>,
  { longestMs = 90_000, stepMs = 25 } = {},
): Promise<Answer> => {
  for (const end = performance.now() + longestMs; performance.now() < end; ) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    await new Promise((resolve) => setTimeout(resolve, stepMs))
  }
  throw new Error(`gave up waiting until ${what}`)
}
