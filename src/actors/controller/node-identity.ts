import type { Node } from '../../events/kubernetes.ts'

/** Labels whose value is a node's id, as those who make nodes set them. */
export const NODE_ID_LABELS: readonly string[] = ['quartermaster.dev/node-id', 'provisioner.cast.ai/node-id']

/** What of a node tells whether it is the one that was meant. */
export type NodeFound = {
  readonly name: string
  readonly uid: string
  readonly providerId: string
  /** Values of its node-id labels. */
  readonly nodeIds: readonly string[]
}

/** @param labels whose values are node ids */
export const nodeFound = ({ metadata, spec }: Node, labels: readonly string[]): NodeFound => ({
  name: metadata.name,
  uid: metadata.uid,
  providerId: spec.providerID ?? '',
  nodeIds: labels.flatMap((label) => metadata.labels?.[label] ?? []),
})

type Meant = {
  readonly nodeUid?: string | undefined
  readonly providerId?: string | undefined
  readonly nodeId?: string | undefined
}

/**
 * Pure: whether a node is the one that was meant: every id that is given has to be its own. Provider ids are compared
 * without regard to case, and an Azure node that is Ready may have none yet. A node without a node-id label is told by
 * its provider id alone.
 */
export const isMeant = ({ nodeUid, providerId = '', nodeId = '' }: Meant, found: Omit<NodeFound, 'name'> | null): boolean => {
  if (found === null || (nodeUid !== undefined && nodeUid !== found.uid)) return false
  const hasProvider = providerId !== '' && providerId.toLowerCase() === found.providerId.toLowerCase()
  const isProvider = providerId === '' || hasProvider || (found.providerId === '' && providerId.startsWith('azure:'))
  const isId = nodeId === '' || (found.nodeIds.length === 0 ? hasProvider : found.nodeIds.some((id) => isSame(id, nodeId)))
  return isProvider && isId
}
const isSame = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()
