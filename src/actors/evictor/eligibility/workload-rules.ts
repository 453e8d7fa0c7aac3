import type { Policy } from '../../../events/plan.ts'
import { selects } from '../../../events/selector.ts'
import type { Shape } from '../model/shape.ts'
import { mayDisrupt } from '../windows.ts'
import type { PodRule } from './rule.ts'

export const protectedNamespace: PodRule = {
  name: 'ProtectedNamespace',
  why: ({ policy, shape: { namespace } }) =>
    policy.protectedNamespaces.includes(namespace) ? `the policy protects the namespace ${namespace}` : undefined,
}

type WorkloadRule = Policy['workloads'][number]
export const isMeant = ({ namespaces, selector }: WorkloadRule, { namespace, labels }: Shape): boolean =>
  (namespaces === undefined || namespaces.includes(namespace)) && (selector === undefined || selects(selector, labels))

export const outsideWindow: PodRule = {
  name: 'OutsideWindow',
  why: ({ policy, shape, now }) =>
    policy.workloads.some((rule) => isMeant(rule, shape) && !mayDisrupt(rule.disruptionWindows, now))
      ? 'the windows in which the policy lets it be disturbed are closed now'
      : undefined,
}
