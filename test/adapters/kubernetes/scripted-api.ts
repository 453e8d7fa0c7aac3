import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { fixedAccess } from '../../../src/adapters/kubernetes/access.ts'
import { kubernetesClient } from '../../../src/adapters/kubernetes/client.ts'
import { dumpedKinds } from '../../../src/commands/dump/kinds.ts'
import type { ReflectorListener } from '../../../src/ports.ts'

export type Answer = (request: IncomingMessage & { readonly body: string; readonly at: URL }, response: ServerResponse) => void

/** An API server that does exactly what the test says, on a free port of this machine. */
export const scriptedApi = async (answer: Answer) => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    const at = new URL(request.url ?? '/', 'http://api')
    void text(request).then((body) => answer(Object.assign(request, { body, at }), response))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = kubernetesClient(fixedAccess({ server: url, token: 'secret' }))
  return {
    server: url,
    client,
    asked,
    [Symbol.asyncDispose]: async () => {
      await client.close()
      server.closeAllConnections()
      server.close()
    },
  }
}

export const json = (response: ServerResponse, code: number, body: unknown, headers: Record<string, string> = {}): void => {
  response.writeHead(code, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

export const status = (code: number, message = '', more: object = {}) => ({
  kind: 'Status',
  status: 'Failure',
  code,
  message,
  ...more,
})

export const pod = (name: string, resourceVersion: string, more: object = {}) => ({
  kind: 'Pod',
  metadata: { namespace: 'default', name, uid: `uid-${name}`, resourceVersion, ...more },
  spec: { containers: [{ name: 'main', env: [{ name: 'PASSWORD', value: 'hunter2' }] }] },
  status: { phase: 'Running' },
})

export const list = (resourceVersion: string, items: readonly unknown[], token = '', kind = 'Pod') => ({
  kind: `${kind}List`,
  metadata: { resourceVersion, continue: token },
  items,
})

/** What the list at a path is called: `PodList`. */
export const listKindAt = (path: string): string => {
  const [, group = '', resource] = /^\/(?:api|apis\/([^/]+))\/[^/]+\/(?:namespaces\/[^/]+\/)?([^/]+)$/.exec(path) ?? []
  return `${dumpedKinds.find((kind) => kind.group === group && kind.resource === resource)?.kind}List`
}

export const line = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`
export const bookmark = (resourceVersion: string): string =>
  line('BOOKMARK', { kind: 'Pod', metadata: { resourceVersion }, spec: { containers: null } })

/** Writes down what a reflector says; `until` waits for the first thing that fits. */
export const notes = () => {
  const said: string[] = []
  const waiting: { readonly fits: (note: string) => boolean; readonly go: () => void }[] = []
  const say = (note: string): void => {
    said.push(note)
    for (const { go } of waiting.filter(({ fits }) => fits(note))) go()
  }
  const listener: ReflectorListener = {
    listing: (isOtherHistory) => say(isOtherHistory ? 'listing of another history' : 'listing'),
    page: (objects) => say(`page ${objects.map(({ metadata }) => metadata.name).join(' ')}`),
    listed: (version) => say(`listed ${version}`),
    changed: ({ type, object }, version) => say(`${type} ${object.metadata.name} ${version}`),
    bookmark: (version) => say(`bookmark ${version}`),
    stalled: (reason) => say(`stalled ${reason}`),
    recovered: () => say('recovered'),
    malformed: (description) => say(`malformed ${description}`),
  }
  const until = (start: string): Promise<void> =>
    new Promise((go) => {
      const fits = (note: string): boolean => note.startsWith(start)
      if (said.some(fits)) go()
      else waiting.push({ fits, go })
    })
  return { listener, said, until }
}
