import { Gone, Refused, type Remover } from '../../../ports.ts'
import type { KubernetesClient } from '../client.ts'
import { namedPath, nodePath } from '../paths.ts'
import { awaitAbsence, Owned, objectAt } from './objects.ts'

/** Where a cluster-autoscaler says that it lives (`--namespace`, `--status-config-map-name`). */
type StatusConfigMap = { readonly namespace: string; readonly name: string }
const STATUS: StatusConfigMap = { namespace: 'kube-system', name: 'cluster-autoscaler-status' }

const UPDATED = 'cluster-autoscaler.kubernetes.io/last-updated'
const DISABLED = 'cluster-autoscaler.kubernetes.io/scale-down-disabled'
/** It writes every ten seconds. */
const ALIVE_MS = 600_000

/** `2026-11-30 12:00:00.123456789 +0000 UTC`, as Go prints a time. @returns epoch ms, or not a number */
export const goTime = (text: string): number => {
  const [, date, time, sign, hours, minutes] = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? ([+-])(\d\d)(\d\d)/.exec(text) ?? []
  return Date.parse(`${date}T${time}${sign}${hours}:${minutes}`)
}

/**
 * A cluster-autoscaler that lives: the empty, cordoned node is left to it, which makes the group smaller when the node was
 * unneeded for long enough (ten minutes by default), and minds the group's minimum. The Node goes when the cloud
 * provider's controller does not find the machine any more, so its absence is the proof.
 */
export const clusterAutoscaler = (client: KubernetesClient, status: StatusConfigMap = STATUS): Remover => ({
  by: 'cluster-autoscaler',
  claim: async ({ name, uid }, signal) => {
    const path = namedPath('', 'v1', status.namespace, 'configmaps', status.name)
    const found = await objectAt(client, path, Owned, signal)
    const updatedAt = goTime(found?.metadata.annotations[UPDATED] ?? '')
    if (!(Date.now() - updatedAt < ALIVE_MS)) return undefined
    const node = await objectAt(client, nodePath(name), Owned, signal)
    if (node?.metadata.uid !== uid) throw new Gone(`node ${name} (${uid}) is no more`)
    if (node.metadata.annotations[DISABLED] === 'true')
      throw new Refused(`node ${name} is annotated with ${DISABLED}: the cluster-autoscaler does not remove it`)
    return { by: 'cluster-autoscaler' }
  },
  shrink: async () => {},
  awaitRemoved: async ({ node }, signal) => {
    await awaitAbsence(client, nodePath(node.name), node.uid, signal)
    return "the cloud provider's controller, by the absence of the Node"
  },
})
