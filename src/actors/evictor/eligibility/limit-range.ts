import type { PodSpec } from '../../../events/kubernetes.ts'
import type { LimitRange } from '../../../events/namespaces.ts'
import { thousandths } from '../model/amount.ts'
import { type Amounts, aggregated, limitsOf, requestsOf } from '../model/demand.ts'
import { inOrder, type PodRule } from './rule.ts'

type Limits = LimitRange['spec']['limits'][number]

const below = (item: Limits, requests: Amounts, limits: Amounts): string | undefined => {
  for (const [name, text] of Object.entries(item.min ?? {})) {
    const least = thousandths(text)
    const [request, limit] = [requests.get(name), limits.get(name)]
    if (request === undefined || request < least || (limit !== undefined && limit < least)) return `at least ${text} ${name}`
  }
  return undefined
}
const above = (item: Limits, requests: Amounts, limits: Amounts): string | undefined => {
  for (const [name, text] of Object.entries(item.max ?? {})) {
    const most = thousandths(text)
    const limit = limits.get(name)
    if (limit === undefined || limit > most || (requests.get(name) ?? 0n) > most) return `at most ${text} ${name}`
  }
  return undefined
}
const apart = (item: Limits, requests: Amounts, limits: Amounts): string | undefined => {
  for (const [name, text] of Object.entries(item.maxLimitRequestRatio ?? {})) {
    const [request = 0n, limit = 0n] = [requests.get(name), limits.get(name)]
    if (request === 0n || limit === 0n || limit * 1000n > request * thousandths(text))
      return `a limit of at most ${text} times the request of ${name}`
  }
  return undefined
}
const objection = (item: Limits, spec: PodSpec): string | undefined => {
  const judge = (requests: Amounts, limits: Amounts): string | undefined =>
    below(item, requests, limits) ?? above(item, requests, limits) ?? apart(item, requests, limits)
  if (item.type === 'Pod') return judge(aggregated(spec, requestsOf), aggregated(spec, limitsOf))
  if (item.type !== 'Container') return undefined
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
    const found = judge(requestsOf(container), limitsOf(container))
    if (found !== undefined) return found
  }
  return undefined
}

/** Whether its namespace would let the replacement in. Source: `plugin/pkg/admission/limitranger`. */
export const limitRange: PodRule = {
  name: 'LimitRange',
  why: ({ model, shape }) => {
    for (const { metadata, spec } of inOrder(model.limitRanges)) {
      if (metadata.namespace !== shape.namespace) continue
      for (const item of spec.limits) {
        const wants = objection(item, shape.spec)
        if (wants !== undefined)
          return `the limit range ${metadata.name} wants ${wants} of a ${item.type}: its replacement would not be let in`
      }
    }
    return undefined
  },
}
