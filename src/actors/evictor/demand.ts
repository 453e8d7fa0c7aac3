import type { PodSpec } from '../../events/kubernetes.ts'
import { milli, quantity } from '../../events/quantity.ts'

type Amounts = Map<string, number>
type Container = PodSpec['containers'][number]

/** An amount of a resource as the model counts it: cpu in millicores, everything else in whole units (bytes, devices). */
export const amountOf = (resource: string, text: string | number): number =>
  resource === 'cpu' ? milli(text) : Math.ceil(quantity(text) - 1e-9)

const requestsOf = ({ resources }: Container): Amounts =>
  new Map(Object.entries({ ...resources?.limits, ...resources?.requests }).map(([name, text]) => [name, amountOf(name, text)]))
const sum = (a: Amounts, b: Amounts): Amounts => {
  const result = new Map(a)
  for (const [name, amount] of b) result.set(name, (result.get(name) ?? 0) + amount)
  return result
}
const most = (a: Amounts, b: Amounts): Amounts => {
  const result = new Map(a)
  for (const [name, amount] of b) result.set(name, Math.max(result.get(name) ?? 0, amount))
  return result
}

/**
 * What a pod asks of its node (component-helpers `resource.PodRequests`): its containers and restartable init containers
 * together, or its hungriest init container with the restartable ones started before it, whichever is more; plus overhead.
 * @throws RangeError for a request that is no quantity
 */
export const demandOf = ({ containers, initContainers = [], overhead = {} }: PodSpec): Amounts => {
  let sidecars: Amounts = new Map()
  let starting: Amounts = new Map()
  for (const container of initContainers) {
    const own = sum(requestsOf(container), sidecars)
    if (container.restartPolicy === 'Always') sidecars = own
    starting = most(starting, own)
  }
  const running = containers.map(requestsOf).reduce(sum, sidecars)
  const extra = new Map(Object.entries(overhead).map(([name, text]) => [name, amountOf(name, text)]))
  return sum(sum(most(running, starting), extra), new Map([['pods', 1]]))
}
