import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Served } from '../../../../src/ports.ts'
import { json, status } from '../scripted-api.ts'
import type { RawEvent, RawPage, World } from './world.ts'

// An API server that tells the truth about a world, and a fault that may stand between the two.

type Request = IncomingMessage & { readonly body: string; readonly at: URL }

/** A question for a list and its true answer. */
export type List = { readonly request: Request; readonly response: ServerResponse; readonly page: RawPage; readonly world: World }
/** A question for a watch, with what it would be told at once. */
export type Watch = {
  readonly request: Request
  readonly response: ServerResponse
  readonly served: Served
  readonly from: string
  readonly world: World
  /** Answers truly, but for what is done to each event; what is undefined is not sent. */
  tell(spoil?: (event: RawEvent) => string | Buffer | undefined): void
}
/** What stands in the place of a true answer. */
export type Fault = { readonly list?: (list: List) => void; readonly watch?: (watch: Watch) => void }
type Chosen = (on: 'list' | 'watch' | 'other', name: string) => Fault | undefined

export const lineOf = (event: unknown): string => `${JSON.stringify(event)}\n`

/** @param faultFor asked with every request; undefined: the truth */
export const hostileAnswers =
  (world: World, faultFor: Chosen) =>
  (request: Request, response: ServerResponse): void => {
    const served = world.served.find((each) => pathOf(each) === request.at.pathname)
    const query = request.at.searchParams
    const name = served?.kind.name ?? request.at.pathname
    if (!served) other(world, request, response, faultFor('other', name))
    else if (query.get('watch') === 'true') watch(world, served, request, response, faultFor('watch', name))
    else list(world, name, request, response, faultFor('list', name))
  }

const pathOf = ({ kind: { group, resource }, version }: Served): string =>
  `${group === '' ? `/api/${version}` : `/apis/${group}/${version}`}/${resource}`

const list = (world: World, name: string, request: Request, response: ServerResponse, fault: Fault | undefined): void => {
  const query = request.at.searchParams
  const page = world.page(name, Number(query.get('limit')), query.get('continue'))
  if (!page) json(response, 410, status(410, 'the continue token is too old'))
  else if (fault?.list) fault.list({ request, response, page, world })
  else json(response, 200, page)
}

const watch = (world: World, served: Served, request: Request, response: ServerResponse, fault: Fault | undefined): void => {
  const from = request.at.searchParams.get('resourceVersion') ?? ''
  const tell: Watch['tell'] = (spoil = lineOf) => tellFrom(world, served, Number(from), response, spoil)
  if (fault?.watch) fault.watch({ request, response, served, from, world, tell })
  else tell()
}

const tellFrom = (
  world: World,
  { kind: { name } }: Served,
  from: number,
  response: ServerResponse,
  spoil: (event: RawEvent) => string | Buffer | undefined,
): void => {
  if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/json' })
  response.flushHeaders()
  let told = from
  const more = (): void => {
    if (response.writableEnded || response.destroyed || told > world.revision()) return
    const events = world.after(name, told)
    if (events === undefined) response.end(lineOf({ type: 'ERROR', object: status(410, 'too old resource version') }))
    for (const event of events ?? []) {
      const text = spoil(event)
      if (text !== undefined) response.write(text)
      told = Number(event.object.metadata.resourceVersion)
    }
  }
  more()
  response.on('close', world.onEvent(more))
}

/** Discovery and access reviews of an API that serves what the world has, and allows all of it. */
const other = (world: World, request: Request, response: ServerResponse, fault: Fault | undefined): void => {
  const page = otherAnswer(world, request)
  if (!page) json(response, 404, status(404, 'not found'))
  else if (fault?.list) fault.list({ request, response, page: page as RawPage, world })
  else json(response, request.method === 'POST' ? 201 : 200, page)
}

const otherAnswer = ({ served }: World, request: Request): object | undefined => {
  const path = request.at.pathname
  if (path.endsWith('/selfsubjectaccessreviews')) return { kind: 'SelfSubjectAccessReview', status: { allowed: true } }
  if (path !== '/api' && path !== '/apis') return undefined
  const isCore = path === '/api'
  const groups = Map.groupBy(
    served.filter(({ kind }) => (kind.group === '') === isCore),
    ({ kind }) => kind.group,
  )
  const items = [...groups].map(([name, kinds]) => ({
    metadata: { name },
    versions: [
      {
        version: kinds[0]?.version,
        resources: kinds.map(({ kind }) => ({ resource: kind.resource, verbs: ['get', 'list', 'watch'] })),
      },
    ],
  }))
  return { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items }
}
