import type { Pod, PodSpec } from '../../../events/kubernetes.ts'
import { counted, thousandths } from './amount.ts'

/** Thousandths by resource, before the sum is rounded to what the model counts. */
export type Amounts = ReadonlyMap<string, bigint>
type Container = PodSpec['containers'][number]
type Quantities = Readonly<Record<string, string | number>>
type Statuses = NonNullable<Pod['status']['containerStatuses']>

const listed = (quantities: Quantities = {}): Amounts => {
  const result = new Map<string, bigint>()
  for (const [name, text] of Object.entries(quantities)) {
    try {
      result.set(name, thousandths(text))
    } catch (error) {
      throw error instanceof RangeError ? new RangeError(`${error.message} (of ${name})`, { cause: error }) : error
    }
  }
  return result
}
const joined = (a: Amounts, b: Amounts, join: (x: bigint, y: bigint) => bigint): Amounts => {
  const result = new Map(a)
  for (const [name, amount] of b) result.set(name, join(result.get(name) ?? 0n, amount))
  return result
}
const sum = (a: Amounts, b: Amounts): Amounts => joined(a, b, (x, y) => x + y)
const most = (a: Amounts, b: Amounts): Amounts => joined(a, b, (x, y) => (x > y ? x : y))

/** What is not requested is what is the limit, as the API server fills it in. */
export const requestsOf = ({ resources }: Pick<Container, 'resources'>): Amounts =>
  listed({ ...resources?.limits, ...resources?.requests })
export const limitsOf = ({ resources }: Pick<Container, 'resources'>): Amounts => listed(resources?.limits)

/**
 * A pod's containers together (component-helpers `resource.AggregateContainerRequests`): all that run at the same time,
 * or the hungriest init container with the restartable ones started before it, whichever is more.
 */
export const aggregated = (
  { containers, initContainers = [] }: PodSpec,
  amountsOf: (container: Container) => Amounts,
): Amounts => {
  let sidecars: Amounts = new Map()
  let starting: Amounts = new Map()
  for (const container of initContainers) {
    const own = sum(amountsOf(container), sidecars)
    if (container.restartPolicy === 'Always') sidecars = own
    starting = most(starting, own)
  }
  return most(containers.map(amountsOf).reduce(sum, sidecars), starting)
}

const isPodLevel = (resource: string): boolean => resource === 'cpu' || resource === 'memory' || resource.startsWith('hugepages-')
/** Requests of the pod as a whole stand above those of its containers (pod-level resources). */
const withPodLevel = (amounts: Amounts, quantities: Quantities | undefined): Amounts =>
  new Map([...amounts, ...[...listed(quantities)].filter(([name]) => isPodLevel(name))])

/** Amounts as the model counts them, by resource; what is zero is left out. */
export type Demand = ReadonlyMap<string, number>
const rounded = (amounts: Amounts): Demand =>
  new Map([...amounts].filter(([, amount]) => amount > 0n).map(([name, amount]) => [name, counted(name, amount)]))

/**
 * What a new pod of this spec asks of its node (component-helpers `resource.PodRequests`), with overhead.
 * @throws RangeError for a request that is no quantity
 */
export const demandOf = (spec: PodSpec): Demand => {
  const amounts = withPodLevel(aggregated(spec, requestsOf), spec.resources?.requests)
  return rounded(sum(amounts, listed({ ...spec.overhead, pods: 1 })))
}

/** What the scheduler takes a container for that does not say what it asks for: 100m and 200Mi. Source: `util/pod_resources.go`. */
const UNSAID: Amounts = new Map([
  ['cpu', 100n],
  ['memory', 200n * 2n ** 20n * 1000n],
])
const said = (container: Container): Amounts => new Map([...UNSAID, ...requestsOf(container)])

/**
 * What a pod of this spec counts for where nodes are scored by cpu and memory. `there`: what it adds to its node
 * (`NodeInfo.NonZeroRequested`). `coming`: the same while it looks for one, for which NodeResourcesFit takes the containers
 * alone, as of 1.37: requests of the pod as a whole do not count.
 * @throws RangeError for a request that is no quantity
 */
export const scoredDemandOf = (spec: PodSpec): { readonly there: Demand; readonly coming: Demand } => {
  const containers = aggregated(spec, said)
  const overhead = listed(spec.overhead)
  return {
    there: rounded(sum(withPodLevel(containers, spec.resources?.requests), overhead)),
    coming: rounded(sum(containers, overhead)),
  }
}

const isInfeasible = ({ status: { conditions = [] } }: Pod): boolean =>
  conditions.some(({ type, reason }) => type === 'PodResizePending' && reason === 'Infeasible')

/**
 * What a pod that is there holds on its node: with a resize in place under way the most of what is asked, allocated and
 * in force; an infeasible resize does not count. (`PodRequests` with `UseStatusResources`, as the scheduler's NodeInfo.)
 */
export const heldBy = (pod: Pod): Demand => {
  const { spec, status } = pod
  const statuses: Statuses = [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])]
  if (!statuses.some(({ allocatedResources, resources }) => allocatedResources ?? resources?.requests)) return demandOf(spec)
  const refused = isInfeasible(pod)
  const byName = new Map(statuses.map((each) => [each.name, each]))
  const asked = (container: Container): Amounts => (refused ? new Map() : requestsOf(container))
  const allocated = aggregated(spec, (container) => {
    const given = byName.get(container.name)?.allocatedResources
    return given ? listed(given) : asked(container)
  })
  const actuated = aggregated(spec, (container) => {
    const { resources, allocatedResources } = byName.get(container.name) ?? {}
    const given = resources?.requests ?? allocatedResources
    return given ? listed(given) : asked(container)
  })
  const held = refused ? most(actuated, allocated) : most(aggregated(spec, requestsOf), most(actuated, allocated))
  const whole = spec.resources?.requests ? most(podLevel(pod, refused), new Map()) : new Map<string, bigint>()
  return rounded(sum(new Map([...held, ...whole]), listed({ ...spec.overhead, pods: 1 })))
}
const podLevel = ({ spec, status }: Pod, refused: boolean): Amounts => {
  const own = refused && status.resources ? new Map<string, bigint>() : listed(spec.resources?.requests)
  const all = most(own, most(listed(status.resources?.requests), listed(status.allocatedResources)))
  return new Map([...all].filter(([name]) => isPodLevel(name)))
}

/** Whichever is more, resource by resource. */
export const larger = (a: Demand, b: Demand): Demand => {
  const result = new Map(a)
  for (const [name, amount] of b) result.set(name, Math.max(amount, result.get(name) ?? 0))
  return result
}
