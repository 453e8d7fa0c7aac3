import { amountOf } from '../../actors/evictor/model/amount.ts'
import { demandOf } from '../../actors/evictor/model/demand.ts'
import type { Picture, Seen } from '../../adapters/jetstream/objects-history-picture.ts'
import { Node, Pod } from '../../events/kubernetes.ts'

type Amounts = { readonly cpuMillicores: number; readonly memoryBytes: number }
/** A node as it was, and what its pods asked for. `unreadable`: pods whose requests make no sense are not in the sum. */
export type NodeThen = {
  readonly name: string
  /** `Ready`, `NotReady`, and `Missing` for a node that pods name and that was not there. */
  readonly state: 'Ready' | 'NotReady' | 'Missing'
  readonly unschedulable: boolean
  readonly pods: number
  readonly unreadable: number
  readonly requests: Amounts
  readonly allocatable: Amounts
}

type Counted = { node: Node | undefined; pods: number; unreadable: number; cpuMillicores: number; memoryBytes: number }

/** Every node of a picture by name, with the pods bound to it that had not ended. */
export const nodesThen = async ({ seen }: Picture): Promise<readonly NodeThen[]> => {
  const found = new Map<string, Counted>()
  const on = (name: string): Counted => {
    const its = found.get(name) ?? { node: undefined, pods: 0, unreadable: 0, cpuMillicores: 0, memoryBytes: 0 }
    found.set(name, its)
    return its
  }
  const take = ({ kind, version, isThen }: Seen): void => {
    if (!isThen || !version.subject.startsWith('obj.') || (kind !== 'nodes' && kind !== 'pods')) return
    const object: unknown = JSON.parse(Buffer.from(version.payload).toString())
    const node = kind === 'nodes' ? Node.safeParse(object).data : undefined
    if (node) on(node.metadata.name).node = node
    const pod = kind === 'pods' ? Pod.safeParse(object).data : undefined
    if (pod?.spec.nodeName !== undefined && !isOver(pod)) add(on(pod.spec.nodeName), pod)
  }
  for await (const block of seen()) for (const one of block) take(one)
  return [...found].map(([name, its]) => nodeThen(name, its)).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

const isOver = ({ status }: Pod): boolean => status.phase === 'Succeeded' || status.phase === 'Failed'

const add = (its: Counted, { spec }: Pod): void => {
  its.pods += 1
  try {
    const demand = demandOf(spec)
    its.cpuMillicores += demand.get('cpu') ?? 0
    its.memoryBytes += demand.get('memory') ?? 0
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    its.unreadable += 1
  }
}

const nodeThen = (name: string, { node, pods, unreadable, cpuMillicores, memoryBytes }: Counted): NodeThen => ({
  name,
  state: node === undefined ? 'Missing' : isReady(node) ? 'Ready' : 'NotReady',
  unschedulable: node?.spec.unschedulable === true,
  pods,
  unreadable,
  requests: { cpuMillicores, memoryBytes },
  allocatable: { cpuMillicores: allocatable(node, 'cpu'), memoryBytes: allocatable(node, 'memory') },
})

const isReady = ({ status }: Node): boolean =>
  status.conditions?.some(({ type, status: its }) => type === 'Ready' && its === 'True') === true

const allocatable = (node: Node | undefined, resource: string): number => {
  try {
    return amountOf(resource, node?.status.allocatable[resource] ?? 0)
  } catch (error) {
    if (error instanceof RangeError) return 0 // what is no quantity is no room
    throw error
  }
}
