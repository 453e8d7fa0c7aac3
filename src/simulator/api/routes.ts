import type { ServerResponse } from 'node:http'
import { evict } from '../eviction.ts'
import { ApiFailure, badRequest, methodNotAllowed, noSuchPath, notFound, unsupportedMedia } from '../failure.ts'
import { kinds } from '../objects.ts'
import type { Json } from '../patch.ts'
import { bindPod } from '../scheduler/scheduler.ts'
import { textOf } from '../text.ts'
import type { World } from '../world.ts'
import type { Caller } from './access.ts'
import { demandAccess, demandKnown, review } from './access.ts'
import { discovery } from './discovery.ts'
import type { ArmedFaults } from './faults.ts'
import { orderFaults } from './faults.ts'
import type { Lists } from './list.ts'
import { bindingTarget, deleteOptions, evictionOf, isDryRun } from './options.ts'
import type { Target } from './path.ts'
import { targetOf } from './path.ts'
import { objectTextOf, representationOf } from './representation.ts'
import { watch } from './watch.ts'
import { create, patch, present, remove, replace } from './write.ts'

export type Request = {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly mediaType: string
  /** The header, empty when there is none. */
  readonly accept: string
  readonly body: Buffer
}
export type Answer = { readonly code: number; readonly text: string }
/** What the routes work on. */
export type Served = {
  readonly world: World
  readonly faults: ArmedFaults
  readonly lists: Lists
}

const PROTOBUF = 'application/vnd.kubernetes.protobuf' // typed Go clients try it first

const json = ({ body, mediaType }: Request): Json => {
  if (mediaType === PROTOBUF) throw unsupportedMedia(mediaType, ['application/json'])
  if (body.length === 0) throw badRequest('the request has no body')
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw badRequest(`the body of the request is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}
const ok = (body: object, code = 200): Answer => ({ code, text: JSON.stringify(body) })
const success = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' }

/** Answers a request, or takes the response for a watch and answers nothing. @throws ApiFailure */
export const answer = (served: Served, caller: Caller, request: Request, response: ServerResponse): Answer | undefined => {
  const { method, path } = request
  if (path === '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews') {
    demandKnown(caller, 'create', path)
    if (method !== 'POST') throw methodNotAllowed()
    return ok(review(caller, json(request)), 201)
  }
  const described = method === 'GET' ? discovery(path) : undefined
  if (!described) return resourceRoute(served, caller, request, targetOf(path), response)
  if (path !== '/version') demandKnown(caller, 'get', path)
  return ok(described)
}

/** What only the simulated cluster has, for its owner. @throws ApiFailure */
export const ownRoute = ({ world, faults }: Served, request: Request): Answer => {
  if (request.path === '/simulator/audit' && request.method === 'GET') return ok({ items: world.store.audit() })
  if (request.path !== '/simulator/faults') throw noSuchPath()
  if (request.method !== 'POST') throw methodNotAllowed()
  orderFaults(faults, json(request))
  return ok(success)
}

const VERBS: Readonly<Record<string, string>> = { GET: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

const resourceRoute = (
  served: Served,
  caller: Caller,
  request: Request,
  target: Target,
  response: ServerResponse,
): Answer | undefined => {
  const isWatch = ['1', 'true'].includes(request.query.get('watch') ?? '')
  const verb = VERBS[request.method]
  if (!verb) throw methodNotAllowed()
  const listed = target.name === undefined || isWatch
  demandAccess(caller, verb === 'get' && listed ? (isWatch ? 'watch' : 'list') : verb, target)
  const form = representationOf(request.accept)
  if (target.subresource !== undefined && target.subresource !== 'status') return subresource(served.world, request, target)
  if (target.subresource === 'status' && !target.kind.hasStatus) throw noSuchPath()
  if (verb !== 'get') return write(served.world, request, target, verb)
  if (isWatch) return void watch(served.world, served.faults, target, request.query, form, response)
  if (target.name === undefined) return { code: 200, text: served.lists.list(target, request.query, form) }
  return { code: 200, text: objectTextOf(form, present(served.world, target)) }
}

const write = (world: World, request: Request, target: Target, verb: string): Answer => {
  const dryRun = isDryRun(request.query)
  switch (verb) {
    case 'create':
      if (target.name !== undefined) throw methodNotAllowed()
      return { code: 201, text: textOf(create(world, target, json(request), dryRun)) }
    case 'update':
      return { code: 200, text: textOf(replace(world, target, json(request), dryRun)) }
    case 'patch':
      return { code: 200, text: textOf(patch(world, target, request.mediaType, patchBody(request), dryRun)) }
    default:
      if (target.subresource !== undefined || target.name === undefined) throw methodNotAllowed()
      return ok(remove(world, target, deleteOptions(request.query, request.body.length > 0 ? json(request) : undefined)))
  }
}
/** An apply patch is YAML; it is refused by its type, not by its text. */
const patchBody = (request: Request): Json => (request.mediaType.endsWith('+json') ? json(request) : null)

const subresource = (world: World, request: Request, { kind, namespace, name, subresource: part }: Target): Answer => {
  if (kind.resource !== 'pods' || name === undefined || (part !== 'eviction' && part !== 'binding')) throw noSuchPath()
  if (request.method !== 'POST') throw methodNotAllowed()
  if (part === 'eviction') evict(world, namespace ?? '', name, evictionOf(request.query, json(request)))
  else bind(world, namespace, name, bindingTarget(json(request)))
  return ok({ ...success, code: 201 }, 201)
}

const bind = (world: World, namespace: string | undefined, name: string, node: string): void => {
  const pod = world.store.get('pods', namespace, name)
  if (!pod) throw notFound(kinds.pods, name)
  if (pod.spec.nodeName || pod.metadata.deletionTimestamp !== undefined) {
    const message = `Operation cannot be fulfilled on pods/binding "${name}": pod ${name} is already assigned to node "${pod.spec.nodeName ?? ''}"`
    throw new ApiFailure(409, 'Conflict', message, { details: { name, kind: 'pods/binding' } })
  }
  bindPod(world, pod, node)
}
