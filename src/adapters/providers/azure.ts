import { z } from 'zod'
import { Name } from '../../events/provider.ts'
import type { MachineFacts } from '../../ports.ts'
import { asking, nonsense } from './request.ts'

const COMPUTE = '/metadata/instance/compute?api-version=2021-05-01&format=json'

// https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service#instance-metadata
const Compute = z.object({
  location: Name,
  subscriptionId: z.guid(),
  resourceGroupName: Name,
  resourceId: z.string().regex(/^\/subscriptions\/[^\s/]+\/[\x21-\x7e]{1,1024}$/),
  tagsList: z.array(z.object({ name: z.string(), value: z.string() })).catch([]),
})
const CLUSTER_TAG = 'aks-managed-cluster-name'

/**
 * Azure's instance metadata. AKS tells the cluster's name in a tag of its newer machines.
 * @throws Unavailable
 */
export const azureMachine = (base: string, signal?: AbortSignal): Promise<MachineFacts> =>
  asking('Azure', base, signal, async (ask) => {
    const answer = await ask(COMPUTE, { headers: { metadata: 'true' } })
    const { location, subscriptionId, resourceGroupName, resourceId, tagsList } = computeIn(answer?.text)
    const tag = tagsList.find(({ name }) => name.toLowerCase() === CLUSTER_TAG)
    return {
      cloud: 'Azure',
      providerID: `azure://${resourceId}`,
      region: location,
      account: subscriptionId,
      clusterName: Name.safeParse(tag?.value).data,
      nodeResourceGroup: resourceGroupName,
    }
  })

const computeIn = (text: string | undefined): z.infer<typeof Compute> => {
  try {
    return Compute.parse(JSON.parse(text ?? ''))
  } catch (error) {
    throw nonsense('Azure', 'it does not tell location, subscription, resource group and id', error)
  }
}
