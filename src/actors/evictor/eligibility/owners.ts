import type { Shape } from '../model/shape.ts'
import type { Model } from '../model.ts'
import type { PodRule } from './rule.ts'

const ONLY = 'only the policy "aggressive" evicts it'
/** What is missed by nobody when one of several goes. */
const REPLICATED = ['ReplicaSet', 'ReplicationController', 'Deployment']

const replicasOf = ({ workloads }: Model, { owner, pods }: Shape): number =>
  workloads.get(owner?.uid ?? '')?.spec.replicas ?? pods.length

export const barePod: PodRule = {
  name: 'BarePod',
  isWaivable: true,
  why: ({ policy, shape: { owner } }) => (policy.aggressive || owner ? undefined : `no controller would make it again: ${ONLY}`),
}
export const notReplicated: PodRule = {
  name: 'NotReplicated',
  isWaivable: true,
  why: ({ policy, shape: { owner } }) =>
    policy.aggressive || !owner || REPLICATED.includes(owner.kind) ? undefined : `it is of a ${owner.kind}: ${ONLY}`,
}
export const singleReplica: PodRule = {
  name: 'SingleReplica',
  isWaivable: true,
  why: ({ model, policy, shape }) => {
    const kind = shape.owner?.kind
    if (policy.aggressive || kind === undefined || !REPLICATED.includes(kind) || replicasOf(model, shape) >= 2) return undefined
    return `its ${kind} has a single replica: ${ONLY}`
  },
}
