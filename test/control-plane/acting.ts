import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Agent, request } from 'undici'
import { subjects } from '../../src/events/subjects.ts'
import { until } from '../kubernetes-client.ts'
import { natsBinary } from '../nats.ts'
import { history, startUpOn, type Told, type Up } from '../up.ts'
import type { ControlPlane } from './start.ts'

/** An id with its time, as RFC 9562 §5.7 has it. */
export const actionId = (): string => {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(Date.now(), 0, 6)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** A process of ours that may act on a control plane, and does what it is ordered and nothing else: the evictor pauses. */
export type Acting = {
  readonly up: () => Up
  /** Sends an order to the controller. @throws Error when it is refused */
  order(verb: string, payload: object): Promise<void>
  /** The same, with whatever it answers. */
  ask(verb: string, payload: object): Promise<any>
  /** The end of an action: ActionDone or ActionFailed. */
  ended(action: string): Promise<Told>
  /** What was told of an action. */
  facts(action: string, fact: string): readonly Told[]
  until(what: string, action: string, fact: string): Promise<Told>
  /** kill -9, and another process goes on where it was. */
  killAndRestart(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

type Options = {
  readonly server: string
  readonly token: string
  readonly ca?: string
  readonly removal?: object
  /** The program nats-server; in a test it is known. */
  readonly nats?: string
  /** More of what `up` is started with. */
  readonly more?: readonly string[]
}

/** @param options where the API is, as whom it is asked, and how machines are removed */
export const acting = async ({
  server,
  token,
  ca,
  removal = { deleteNodeObjects: true },
  nats = natsBinary(),
  more = [],
}: Options): Promise<Acting> => {
  const home = mkdtempSync(join(tmpdir(), 'qm-acting-'))
  const [kubeconfig, settings, guard] = ['test-kubeconfig', 'removal.json', 'guard.json'].map((name) => join(home, name)) as [
    string,
    string,
    string,
  ]
  const cluster = { server, ...(ca !== undefined && { 'certificate-authority-data': Buffer.from(ca).toString('base64') }) }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'plane', cluster }],
    users: [{ name: 'us', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'plane', user: 'us' } }],
  }
  writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 })
  writeFileSync(settings, JSON.stringify(removal))
  writeFileSync(guard, JSON.stringify({ force: true }))
  const args = ['--kubeconfig', kubeconfig, '--allow-writes', '--removal', settings, '--guard', guard, ...more]
  /** Before this process was listened to; what it told at its start is among it. */
  let earlier: readonly Told[] = []
  const start = async (): Promise<Up> => startUpOn(nats, home, ...args)
  let up = await start()
  const call = async (type: string, verb: string, payload: object): Promise<any> =>
    (await up.nc.request(subjects(up.connection.cluster).call(type, verb), JSON.stringify(payload), { timeout: 60_000 })).json()
  const paused = async (): Promise<boolean> => {
    const { actors } = await up.status()
    return actors.some(({ type, state }) => type === 'evictor' && JSON.stringify(state).includes('paused'))
  }
  await up.call('Connect')
  await until('the evictor pauses', async () => (await call('evictor', 'Pause', {})).ok || (await paused()), { stepMs: 250 })
  await up.call('Promote')
  await up.until('automating', ({ fact, data }) => fact === 'cluster.PhaseEntered' && data['phase'] === 'automating')
  const all = (): readonly Told[] => [...new Map([...earlier, ...up.told].map((each) => [each.id, each])).values()]
  const of = (action: string) => (each: Told) => each.data['action'] === action
  const heard = async (what: string, fits: (each: Told) => boolean): Promise<Told> => all().find(fits) ?? up.until(what, fits)
  return {
    up: () => up,
    order: async (verb, payload) => {
      const answer = await call('controller', verb, payload)
      if (!answer.ok) throw new Error(`${verb} is refused: ${JSON.stringify(answer)}`)
    },
    ask: (verb, payload) => call('controller', verb, payload),
    ended: (action) =>
      heard(`the end of ${action}`, (each) => of(action)(each) && /^controller\.Action(Done|Failed)$/.test(each.fact)),
    facts: (action, fact) => all().filter((each) => of(action)(each) && each.fact === fact),
    until: (what, action, fact) => heard(what, (each) => of(action)(each) && each.fact === fact),
    killAndRestart: async () => {
      await up.kill()
      up = await start()
      earlier = await history(up)
    },
    [Symbol.asyncDispose]: async () => {
      await up.stop()
      rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}

/** What befalls a request: it is answered with 429 instead of being passed on; or it is done, and its answer is lost, or never comes. */
export type Fate = 'busy' | 'lost' | 'silent'
type Gate = {
  readonly url: string
  /** What befalls requests from now on; undefined: they are passed on, and so is their answer. */
  befall(fate: ((method: string, path: string) => Fate | undefined) | undefined): void
  /** How many requests something has befallen; those that were done are done by then. */
  befallen(): number
  [Symbol.asyncDispose](): Promise<void>
}

/** An HTTP server before a control plane, with the faults of a busy one. Who comes through it is `token`, by default the administrator. */
export const gateTo = async (plane: ControlPlane, token = plane.token): Promise<Gate> => {
  const dispatcher = new Agent({ connect: { ca: plane.ca }, headersTimeout: 0, bodyTimeout: 0 })
  let fateOf: Parameters<Gate['befall']>[0]
  let befallen = 0
  const pass = async (asked: IncomingMessage, response: ServerResponse, fate?: Fate): Promise<void> => {
    const { host: _, connection: __, 'transfer-encoding': ___, ...headers } = asked.headers
    const life = new AbortController()
    response.once('close', () => life.abort())
    const answer = await request(plane.url + asked.url, {
      dispatcher,
      method: asked.method as 'GET',
      // Nobody says over plain HTTP who he is.
      headers: { ...(headers as Record<string, string>), authorization: `Bearer ${token}` },
      body: asked.method === 'GET' ? null : asked,
      signal: life.signal,
    })
    if (fate) {
      await answer.body.dump()
      befallen++
      if (fate === 'lost') response.destroy()
      return
    }
    response.writeHead(answer.statusCode, answer.headers as Record<string, string>)
    response.flushHeaders()
    await pipeline(answer.body, response)
  }
  const server = createServer((asked, response) => {
    const fate = fateOf?.(asked.method ?? '', asked.url ?? '')
    if (fate === 'busy') {
      befallen++
      response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '1' })
      response.end(JSON.stringify({ kind: 'Status', code: 429, message: 'too many requests, please try again later' }))
      return
    }
    pass(asked, response, fate).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    befall: (fate) => {
      fateOf = fate
    },
    befallen: () => befallen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await dispatcher.destroy()
    },
  }
}
