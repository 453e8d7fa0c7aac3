import { type CapacityType, capacityTypeOf } from '../../../events/capacity-type.ts'
import type { Catalogue, MachineType } from '../../../events/catalogue.ts'
import { Node, type Taint } from '../../../events/kubernetes.ts'
import type { Policy, Prices } from '../../../events/plan.ts'
import { nodeBlocked } from '../eligibility/nodes.ts'
import { amountOf } from '../model/amount.ts'
import type { Model, NodeEntry } from '../model.ts'
import { priceOf } from '../prices.ts'
import { allocatableOf } from './reserved.ts'

/** A kind of node that can be launched. */
export type Offer = {
  readonly instanceType: string
  /** Empty: none. */
  readonly zone: string
  readonly capacityType: CapacityType
  /** $/h of one. */
  readonly hourly: number
  readonly limit: number
  readonly labels: Readonly<Record<string, string>>
  readonly taints: readonly Taint[]
  /** In the model's units. */
  readonly allocatable: ReadonlyMap<string, number>
  /** A node of this kind that is there; empty: there is none. */
  readonly like: string
}

const INSTANCE_TYPE = 'node.kubernetes.io/instance-type'
const ZONE = 'topology.kubernetes.io/zone'
const HOSTNAME = 'kubernetes.io/hostname'
/** Nodes of one kind say the same of these. */
const KIND_LABELS = [
  INSTANCE_TYPE,
  ZONE,
  'topology.kubernetes.io/region',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'karpenter.sh/nodepool',
  'eks.amazonaws.com/nodegroup',
  'cloud.google.com/gke-nodepool',
  'kubernetes.azure.com/agentpool',
]

type Labels = Readonly<Record<string, string>>
const labelsOf = ({ object }: NodeEntry): Labels => object?.metadata.labels ?? {}
const taintsOf = ({ object }: NodeEntry): readonly Taint[] =>
  (object?.spec.taints ?? []).filter(({ key }) => !key.startsWith('node.kubernetes.io/'))
const kindOf = (node: NodeEntry): string => {
  const labels = labelsOf(node)
  const taints = taintsOf(node).map(({ key, value, effect }) => [key, value, effect].join())
  return JSON.stringify([KIND_LABELS.map((name) => labels[name]), capacityTypeOf(labels), taints.sort()])
}

/** How many nodes carry each label with its value: what one alone carries is its own, not its kind's. */
const carriers = (nodes: Iterable<NodeEntry>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const node of nodes)
    for (const label of Object.entries(labelsOf(node))) counts.set(label.join('='), (counts.get(label.join('=')) ?? 0) + 1)
  return counts
}
const commonLabels = (nodes: readonly NodeEntry[], counts: ReadonlyMap<string, number>): Labels =>
  Object.fromEntries(
    Object.entries(nodes[0] ? labelsOf(nodes[0]) : {}).filter(
      ([name, value]) =>
        nodes.every((node) => labelsOf(node)[name] === value) &&
        (KIND_LABELS.includes(name) || (counts.get(`${name}=${value}`) ?? 0) > 1),
    ),
  )
/** Of each resource what the poorest of them has. */
const leastOf = ({ columns: { names, allocatable } }: Model, nodes: readonly NodeEntry[]): ReadonlyMap<string, number> =>
  new Map(
    names.map((name, resource) => [name, Math.min(...nodes.map(({ index }) => allocatable[resource]?.[index] ?? 0))] as const),
  )

/** Kinds of which the cluster has nodes that a plan may empty, at the price of the dearest; none at a price that is guessed. */
const ofCluster = (model: Model, policy: Policy, prices: Prices, now: number): readonly Offer[] => {
  const counts = carriers(model.nodes.values())
  const kinds = Map.groupBy(
    [...model.nodes.values()]
      .filter((node) => !nodeBlocked(node, policy, now, new Set()))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    kindOf,
  )
  return [...kinds.values()].flatMap((nodes): readonly Offer[] => {
    const [first] = nodes
    const known = nodes.flatMap(({ object }) => (object ? priceOf(object, prices) : []))
    const labels = commonLabels(nodes, counts)
    if (!first || labels[INSTANCE_TYPE] === undefined || known.some(({ basis }) => basis === 'guessed')) return []
    return [
      {
        instanceType: labels[INSTANCE_TYPE],
        zone: labels[ZONE] ?? '',
        capacityType: capacityTypeOf(labels),
        hourly: Math.max(...known.map(({ hourly }) => hourly)),
        limit: Number.POSITIVE_INFINITY,
        labels,
        taints: taintsOf(first),
        allocatable: leastOf(model, nodes),
        like: first.name,
      },
    ]
  })
}

const roomOf = ({ allocatable, capacity = {} }: MachineType): ReadonlyMap<string, number> =>
  allocatable
    ? new Map(Object.entries({ pods: 110, ...allocatable }).map(([name, text]) => [name, amountOf(name, text)]))
    : allocatableOf(capacity)

/** @throws RangeError for what is no quantity */
const ofCatalogue = ({ types }: Catalogue): readonly Offer[] =>
  types.flatMap((type) =>
    (type.zones.length > 0 ? type.zones : ['']).map((zone) => ({
      instanceType: type.instanceType,
      zone,
      capacityType: type.capacityType,
      hourly: type.hourly,
      limit: type.limit ?? Number.POSITIVE_INFINITY,
      labels: {
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        ...type.labels,
        [INSTANCE_TYPE]: type.instanceType,
        ...(zone !== '' && { [ZONE]: zone }),
      },
      taints: type.taints,
      allocatable: roomOf(type),
      like: '',
    })),
  )

/** @throws RangeError for a quantity of the catalogue that is none */
export const checkCatalogue = (catalogue: Catalogue): void => void ofCatalogue(catalogue)

/**
 * What may be launched: kinds that the cluster has and those of a catalogue, in a stable order. Spot only where the policy
 * wants it; what is reserved is bought already.
 * @throws RangeError for a quantity of the catalogue that is none
 */
export const offersOf = (
  model: Model,
  policy: Policy,
  prices: Prices,
  { now, catalogue }: { readonly now: number; readonly catalogue?: Catalogue | undefined },
): readonly Offer[] => {
  const all = [...ofCluster(model, policy, prices, now), ...(catalogue ? ofCatalogue(catalogue) : [])]
  return all.filter(
    ({ capacityType, limit }) =>
      limit > 0 && capacityType !== 'reserved' && (capacityType !== 'spot' || policy.replacement?.spot === true),
  )
}

/** The node that the offer becomes: empty and ready, under a name that no node can have. */
export const nodeOf = ({ instanceType, zone, capacityType, labels, taints, allocatable }: Offer, number: number): Node => {
  const name = ['new', instanceType, zone, capacityType === 'spot' ? 'spot' : '', String(number)].filter(Boolean).join('/')
  return Node.parse({
    kind: 'Node',
    metadata: { name, uid: name, labels: { ...labels, [HOSTNAME]: name } },
    spec: { taints },
    status: {
      allocatable: Object.fromEntries([...allocatable].map(([resource, n]) => [resource, resource === 'cpu' ? `${n}m` : n])),
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  })
}
