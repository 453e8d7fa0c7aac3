import { z } from 'zod'
import { hasForm } from '../../events/pattern.ts'
import { Gone, type NodeOwner, Refused, type Remover, Unavailable } from '../../ports.ts'
import { LOOK_MS, type Nodes, nodeMeant, untilProven } from './machines.ts'
import { permitted } from './permission.ts'
import { type Rest, restApi } from './rest.ts'

type Owner = Extract<NodeOwner, { readonly by: 'aks-agent-pool' }>

/** Stable, with machines and their deletion: github.com/Azure/azure-rest-api-specs, containerservice. */
const VERSION = '?api-version=2025-10-01'
const POOL = 'kubernetes.azure.com/agentpool'
const Pool = z.string().regex(/^[a-z][a-z0-9]{0,11}$/)
const Name = z.string().regex(/^[a-z0-9.-]{1,253}$/)
/** What deletes machines, and where Azure tells what we may do with a resource (Permissions - List For Resource). */
const DELETE = 'Microsoft.ContainerService/managedClusters/agentPools/deleteMachines/action'
const PERMISSIONS = '/providers/Microsoft.Authorization/permissions?api-version=2022-04-01'
const Actions = z.array(z.string()).default([])
const Permissions = z.object({
  value: z.array(z.object({ actions: Actions, notActions: Actions })),
  nextLink: z.string().nullish(),
})
/** Of an operation that has ended, whichever way. */
const SETTLED = ['Succeeded', 'Failed', 'Canceled']

const Machine = z.object({ properties: z.object({ resourceId: z.string() }) })
const AgentPool = z.object({
  properties: z.object({
    count: z.number().int(),
    minCount: z.number().int().nullish(),
    enableAutoScaling: z.boolean().nullish(),
    mode: z.string().default('User'),
    scaleDownMode: z.string().default('Delete'),
    provisioningState: z.string(),
  }),
})
type AgentPool = z.infer<typeof AgentPool>['properties']

export const azureApi = (token: (signal: AbortSignal) => Promise<string>, base = 'https://management.azure.com'): Rest =>
  restApi({ cloud: 'Azure', base, token })

/**
 * AKS' agent pools: `deleteMachines` deletes the machine that is named and lowers the pool's count. That AKS does not
 * know the machine any more is the proof.
 * @param cluster the id of the managed cluster's resource
 */
export const agentPools = (cluster: string, azure: Rest, nodes: Nodes): Remover => {
  const turns = turnsOf(nodes)
  return {
    by: 'aks-agent-pool',
    claim: async (ref, signal) => {
      const { metadata, spec } = await nodeMeant(nodes, ref, signal)
      const pool = Pool.safeParse(metadata.labels?.[POOL]).data
      const machine = Name.safeParse(ref.name).data
      const [, resource] = /^azure:\/\/(\/subscriptions\/.+)$/i.exec(spec.providerID ?? '') ?? []
      if (pool === undefined || machine === undefined || resource === undefined) return undefined
      const owner: Owner = { by: 'aks-agent-pool', cluster, pool, machine }
      const found = await machineOf(azure, owner, signal)
      if (!found)
        throw new Refused(`AKS knows no machine ${machine} in ${poolPath(owner)}: it is gone already, or another cluster's`)
      if (found.properties.resourceId.toLowerCase() !== resource.toLowerCase())
        throw new Refused(`machine ${machine} of ${poolPath(owner)} is not the one of node ${ref.name}: another cluster's?`)
      refuse(owner, await poolOf(azure, owner, signal))
      await permitted(DELETE, cluster, isPermitted(azure, cluster, signal), signal)
      return owner
    },
    shrink: async ({ owner }, signal) => shrink(azure, turns, ownerIn(owner), signal),
    awaitRemoved: ({ owner }, signal) => {
      const its = ownerIn(owner)
      const look = async (): Promise<string | undefined> =>
        (await machineOf(azure, its, signal)) ? undefined : `AKS, by the absence of machine ${its.machine}`
      return untilProven(look, nodes, signal)
    },
  }
}

/** A role gives what one of its actions covers and none of its `notActions`; any role is enough. */
const isPermitted = async (azure: Rest, cluster: string, signal?: AbortSignal): Promise<boolean> => {
  const { value, nextLink } = await azure('GET', cluster + PERMISSIONS, Permissions, { signal })
  const covers = (pattern: string): boolean => hasForm(pattern.toLowerCase(), DELETE.toLowerCase())
  if (value.some(({ actions, notActions }) => actions.some(covers) && !notActions.some(covers))) return true
  return Boolean(nextLink) // of what is on further pages nothing is known
}

/** @throws Error when the request is another remover's */
const ownerIn = (owner: NodeOwner): Owner => {
  if (owner.by !== 'aks-agent-pool') throw new Error(`aks-agent-pool: the owner is ${owner.by}`)
  return owner
}
const poolPath = ({ cluster, pool }: Owner): string => `${cluster}/agentPools/${pool}`

const machineOf = async (azure: Rest, owner: Owner, signal?: AbortSignal): Promise<z.infer<typeof Machine> | undefined> => {
  try {
    return await azure('GET', `${poolPath(owner)}/machines/${owner.machine}${VERSION}`, Machine, { signal })
  } catch (error) {
    if (error instanceof Gone) return undefined
    throw error
  }
}
const poolOf = async (azure: Rest, owner: Owner, signal?: AbortSignal): Promise<AgentPool> =>
  (await azure('GET', poolPath(owner) + VERSION, AgentPool, { signal })).properties

/** What speaks against making the pool smaller. @throws Refused */
const refuse = (owner: Owner, { count, minCount, enableAutoScaling, mode, scaleDownMode }: AgentPool): void => {
  if (scaleDownMode === 'Deallocate')
    throw new Refused(`${poolPath(owner)} deallocates its machines (scaleDownMode): they would stay, and be started again`)
  const least = Math.max(enableAutoScaling ? (minCount ?? 0) : 0, mode === 'System' ? 1 : 0)
  if (count - 1 < least) throw new Refused(`${poolPath(owner)} has ${count} machines and may not have fewer than ${least}`)
}

type Turns = ReturnType<typeof turnsOf>

/** Of a pool that was found at work nobody asks again for a while, however many wait for their turn. */
const turnsOf = ({ lookMs = LOOK_MS }: Nodes) => {
  const found = new Map<string, { readonly state: string; readonly at: number }>()
  const busy = (path: string, state: string): Unavailable => new Unavailable(`${path} is ${state}: an operation is under way`)
  return {
    /** @throws Unavailable */
    ask: (path: string): void => {
      const last = found.get(path)
      if (last && performance.now() - last.at < lookMs) throw busy(path, last.state)
    },
    /** @throws Unavailable */
    note: (path: string, state: string): void => {
      if (SETTLED.includes(state)) return void found.delete(path)
      found.set(path, { state, at: performance.now() })
      throw busy(path, state)
    },
  }
}

// AKS changes a pool one operation after the other. Whether the one that runs is ours, nobody says: it is waited for, and
// then either the machine is gone, or it was another's.
const shrink = async (azure: Rest, turns: Turns, owner: Owner, signal?: AbortSignal): Promise<void> => {
  turns.ask(poolPath(owner))
  if (!(await machineOf(azure, owner, signal))) throw new Gone(`machine ${owner.machine} is not in ${poolPath(owner)} any more`)
  const pool = await poolOf(azure, owner, signal)
  turns.note(poolPath(owner), pool.provisioningState)
  refuse(owner, pool)
  const body = { machineNames: [owner.machine] }
  await azure('POST', `${poolPath(owner)}/deleteMachines${VERSION}`, z.unknown(), { body, signal })
}
