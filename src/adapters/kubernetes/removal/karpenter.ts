import { z } from 'zod'
import { Gone, type NodeOwner, Refused, type Remover } from '../../../ports.ts'
import type { KubernetesClient } from '../client.ts'
import { namedPath, nodePath } from '../paths.ts'
import { awaitAbsence, Owned, objectAt } from './objects.ts'

type Karpenter = Extract<NodeOwner, { readonly by: 'karpenter' }>

const GROUP = 'karpenter.sh'
const NodePool = z.object({ spec: z.object({ replicas: z.number().optional() }) })
const claimPath = ({ version, nodeClaim }: Pick<Karpenter, 'version' | 'nodeClaim'>): string =>
  namedPath(GROUP, version, undefined, 'nodeclaims', nodeClaim)

/** @throws Error when the request is another remover's */
const claimIn = (owner: NodeOwner): Karpenter => {
  if (owner.by !== 'karpenter') throw new Error(`karpenter: the owner is ${owner.by}`)
  return owner
}

/**
 * Karpenter: the NodeClaim that owns the Node is deleted. Karpenter takes its finalizer away only when the cloud says that
 * the instance is gone (karpenter.sh/docs/concepts/nodeclaims), so its absence is the proof.
 */
export const karpenter = (client: KubernetesClient): Remover => ({
  by: 'karpenter',
  claim: async ({ name, uid }, signal) => {
    const node = await objectAt(client, nodePath(name), Owned, signal)
    if (node?.metadata.uid !== uid) throw new Gone(`node ${name} (${uid}) is no more`)
    const { ownerReferences, labels } = node.metadata
    const owner = ownerReferences.find(({ kind, apiVersion }) => kind === 'NodeClaim' && apiVersion.startsWith(`${GROUP}/`))
    if (!owner) return undefined
    const version = owner.apiVersion.slice(GROUP.length + 1)
    await refuseStatic(client, version, labels['karpenter.sh/nodepool'], signal)
    return { by: 'karpenter', nodeClaim: owner.name, uid: owner.uid, version }
  },
  powers: () => ['get', 'delete'].map((verb) => ({ verb, group: GROUP, resource: 'nodeclaims' })),
  shrink: async ({ owner }, signal) => {
    const claim = claimIn(owner)
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: claim.uid } }
    await client.request('DELETE', claimPath(claim), { body, signal })
  },
  awaitRemoved: async ({ owner }, signal) => {
    const claim = claimIn(owner)
    await awaitAbsence(client, claimPath(claim), claim.uid, signal)
    return 'Karpenter, by the absence of its NodeClaim'
  },
})

/** A NodePool with a number of its own makes another node at once. @throws Refused */
const refuseStatic = async (
  client: KubernetesClient,
  version: string,
  pool: string | undefined,
  signal: AbortSignal | undefined,
): Promise<void> => {
  if (pool === undefined) return
  const found = await objectAt(client, namedPath(GROUP, version, undefined, 'nodepools', pool), NodePool, signal)
  if (found?.spec.replicas !== undefined)
    throw new Refused(
      `NodePool ${pool} keeps ${found.spec.replicas} nodes whatever is deleted: lower its replicas, or exclude its nodes from the plan`,
    )
}
