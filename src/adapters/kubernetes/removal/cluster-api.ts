import { z } from 'zod'
import { Gone, type NodeOwner, Refused, type Remover } from '../../../ports.ts'
import type { KubernetesClient } from '../client.ts'
import { namedPath, nodePath } from '../paths.ts'
import { awaitAbsence, Owned, objectAt, type Reference } from './objects.ts'

type ClusterApi = Extract<NodeOwner, { readonly by: 'cluster-api' }>
type Place = { readonly version: string; readonly namespace: string }

const GROUP = 'cluster.x-k8s.io'
// Written onto Nodes by Cluster API's machine controller.
const [MACHINE, NAMESPACE] = ['cluster.x-k8s.io/machine', 'cluster.x-k8s.io/cluster-namespace']
/** Of two machines of a set, the one with this annotation is deleted first, whatever its value. */
const DELETE_MACHINE = 'cluster.x-k8s.io/delete-machine'
const MIN_SIZE = 'cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size'
/** On the group, by the machine's UID: its replicas were lowered for this machine already. Both change in one patch. */
const shrunkFor = (uid: string): string => `quartermaster.dev/shrunk-for-${uid}`
const ours = (action: string): string => `quartermaster/${action}`

const Group = z.object({ preferredVersion: z.object({ version: z.string() }) })
const Sized = Owned.extend({ spec: z.object({ replicas: z.number().int().optional() }) })
type Sized = z.infer<typeof Sized>
const Topology = z.object({
  spec: z.object({
    topology: z
      .object({
        workers: z
          .object({ machineDeployments: z.array(z.object({ name: z.string(), replicas: z.number().optional() })).default([]) })
          .default({ machineDeployments: [] }),
      })
      .optional(),
  }),
})

const at = ({ version, namespace }: Place, resource: string, name: string): string =>
  namedPath(GROUP, version, namespace, resource, name)
const machinePath = (owner: ClusterApi): string => at(owner, 'machines', owner.machine)
const groupPath = (owner: ClusterApi): string => at(owner, owner.group.resource, owner.group.name)
const controllerIn = ({ metadata }: Owned): Reference | undefined =>
  metadata.ownerReferences.find(({ controller }) => controller === true)

/** @throws Error when the request is another remover's */
const machineIn = (owner: NodeOwner): ClusterApi => {
  if (owner.by !== 'cluster-api') throw new Error(`cluster-api: the owner is ${owner.by}`)
  return owner
}

/**
 * Cluster API: the Machine is marked as the one to go, then its MachineDeployment (or MachineSet) gets one replica less,
 * once for a machine. The Machine goes when its infrastructure is gone, so its absence is the proof.
 */
export const clusterApi = (client: KubernetesClient): Remover => ({
  by: 'cluster-api',
  claim: async ({ name, uid }, signal) => {
    const node = await objectAt(client, nodePath(name), Owned, signal)
    if (node?.metadata.uid !== uid) throw new Gone(`node ${name} (${uid}) is no more`)
    const { [MACHINE]: machine, [NAMESPACE]: namespace } = node.metadata.annotations
    if (machine === undefined || namespace === undefined) return undefined
    const group = await objectAt(client, `/apis/${GROUP}`, Group, signal)
    return group && ownerOf(client, { version: group.preferredVersion.version, namespace }, machine, signal)
  },
  powers: (owner) => {
    const { namespace, group } = machineIn(owner)
    return ['machines', group.resource].map((resource) => ({ verb: 'patch', group: GROUP, resource, namespace }))
  },
  mark: async ({ owner, action }, signal) => {
    const machine = machineIn(owner)
    await merge(client, machinePath(machine), { uid: machine.uid, annotations: { [DELETE_MACHINE]: ours(action) } }, {}, signal)
  },
  unmark: async ({ owner, action }, signal) => {
    const machine = machineIn(owner)
    const found = await objectAt(client, machinePath(machine), Owned, signal)
    if (found?.metadata.annotations[DELETE_MACHINE] !== ours(action)) return
    await merge(client, machinePath(machine), { uid: machine.uid, annotations: { [DELETE_MACHINE]: null } }, {}, signal)
  },
  shrink: async ({ owner, action }, signal) => shrink(client, machineIn(owner), action, signal),
  awaitRemoved: async ({ owner }, signal) => {
    const machine = machineIn(owner)
    await awaitAbsence(client, machinePath(machine), machine.uid, signal)
    return 'Cluster API, by the absence of its Machine'
  },
  tidy: async ({ owner }, signal) => {
    const { group, uid } = machineIn(owner)
    await merge(client, groupPath(machineIn(owner)), { uid: group.uid, annotations: { [shrunkFor(uid)]: null } }, {}, signal)
  },
})

const merge = async (
  client: KubernetesClient,
  path: string,
  metadata: object,
  rest: object,
  signal: AbortSignal | undefined,
): Promise<void> => {
  const body = { metadata, ...rest }
  await client.request('PATCH', path, { body, contentType: 'application/merge-patch+json', signal })
}

/** The way from a Machine to what counts it. @throws Refused when that is nothing whose replicas we may lower */
const ownerOf = async (
  client: KubernetesClient,
  place: Place,
  machine: string,
  signal: AbortSignal | undefined,
): Promise<ClusterApi | undefined> => {
  const found = await objectAt(client, at(place, 'machines', machine), Owned, signal)
  if (!found) return undefined // its management cluster is another one
  const set = controllerIn(found)
  if (set?.kind !== 'MachineSet')
    throw new Refused(
      `Machine ${place.namespace}/${machine} belongs to ${set ? `${set.kind} ${set.name}` : 'nothing'}, which we do not make smaller: only MachineDeployments and MachineSets`,
    )
  const owned = await objectAt(client, at(place, 'machinesets', set.name), Sized, signal)
  if (!owned) throw new Gone(`MachineSet ${place.namespace}/${set.name} is no more`)
  const deployment = controllerIn(owned)
  const group =
    deployment?.kind === 'MachineDeployment'
      ? ({ resource: 'machinedeployments', name: deployment.name, uid: deployment.uid } as const)
      : ({ resource: 'machinesets', name: set.name, uid: set.uid } as const)
  const owner: ClusterApi = { by: 'cluster-api', ...place, machine, uid: found.metadata.uid, group }
  const sized = group.resource === 'machinesets' ? owned : await objectAt(client, groupPath(owner), Sized, signal)
  if (!sized) throw new Gone(`MachineDeployment ${place.namespace}/${group.name} is no more`)
  await refuseTopology(client, place, sized, signal)
  smaller(owner, sized)
  return owner
}

/** One replica less. @throws Refused at the group's minimum */
const smaller = ({ namespace, group }: ClusterApi, { metadata, spec }: Sized): number => {
  const least = Math.max(0, Number.parseInt(metadata.annotations[MIN_SIZE] ?? '0', 10) || 0)
  const replicas = spec.replicas ?? 1
  if (replicas - 1 >= least) return replicas - 1
  throw new Refused(`${group.resource} ${namespace}/${group.name} has ${replicas} replicas and may not have fewer than ${least}`)
}

/** Replicas that the Cluster's topology names come back. @throws Refused */
const refuseTopology = async (
  client: KubernetesClient,
  place: Place,
  { metadata: { labels } }: Sized,
  signal: AbortSignal | undefined,
): Promise<void> => {
  const cluster = labels['cluster.x-k8s.io/cluster-name']
  const part = labels['topology.cluster.x-k8s.io/deployment-name']
  if (labels['topology.cluster.x-k8s.io/owned'] === undefined || cluster === undefined) return
  const found = await objectAt(client, at(place, 'clusters', cluster), Topology, signal)
  const named = found?.spec.topology?.workers.machineDeployments.find(({ name }) => name === part)
  if (named?.replicas !== undefined)
    throw new Refused(
      `the topology of Cluster ${place.namespace}/${cluster} wants ${named.replicas} replicas of ${part}: leave them out there, so that they can be lowered`,
    )
}

// The annotation tells a repeat that it was done; the resourceVersion tells that nobody else changed the group meanwhile.
const shrink = async (
  client: KubernetesClient,
  owner: ClusterApi,
  action: string,
  signal: AbortSignal | undefined,
): Promise<void> => {
  const sized = await objectAt(client, groupPath(owner), Sized, signal)
  if (sized?.metadata.uid !== owner.group.uid) throw new Gone(`${owner.group.resource} ${owner.group.name} is no more`)
  if (sized.metadata.annotations[shrunkFor(owner.uid)] !== undefined) return
  const machine = await objectAt(client, machinePath(owner), Owned, signal)
  if (machine?.metadata.uid !== owner.uid || typeof machine.metadata.deletionTimestamp === 'string')
    throw new Gone(`Machine ${owner.namespace}/${owner.machine} is going already: its group is not made smaller for it`)
  const { uid, resourceVersion } = sized.metadata
  const metadata = { uid, resourceVersion, annotations: { [shrunkFor(owner.uid)]: action } }
  await merge(client, groupPath(owner), metadata, { spec: { replicas: smaller(owner, sized) } }, signal)
}
