import type { NodeOwner, Remover } from '../../../src/ports.ts'

/** One machine of one group, as a cloud has it; the scripted clouds read it and change it. */
export type World = {
  size: number
  readonly least: number
  machine: 'running' | 'going' | 'gone'
  /** Befalls the next request, or the next one that changes something; then it is over. */
  fault?: { readonly on: 'any' | 'change'; readonly what: 'throttled' | 'forbidden' | 'malformed' | 'lost' } | undefined
  /** Requests that asked for the machine's end. */
  changes: number
}
export const world = (more: Partial<World> = {}): World => ({ size: 3, least: 1, machine: 'running', changes: 0, ...more })

/** What the next request meets. `lost`: it is carried out, and the connection breaks before the answer. */
export const faultOf = (its: World, isChange: boolean): NonNullable<World['fault']>['what'] | undefined => {
  const { fault } = its
  if (!fault || (fault.on === 'change' && !isChange)) return undefined
  its.fault = undefined
  return fault.what
}

type Scripted = AsyncDisposable & {
  readonly remover: Remover
  readonly owner: NodeOwner
  /** Requests so far, by their names. */
  readonly asked: readonly string[]
}
/** A cloud that answers on loopback as its documentation says. */
export type Cloud = {
  readonly name: string
  /** What says, in a refusal at the minimum, which group it is. */
  readonly group: RegExp
  readonly proof: RegExp
  /** The permission that is missing, as the cloud names it. */
  readonly permission: RegExp
  open(its: World): Promise<Scripted>
}

export const node = { name: 'n1', uid: 'u1' }
/** The Node as the API server has it. */
export const nodeOf = (providerID: string, labels: Record<string, string> = {}) => ({
  getNode: async () => ({
    kind: 'Node' as const,
    metadata: { name: node.name, uid: node.uid, resourceVersion: '1', labels },
    spec: { providerID },
    status: { allocatable: {} },
  }),
  lookMs: 5,
})
