import type { Node } from '../../events/kubernetes.ts'
import type { CheckNodeStatus } from '../../events/orders.ts'
import { isMeant, nodeFound } from './node-identity.ts'

type Asked = Pick<CheckNodeStatus, 'nodeName' | 'nodeUid' | 'providerId' | 'nodeId' | 'nodeStatus'>
/** Whether a node is as it was asked for, and what there is instead. */
export type NodeStatus = { readonly reached: boolean; readonly seen: string }

/** The cloud's controller takes it away when it knows the machine. */
const UNINITIALIZED = 'node.cloudprovider.kubernetes.io/uninitialized'

/** Pure. READY: it is the node that is meant, its condition Ready is True, and the cloud knows it. DELETED: it is none. */
export const nodeStatus = (asked: Asked, node: Node | undefined, labels: readonly string[]): NodeStatus => {
  const isThere = node !== undefined && isMeant(asked, nodeFound(node, labels))
  if (asked.nodeStatus === 'DELETED')
    return isThere ? { reached: false, seen: 'it is still there' } : { reached: true, seen: 'it is gone' }
  if (!node) return { reached: false, seen: 'there is no node of that name' }
  if (!isThere) return { reached: false, seen: `the node of that name (uid ${node.metadata.uid}) is another one` }
  const ready = node.status.conditions?.find(({ type }) => type === 'Ready')
  if (ready?.status !== 'True') return { reached: false, seen: `its condition Ready is ${ready?.status ?? 'missing'}` }
  if (node.spec.taints?.some(({ key }) => key === UNINITIALIZED))
    return { reached: false, seen: `it has the taint ${UNINITIALIZED}` }
  return { reached: true, seen: 'it is ready' }
}
