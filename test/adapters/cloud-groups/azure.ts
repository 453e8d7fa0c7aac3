import { agentPools, azureApi } from '../../../src/adapters/cloud-groups/agent-pools.ts'
import { json, scriptedApi } from '../kubernetes/scripted-api.ts'
import { type Cloud, faultOf, nodeOf, type World } from './world.ts'

const SUBSCRIPTION = '/subscriptions/00000000-0000-0000-0000-000000000000'
const CLUSTER = `${SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/shop`
const POOL = `${CLUSTER}/agentPools/workers`
const VM = `${SUBSCRIPTION}/resourceGroups/MC_rg_shop/providers/Microsoft.Compute/virtualMachineScaleSets/aks-workers-1-vmss/virtualMachines/0`

/** What of a pool only AKS has. */
export type Azure = {
  readonly mode?: string
  readonly scaleDownMode?: string
  readonly enableAutoScaling?: boolean
  readonly vm?: string
  readonly provisioningState?: string
  /** What it says that we may; by default it does not say. */
  readonly permissions?: { readonly value: readonly object[]; readonly nextLink?: string }
}
const failure = (code: string, message: string) => ({ error: { code, message } })

export const openAzure = async (its: World, azure: Azure = {}, providerID = `azure://${VM.toLowerCase()}`, lookMs?: number) => {
  const asked: string[] = []
  const poolOf = () => ({
    name: 'workers',
    properties: {
      count: its.size,
      enableAutoScaling: azure.enableAutoScaling ?? true,
      minCount: its.least,
      maxCount: 10,
      mode: azure.mode ?? 'User',
      scaleDownMode: azure.scaleDownMode ?? 'Delete',
      provisioningState: azure.provisioningState ?? (its.machine === 'going' ? 'Deleting' : 'Succeeded'),
    },
  })
  const api = await scriptedApi((request, response) => {
    const name = `${request.method} ${request.at.pathname}`
    asked.push(name)
    const isChange = name === `POST ${POOL}/deleteMachines`
    if (name === `GET ${CLUSTER}/providers/Microsoft.Authorization/permissions`)
      return azure.permissions
        ? json(response, 200, azure.permissions)
        : json(response, 403, failure('AuthorizationFailed', 'no authorization to read permissions'))
    if (request.at.searchParams.get('api-version') !== '2025-10-01')
      return json(response, 400, failure('InvalidApiVersion', 'which?'))
    const fault = faultOf(its, isChange)
    if (fault === 'throttled') return json(response, 429, failure('TooManyRequests', 'slower'))
    if (fault === 'forbidden')
      return json(
        response,
        403,
        failure(
          'AuthorizationFailed',
          `no authorization to perform action 'Microsoft.ContainerService/managedClusters/agentPools/deleteMachines/action'`,
        ),
      )
    if (fault === 'malformed') return json(response, 200, isChange ? 'anything' : '<html>a proxy</html>')
    if (name === `GET ${POOL}`) return json(response, 200, poolOf())
    if (name === `GET ${POOL}/machines/n1` && its.machine !== 'gone')
      return json(response, 200, { name: 'n1', properties: { resourceId: azure.vm ?? VM } })
    if (!isChange) return json(response, 404, failure('NotFound', `${name} was not found`))
    its.changes++
    if (its.machine !== 'running')
      return json(
        response,
        409,
        failure('OperationNotAllowed', "Operation is not allowed because there's an in progress delete machines operation"),
      )
    if (JSON.parse(request.body).machineNames[0] !== 'n1')
      return json(response, 400, failure('InvalidParameter', 'no such machine'))
    its.size--
    its.machine = 'going'
    if (fault === 'lost') return void response.destroy()
    response.writeHead(202, { location: `${api.server}/operationresults/1` })
    return response.end()
  })
  return {
    remover: agentPools(
      CLUSTER,
      azureApi(async () => 'token', api.server),
      { ...nodeOf(providerID, { 'kubernetes.azure.com/agentpool': 'workers' }), ...(lookMs !== undefined && { lookMs }) },
    ),
    owner: { by: 'aks-agent-pool', cluster: CLUSTER, pool: 'workers', machine: 'n1' } as const,
    asked,
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  }
}

export const azure: Cloud = {
  name: 'aks-agent-pool',
  group: /managedClusters\/shop\/agentPools\/workers/,
  proof: /^AKS, by the absence of machine n1$/,
  permission: /agentPools\/deleteMachines\/action/,
  open: (its) => openAzure(its),
}
