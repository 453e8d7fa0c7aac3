import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Gone, type NodeOwner, type NodeRef, Refused, type Remover, Unavailable } from '../../ports.ts'
import { type Nodes, nodeMeant, untilProven } from './machines.ts'
import { permitted } from './permission.ts'
import { type Rest, restApi, told } from './rest.ts'

type Owner = Extract<NodeOwner, { readonly by: 'gcp-instance-group' }>
type Google = { readonly compute: Rest; readonly container: Rest; readonly resources: Rest }

const PROVIDER_ID = /^gce:\/\/([a-z0-9.:-]+)\/([a-z0-9-]+)\/([a-z0-9-]+)$/
// A path under the project, as the instance's `created-by`, the group's autoscaler and a node pool's groups end in it.
const GROUP = /\/((?:zones|regions)\/[a-z0-9-]+\/instanceGroupManagers\/[a-z0-9-]+)$/
const AUTOSCALER = /\/((?:zones|regions)\/[a-z0-9-]+\/autoscalers\/[a-z0-9-]+)$/
const Name = z.string().regex(/^[a-z0-9-]{1,63}$/)
const NODE_POOL = 'cloud.google.com/gke-nodepool'
/** The most of one page. */
const PAGE = 500

const Id = z.string().regex(/^\d{1,20}$/)
const Instance = z.object({
  id: Id,
  metadata: z.object({ items: z.array(z.object({ key: z.string(), value: z.string().default('') })).default([]) }).prefault({}),
})
const Managed = z.object({
  managedInstances: z
    .array(z.object({ instance: z.string(), id: Id.optional(), currentAction: z.string().default('NONE') }))
    .default([]),
  nextPageToken: z.string().optional(),
})
type Managed = z.infer<typeof Managed>['managedInstances'][number]
const Group = z.object({
  targetSize: z.number().int(),
  status: z.object({ autoscaler: z.string().optional() }).prefault({}),
})
const Autoscaler = z.object({
  autoscalingPolicy: z.object({ mode: z.string().default('ON'), minNumReplicas: z.number().int().default(0) }).prefault({}),
})
const NodePool = z.object({
  instanceGroupUrls: z.array(z.string()).default([]),
  autoscaling: z
    .object({
      enabled: z.boolean().default(false),
      minNodeCount: z.number().int().default(0),
      totalMinNodeCount: z.number().int().default(0),
    })
    .prefault({}),
})
const Operation = z.object({
  name: z.string(),
  error: z.object({ errors: z.array(z.object({ code: z.string().default(''), message: z.string().default('') })) }).optional(),
})

/** What `deleteInstances` needs. */
const UPDATE = 'compute.instanceGroupManagers.update'
const Permissions = z.object({ permissions: z.array(z.string()).default([]) })

/** @param bases where Compute Engine, the Kubernetes Engine and the Resource Manager answer */
export const googleApi = (
  token: (signal: AbortSignal) => Promise<string>,
  bases = {
    compute: 'https://compute.googleapis.com',
    container: 'https://container.googleapis.com',
    resources: 'https://cloudresourcemanager.googleapis.com',
  },
): Google => ({
  compute: restApi({ cloud: 'Google Compute Engine', base: `${bases.compute}/compute/v1`, token }),
  container: restApi({ cloud: 'Google Kubernetes Engine', base: `${bases.container}/v1`, token }),
  resources: restApi({ cloud: 'Google Resource Manager', base: `${bases.resources}/v1`, token }),
})

/**
 * Managed instance groups of Google Compute Engine, GKE's node pools among them, zonal and regional: `deleteInstances`
 * lowers the target size by what it deletes. That the instance is not found is the proof.
 */
export const instanceGroups = (project: string, google: Google, nodes: Nodes): Remover => ({
  by: 'gcp-instance-group',
  claim: async (ref, signal) => {
    const node = await nodeMeant(nodes, ref, signal)
    const [, its, zone, instance] = PROVIDER_ID.exec(node.spec.providerID ?? '') ?? []
    if (its !== project || zone === undefined || instance === undefined) return undefined
    const place = { project, zone, instance }
    const { id, metadata } = await instanceAt(google, place, ref, signal)
    const said = (key: string): string => metadata.items.find((item) => item.key === key)?.value ?? ''
    const [, group] = GROUP.exec(`/${said('created-by')}`) ?? []
    if (group === undefined) return undefined
    const nodePool = nodePoolIn(project, said, node.metadata.labels?.[NODE_POOL])
    const owner: Owner = { by: 'gcp-instance-group', ...place, id, group, ...(nodePool !== undefined && { nodePool }) }
    const managed = await memberIn(google, owner, signal)
    if (!managed) return undefined // its metadata say so, and anybody who may change them can write that
    if (managed.currentAction === 'DELETING') return owner
    await refuse(google, owner, managed, signal)
    await permitted(UPDATE, `project ${project}`, isPermitted(google, project, signal), signal)
    return owner
  },
  shrink: async ({ owner, action }, signal) => shrink(google, ownerIn(owner), action, signal),
  awaitRemoved: ({ owner }, signal) => untilProven(() => proofOf(google, ownerIn(owner), signal), nodes, signal),
})

/** No permission is needed to ask for one's own (docs.cloud.google.com/resource-manager, projects.testIamPermissions). */
const isPermitted = async ({ resources }: Google, project: string, signal?: AbortSignal): Promise<boolean> => {
  const body = { permissions: [UPDATE] }
  const { permissions } = await resources('POST', `/projects/${project}:testIamPermissions`, Permissions, { body, signal })
  return permissions.includes(UPDATE)
}

/** @throws Error when the request is another remover's */
const ownerIn = (owner: NodeOwner): Owner => {
  if (owner.by !== 'gcp-instance-group') throw new Error(`gcp-instance-group: the owner is ${owner.by}`)
  return owner
}
const instancePath = ({ project, zone, instance }: Pick<Owner, 'project' | 'zone' | 'instance'>): string =>
  `/projects/${project}/zones/${zone}/instances/${instance}`

const instanceAt = async (
  { compute }: Google,
  place: Pick<Owner, 'project' | 'zone' | 'instance'>,
  { name }: NodeRef,
  signal?: AbortSignal,
): Promise<z.infer<typeof Instance>> => {
  try {
    return await compute('GET', `${instancePath(place)}?fields=id,metadata(items)`, Instance, { signal })
  } catch (error) {
    if (!(error instanceof Gone)) throw error
    throw new Refused(
      `instance ${place.instance} in ${place.zone} is gone already: node ${name} goes when the cluster notices it`,
    )
  }
}

const nodePoolIn = (project: string, said: (key: string) => string, pool: string | undefined): string | undefined => {
  const names = z.tuple([Name, Name, Name]).safeParse([said('cluster-location'), said('cluster-name'), pool])
  if (!names.success) return undefined
  const [location, cluster, name] = names.data
  return `projects/${project}/locations/${location}/clusters/${cluster}/nodePools/${name}`
}

/** The instance as its group has it. Undefined: it is not, or not any more, one of the group's. */
const memberIn = async ({ compute }: Google, owner: Owner, signal?: AbortSignal): Promise<Managed | undefined> => {
  const end = `/zones/${owner.zone}/instances/${owner.instance}`
  let page = ''
  for (;;) {
    const path = `/projects/${owner.project}/${owner.group}/listManagedInstances?maxResults=${PAGE}${page}`
    const { managedInstances, nextPageToken } = await compute('POST', path, Managed, { signal })
    const found = managedInstances.find(({ instance, id }) => instance.endsWith(end) && (id ?? owner.id) === owner.id)
    if (found || !nextPageToken) return found
    page = `&pageToken=${encodeURIComponent(nextPageToken)}`
  }
}

/** What speaks against making the group smaller by this instance. @throws Refused, Gone */
const refuse = async (google: Google, owner: Owner, { currentAction }: Managed, signal?: AbortSignal): Promise<void> => {
  if (currentAction === 'ABANDONING') throw new Refused(`${owner.group} abandons instance ${owner.instance}, which then runs on`)
  const { targetSize, status } = await groupAt(google, owner.project, owner.group, signal)
  const least = Math.max(await leastOfAutoscaler(google, owner, status.autoscaler, signal), 0)
  if (targetSize - 1 < least)
    throw new Refused(`${owner.group} has the target size ${targetSize} and may not have less than ${least} by its autoscaler`)
  if (owner.nodePool !== undefined) await refuseNodePool(google, owner, owner.nodePool, targetSize, signal)
}

const groupAt = ({ compute }: Google, project: string, group: string, signal?: AbortSignal) =>
  compute('GET', `/projects/${project}/${group}?fields=targetSize,status(autoscaler)`, Group, { signal })

const leastOfAutoscaler = async (
  { compute }: Google,
  { project, group }: Owner,
  url: string | undefined,
  signal?: AbortSignal,
): Promise<number> => {
  if (url === undefined) return 0
  const [, path] = AUTOSCALER.exec(url) ?? []
  if (path === undefined) throw new Unavailable(`Google Compute Engine: the autoscaler of ${group} makes no sense: ${told(url)}`)
  const fields = '?fields=autoscalingPolicy(mode,minNumReplicas)'
  const { autoscalingPolicy } = await compute('GET', `/projects/${project}/${path}${fields}`, Autoscaler, { signal })
  return autoscalingPolicy.mode === 'OFF' ? 0 : autoscalingPolicy.minNumReplicas
}

/** `minNodeCount` is of each zone's group, `totalMinNodeCount` of all together. @throws Refused, Gone */
const refuseNodePool = async (
  google: Google,
  { project, group }: Owner,
  nodePool: string,
  targetSize: number,
  signal?: AbortSignal,
): Promise<void> => {
  const path = `/${nodePool}?fields=instanceGroupUrls,autoscaling`
  const { autoscaling, instanceGroupUrls } = await google.container('GET', path, NodePool, { signal })
  if (!autoscaling.enabled) return
  const { minNodeCount: inZone, totalMinNodeCount: inAll } = autoscaling
  if (targetSize - 1 < inZone)
    throw new Refused(
      `${group} has the target size ${targetSize}, and node pool ${nodePool} may not have less than ${inZone} in a zone`,
    )
  if (inAll === 0) return
  const groups = instanceGroupUrls.flatMap((url) => GROUP.exec(url)?.[1] ?? [])
  const sizes = await Promise.all(groups.map((other) => groupAt(google, project, other, signal)))
  const size = sizes.reduce((sum, { targetSize: its }) => sum + its, 0)
  if (size - 1 < inAll) throw new Refused(`node pool ${nodePool} has ${size} nodes and may not have fewer than ${inAll}`)
}

/** The same UUID for the same removal: Google does nothing for one that it has heard already. */
const requestId = (action: string, id: string): string => {
  const hex = createHash('sha256').update(`${action}/${id}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

// An instance that is being deleted is passed over by `skipInstancesOnValidationError`, and the target size stays.
const shrink = async (google: Google, owner: Owner, action: string, signal?: AbortSignal): Promise<void> => {
  const managed = await memberIn(google, owner, signal)
  if (!managed) throw new Gone(`instance ${owner.instance} (${owner.id}) is not in ${owner.group} any more`)
  if (managed.currentAction === 'DELETING') return
  await refuse(google, owner, managed, signal)
  const { project, group, zone, instance, id } = owner
  const body = { instances: [`zones/${zone}/instances/${instance}`], skipInstancesOnValidationError: true }
  const path = `/projects/${project}/${group}/deleteInstances?requestId=${requestId(action, id)}`
  const { error } = await google.compute('POST', path, Operation, { body, signal })
  const [first] = error?.errors ?? []
  if (first) throw new Refused(`${group} does not delete instance ${instance}: ${told(`${first.code} ${first.message}`)}`)
}

// A group that recreates an instance gives it the same name, and another id.
const proofOf = async ({ compute }: Google, owner: Owner, signal: AbortSignal): Promise<string | undefined> => {
  try {
    const { id } = await compute('GET', `${instancePath(owner)}?fields=id`, Instance, { signal })
    if (id === owner.id) return undefined
  } catch (error) {
    if (!(error instanceof Gone)) throw error
  }
  return `Google Compute Engine, by the absence of instance ${owner.id}`
}
