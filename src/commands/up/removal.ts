import { readFileSync } from 'node:fs'
import { nodeObjectAlone, nodeRemoval } from '../../actors/controller/removal.ts'
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
    ...(webhook ? [webhookTo(webhook, kubernetes)] : []),
    clusterAutoscaler(client, { namespace: autoscaler.namespace, name: autoscaler.statusConfigMap }),
    ...(deleteNodeObjects ? [nodeObjectAlone] : []),
  ]
  return nodeRemoval(removers, kubernetes.missingPowers)
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
