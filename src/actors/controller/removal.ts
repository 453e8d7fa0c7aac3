import {
  type KubernetesWrites,
  type NodeOwner,
  type NodeRef,
  type NodeRemoval,
  type Power,
  powerInWords,
  Refused,
  type RemovalRequest,
  type Remover,
} from '../../ports.ts'

/** Deletes the Node object alone, which removes no machine: only where somebody has said that this is wanted. */
export const nodeObjectAlone: Remover = {
  by: 'node-object',
  claim: async () => ({ by: 'node-object' }),
  shrink: async () => {},
  awaitRemoved: async () => 'nobody',
}

const nobody = ({ name }: NodeRef): Refused =>
  new Refused(
    `nothing that we know owns the machine of node ${name} (no NodeClaim of Karpenter, no Machine of Cluster API, no group of a cloud that the removal settings name, no cluster-autoscaler): it would run on or come back; name its cloud or a webhook in the removal settings, or allow there that Node objects are deleted alone`,
  )

const powerless = ({ name }: NodeRef, { by }: NodeOwner, missing: readonly Power[]): Refused =>
  new Refused(
    `the machine of node ${name} is removed by way of ${by}, and this process may not ${missing.map(powerInWords).join(', ')}: grant it (docs/drain.md)`,
  )

/**
 * Removes a machine by the first of the ways that knows its owner. Whether we may is asked before anything is emptied for it.
 * @param missingPowers those of some powers that this process does not have
 */
export const nodeRemoval = (removers: readonly Remover[], missingPowers: KubernetesWrites['missingPowers']): NodeRemoval => {
  const removerOf = ({ owner }: RemovalRequest): Remover => {
    const found = removers.find(({ by }) => by === owner.by)
    if (found) return found
    throw new Refused(`this process does not know how to remove a machine by ${owner.by}: its settings have changed since`)
  }
  return {
    ownerOf: async (node, signal) => {
      for (const remover of removers) {
        const owner = await remover.claim(node, signal)
        if (!owner) continue
        const missing = await missingPowers(remover.powers?.(owner) ?? [], signal)
        if (missing.length > 0) throw powerless(node, owner, missing)
        return owner
      }
      throw nobody(node)
    },
    mark: async (request, signal) => removerOf(request).mark?.(request, signal),
    unmark: async (request, signal) => removerOf(request).unmark?.(request, signal),
    shrink: (request, signal) => removerOf(request).shrink(request, signal),
    awaitRemoved: (request, signal) => removerOf(request).awaitRemoved(request, signal),
    tidy: async (request, signal) => removerOf(request).tidy?.(request, signal),
  }
}
