import { googleApi, instanceGroups } from '../../../src/adapters/cloud-groups/instance-groups.ts'
import { json, scriptedApi } from '../kubernetes/scripted-api.ts'
import { type Cloud, faultOf, nodeOf, type World } from './world.ts'

const PROJECT = 'shop-1'
const ZONE = 'europe-west3-a'
const NAME = 'gke-pool-1a2b-xyz'
const ID = '4567890123456789'

/** What of an instance and its group only Google has. */
export type Gcp = {
  readonly group?: string
  readonly autoscaler?: { readonly mode: string; readonly minNumReplicas: number }
  readonly nodePool?: { readonly minNodeCount?: number; readonly totalMinNodeCount?: number; readonly groups?: number }
  readonly currentAction?: string
  /** The id of the instance that has the name now. */
  readonly id?: string
  readonly isMember?: boolean
  /** The group does not tell yet that it deletes the instance. */
  readonly isLate?: boolean
  /** What it says that we may; by default it does not say. */
  readonly permissions?: readonly string[]
}

const failure = (code: number, message: string, reason: string) => ({
  error: { code, message, errors: [{ message, domain: 'usageLimits', reason }] },
})
const url = (path: string): string => `https://www.googleapis.com/compute/v1/projects/${PROJECT}/${path}`

export const openGcp = async (its: World, gcp: Gcp = {}, providerID = `gce://${PROJECT}/${ZONE}/${NAME}`) => {
  const group = gcp.group ?? `zones/${ZONE}/instanceGroupManagers/gke-pool-1a2b-grp`
  const place = group.split('/').slice(0, 2).join('/')
  const asked: string[] = []
  const items = [
    { key: 'created-by', value: `projects/123456789012/${group}` },
    { key: 'kube-env', value: 'secret' },
    ...(gcp.nodePool ? [['cluster-name', 'shop'] as const, ['cluster-location', 'europe-west3'] as const] : []).map(
      ([key, value]) => ({ key, value }),
    ),
  ]
  const remove = (body: string) => {
    const { instances, skipInstancesOnValidationError } = JSON.parse(body)
    its.changes++
    if (instances[0] !== `zones/${ZONE}/instances/${NAME}`)
      return { error: { errors: [{ code: 'INVALID', message: 'malformed' }] } }
    if (its.machine === 'running') {
      its.size--
      its.machine = 'going'
    } else if (!skipInstancesOnValidationError) return { error: { errors: [{ code: 'INVALID', message: 'is being deleted' }] } }
    return {}
  }
  const managed = () =>
    its.machine === 'gone' || gcp.isMember === false
      ? {}
      : {
          managedInstances: [
            {
              instance: url(`zones/${ZONE}/instances/${NAME}`),
              id: gcp.id ?? ID,
              currentAction: its.machine === 'going' && !gcp.isLate ? 'DELETING' : (gcp.currentAction ?? 'NONE'),
            },
          ],
        }
  const answers: readonly (readonly [string, (body: string) => unknown])[] = [
    [
      `GET /compute/v1/projects/${PROJECT}/zones/${ZONE}/instances/${NAME}`,
      () => (its.machine === 'gone' ? undefined : { id: gcp.id ?? ID, metadata: { items } }),
    ],
    [`POST /compute/v1/projects/${PROJECT}/${group}/listManagedInstances`, managed],
    [
      `POST /compute/v1/projects/${PROJECT}/${group}/deleteInstances`,
      (body) => ({ name: 'operation-1', status: 'RUNNING', ...remove(body) }),
    ],
    [
      `GET /compute/v1/projects/${PROJECT}/${group}`,
      () => ({
        targetSize: its.size,
        status: { isStable: true, ...(gcp.autoscaler && { autoscaler: url(`${place}/autoscalers/a`) }) },
      }),
    ],
    [
      `GET /compute/v1/projects/${PROJECT}/zones/europe-west3-b/instanceGroupManagers/other`,
      () => ({ targetSize: 1, status: {} }),
    ],
    [`GET /compute/v1/projects/${PROJECT}/${place}/autoscalers/a`, () => ({ autoscalingPolicy: gcp.autoscaler })],
    [
      `GET /v1/projects/${PROJECT}/locations/europe-west3/clusters/shop/nodePools/workers`,
      () => ({
        instanceGroupUrls: [url(group), url('zones/europe-west3-b/instanceGroupManagers/other')],
        autoscaling: { enabled: true, ...gcp.nodePool },
      }),
    ],
  ]
  const reviewed = [`POST /v1/projects/${PROJECT}:testIamPermissions`, () => ({ permissions: gcp.permissions })] as const
  const api = await scriptedApi((request, response) => {
    const name = `${request.method} ${request.at.pathname}`
    asked.push(name)
    const isChange = name.endsWith('/deleteInstances')
    if (request.headers.authorization !== 'Bearer token') return json(response, 401, failure(401, 'who are you', 'authError'))
    const fault = faultOf(its, isChange)
    if (fault === 'throttled') return json(response, 403, failure(403, 'Rate Limit Exceeded', 'rateLimitExceeded'))
    if (fault === 'forbidden')
      return json(
        response,
        403,
        failure(403, `Required 'compute.instanceGroupManagers.update' permission for '${group}'`, 'forbidden'),
      )
    if (fault === 'malformed') return json(response, 200, '<html>a proxy</html>')
    const body = (gcp.permissions ? [...answers, reviewed] : answers).find(([path]) => path === name)?.[1](request.body)
    if (fault === 'lost') return void response.destroy()
    return body === undefined ? json(response, 404, failure(404, `${name} was not found`, 'notFound')) : json(response, 200, body)
  })
  const google = googleApi(async () => 'token', { compute: api.server, container: api.server, resources: api.server })
  return {
    remover: instanceGroups(PROJECT, google, nodeOf(providerID, { 'cloud.google.com/gke-nodepool': 'workers' })),
    owner: {
      by: 'gcp-instance-group',
      project: PROJECT,
      zone: ZONE,
      instance: NAME,
      id: ID,
      group,
      ...(gcp.nodePool && { nodePool: `projects/${PROJECT}/locations/europe-west3/clusters/shop/nodePools/workers` }),
    } as const,
    asked,
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  }
}

export const gcp: Cloud = {
  name: 'gcp-instance-group',
  group: /instanceGroupManagers\/gke-pool-1a2b-grp/,
  proof: /^Google Compute Engine, by the absence of instance 4567890123456789$/,
  permission: /compute\.instanceGroupManagers\.update/,
  open: (its) => openGcp(its, { autoscaler: { mode: 'ON', minNumReplicas: its.least } }),
}
