import type { LabelSelector } from '../../../events/kubernetes.ts'
import type { Shape } from '../model/shape.ts'
import type { Model } from '../model.ts'

const SELECTING = ['ReplicaSet', 'StatefulSet', 'ReplicationController']
const ownerOf = ({ workloads }: Model, { owner }: Shape) =>
  owner && SELECTING.includes(owner.kind) ? workloads.get(owner.uid) : undefined

/** The pod's owner would say which pods are its like, and is not in the model. */
export const isOwnerUnknown = (model: Model, shape: Shape): boolean =>
  shape.owner !== undefined && SELECTING.includes(shape.owner.kind) && ownerOf(model, shape) === undefined

const servedBy = ({ services }: Model, { namespace, labels }: Shape): Readonly<Record<string, string>> => {
  const merged: Record<string, string> = {}
  for (const { metadata, spec } of services.values()) {
    if (metadata.namespace !== namespace || !spec.selector) continue
    const pairs = Object.entries(spec.selector)
    if (pairs.every(([key, value]) => labels[key] === value)) Object.assign(merged, spec.selector)
  }
  return merged
}

const asksSomething = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean =>
  Object.keys(matchLabels).length + matchExpressions.length > 0

/**
 * Which pods are the pod's like for the cluster's default constraints: those that all the services that serve it select,
 * and its owner. None: nothing is spread. Source: `plugins/helper/spread.go` DefaultSelector.
 */
export const defaultSelectors = (model: Model, shape: Shape): readonly LabelSelector[] => {
  const owner = ownerOf(model, shape)
  const own: LabelSelector =
    owner?.kind === 'ReplicationController' ? { matchLabels: owner.spec.selector ?? {} } : (owner?.spec.selector ?? {})
  return [{ matchLabels: { ...servedBy(model, shape) } }, own].filter(asksSomething)
}
