import { controllerOf } from '../../../events/kubernetes.ts'
import type { Shape } from '../model/shape.ts'
import type { Model } from '../model.ts'
import { residents } from './coming.ts'
import { largestFirst } from './size.ts'

/** A workload's pods as they are: how many, and the largest shape among them: no more is asked by what it makes next. */
export type Running = { readonly shape: Shape; readonly pods: number }

/** `namespace/kind/name` of what a pod is of in the end: the Deployment, not its ReplicaSet. */
const topOf = ({ workloads }: Model, { owner, namespace }: Shape): string | undefined => {
  if (!owner) return undefined
  const own = workloads.get(owner.uid)
  const top = (own && controllerOf(own.metadata)) ?? owner
  return `${namespace}/${top.kind}/${top.name}`
}

export const running = (model: Model): ReadonlyMap<string, Running> => {
  const byTop = Map.groupBy(residents(model), ({ shape }) => topOf(model, shape) ?? '')
  byTop.delete('')
  const order = largestFirst(model)
  return new Map(
    [...byTop].map(([key, pods]) => {
      const shapes = pods.map(({ shape }) => shape)
      return [key, { shape: shapes.reduce((a, b) => (order(a, b) <= 0 ? a : b)), pods: pods.length }]
    }),
  )
}
