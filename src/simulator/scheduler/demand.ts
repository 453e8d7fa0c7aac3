import type { PodSpec } from '../../events/kubernetes.ts'
import { milli, quantity } from '../../events/quantity.ts'

/** Amounts by resource name: bytes for memory, storage and huge pages, thousandths for all else, so that integers add. */
export type Amounts = ReadonlyMap<string, number>
type Quantities = Readonly<Record<string, string | number>>

const inBytes = (resource: string): boolean =>
  resource === 'memory' || resource === 'ephemeral-storage' || resource.startsWith('hugepages-')
export const amountsOf = (quantities: Quantities = {}): Amounts =>
  new Map(Object.entries(quantities).map(([name, text]) => [name, inBytes(name) ? Math.ceil(quantity(text)) : milli(text)]))

const plus = (one: Amounts, other: Amounts): Amounts => joined(one, other, (a, b) => a + b)
const larger = (one: Amounts, other: Amounts): Amounts => joined(one, other, Math.max)
const joined = (one: Amounts, other: Amounts, join: (a: number, b: number) => number): Amounts => {
  const all = new Map(one)
  for (const [name, amount] of other) all.set(name, join(all.get(name) ?? 0, amount))
  return all
}
const NOTHING: Amounts = new Map()
type Container = PodSpec['containers'][number]

/** With a floor for what asks for none: scoring takes it for 100m and 200 MB (`util.GetNonzeroRequests`). */
const floored = (amounts: Amounts): Amounts =>
  new Map([...amounts, ['cpu', amounts.get('cpu') ?? 100], ['memory', amounts.get('memory') ?? 200 * 1024 * 1024]])

/**
 * What a pod takes of its node: its containers and sidecars together, or more while it starts, and its overhead
 * (component-helpers `resource.PodRequests`).
 */
export const demandOf = (spec: PodSpec, of: (container: Container) => Amounts = requestsOf): Amounts => {
  let sidecars = NOTHING
  let starting = NOTHING
  for (const container of spec.initContainers ?? []) {
    const own = of(container)
    if (container.restartPolicy === 'Always') sidecars = plus(sidecars, own)
    starting = larger(starting, container.restartPolicy === 'Always' ? sidecars : plus(sidecars, own))
  }
  const running = spec.containers.map(of).reduce(plus, sidecars)
  return plus(larger(running, starting), amountsOf(spec.overhead))
}
const requestsOf = ({ resources }: Container): Amounts => amountsOf({ ...resources?.limits, ...resources?.requests })

/** What scoring counts for a pod. */
export const scoredDemandOf = (spec: PodSpec): Amounts => demandOf(spec, (container) => floored(requestsOf(container)))
