import type { Shape } from '../model/shape.ts'
import type { Ground } from './scorer.ts'

/** One of the resources that nodes are scored by, in the model's unit. */
export type ScoredResource = {
  readonly weight: number
  readonly amount: number
  /** By node index, as the next two: their sum is taken before the pod comes. */
  readonly allocatable: Float64Array
  readonly used: Float64Array
  readonly extra: Float64Array
}

const ALWAYS = ['cpu', 'memory', 'ephemeral-storage']
const none = new Float64Array()

/**
 * The resources that count for a pod of the shape: extended ones only if it asks for them. With `withUnsaid` containers that
 * ask for no cpu or memory count for some. Source: `plugins/noderesources/resource_allocation.go`.
 */
export const resourcesOf = (
  { model: { columns }, unsaid }: Ground,
  {
    shape,
    resources,
    withUnsaid,
  }: {
    readonly shape: Shape
    readonly resources: readonly { readonly name: string; readonly weight: number }[]
    readonly withUnsaid: boolean
  },
): readonly ScoredResource[] =>
  resources.flatMap(({ name, weight }): readonly ScoredResource[] => {
    const index = columns.names.indexOf(name)
    const asked = shape.demand.find(([resource]) => resource === index)?.[1] ?? 0
    if (index < 0 || (asked === 0 && !ALWAYS.includes(name))) return []
    const isUnsaid = withUnsaid && (name === 'cpu' || name === 'memory')
    return [
      {
        weight,
        amount: isUnsaid ? unsaid.coming(shape)[name] : asked,
        allocatable: columns.allocatable[index] ?? none,
        used: columns.requested[index] ?? none,
        extra: isUnsaid ? unsaid[name] : none,
      },
    ]
  })
