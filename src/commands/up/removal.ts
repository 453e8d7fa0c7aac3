import { readFileSync } from 'node:fs'
import { nodeObjectAlone, nodeRemoval } from '../../actors/controller/removal.ts'
import { agentPools, azureApi } from '../../adapters/cloud-groups/agent-pools.ts'
import { autoScaling, connectAutoScaling } from '../../adapters/cloud-groups/auto-scaling.ts'
import { googleApi, instanceGroups } from '../../adapters/cloud-groups/instance-groups.ts'
import { azureToken, googleToken } from '../../adapters/cloud-groups/tokens.ts'
import type { KubernetesClient } from '../../adapters/kubernetes/client.ts'
import { clusterApi } from '../../adapters/kubernetes/removal/cluster-api.ts'
import { clusterAutoscaler } from '../../adapters/kubernetes/removal/cluster-autoscaler.ts'
import { karpenter } from '../../adapters/kubernetes/removal/karpenter.ts'
import { webhookRemover } from '../../adapters/webhook/removal.ts'
import { RemovalSettings } from '../../events/removal.ts'
import type { KubernetesWrites, NodeRemoval, Remover } from '../../ports.ts'
import { UserError } from '../session.ts'

/** The ways of removing a machine, in the order in which they are asked whether it is theirs. */
export const openRemoval = (client: KubernetesClient, kubernetes: KubernetesWrites, settings: RemovalSettings): NodeRemoval => {
  const { webhook, clusterAutoscaler: autoscaler, deleteNodeObjects } = settings
  const removers = [
    karpenter(client),
    clusterApi(client),
    ...cloudGroups(settings, kubernetes),
    // A webhook takes every machine that a cloud has, so what we can do ourselves is before it.
    ...(webhook ? [webhookTo(webhook, kubernetes)] : []),
    clusterAutoscaler(client, { namespace: autoscaler.namespace, name: autoscaler.statusConfigMap }),
    ...(deleteNodeObjects ? [nodeObjectAlone] : []),
  ]
  return nodeRemoval(removers, kubernetes.missingPowers)
}

/** The clouds that the settings name, and no other: nothing of another one is loaded or asked for. */
const cloudGroups = (settings: RemovalSettings, { getNode }: KubernetesWrites): readonly Remover[] => {
  const { awsAutoScaling: aws, gcpInstanceGroups: gcp, aksAgentPools: aks } = settings
  const nodes = { getNode }
  return [
    ...(aws ? [autoScaling(aws.region, connectAutoScaling({ region: aws.region }), nodes)] : []),
    ...(gcp ? [instanceGroups(gcp.project, googleApi(googleToken()), nodes)] : []),
    ...(aks ? [agentPools(aks.cluster, azureApi(azureToken()), nodes)] : []),
  ]
}

const webhookTo = ({ url, secretFile }: NonNullable<RemovalSettings['webhook']>, kubernetes: KubernetesWrites): Remover =>
  webhookRemover({
    url,
    secret: readFileSync(secretFile, 'utf8').trim(),
    providerIdOf: async (node, signal) => (await kubernetes.getNode(node, signal))?.spec.providerID,
  })

/** The settings in a JSON file. @throws UserError naming the field that is wrong */
export const removalSettings = (file: string): RemovalSettings => {
  const result = RemovalSettings.safeParse(parsed(file))
  if (!result.success) {
    const [issue] = result.error.issues
    throw new UserError(`--removal ${file}: ${issue?.path.join('.') || 'the whole'}: ${issue?.message}`)
  }
  const { webhook } = result.data
  if (webhook && read(webhook.secretFile).trim() === '')
    throw new UserError(`--removal ${file}: webhook.secretFile ${webhook.secretFile} is empty`)
  return result.data
}

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UserError(`--removal: ${(error as Error).message}`, { cause: error })
  }
}
const parsed = (file: string): unknown => {
  try {
    return JSON.parse(read(file))
  } catch (error) {
    if (error instanceof SyntaxError) throw new UserError(`--removal ${file}: it is no JSON: ${error.message}`, { cause: error })
    throw error
  }
}
