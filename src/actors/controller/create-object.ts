import type { Create, ObjectId } from '../../events/orders.ts'
import { createdObject } from '../../events/verbs.ts'
import { type ChainEffects, chain } from './chain.ts'

type Made = { readonly uid: string; readonly how: 'created' | 'exists' | 'patched' | 'unchanged' }
type Manifest = { readonly object: ObjectId; readonly manifest: Create['object'] }
type Inputs = { readonly createObject: Manifest; readonly mergeObject: Manifest }
export type CreateObjectEffects = ChainEffects<Made, Inputs>

const manifestOf = (order: Create): Manifest => ({ object: createdObject(order), manifest: order.object })

type Json = unknown
const isBag = (value: Json): value is Readonly<Record<string, Json>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Pure: the merge patch that gives `existing` every field that `wanted` has; what `wanted` does not have stays. Undefined:
 * nothing differs. `metadata` and `status` are not compared.
 */
export const mergeOf = (existing: Readonly<Record<string, Json>>, wanted: Readonly<Record<string, Json>>): object | undefined => {
  const { metadata: _, status: __, kind: ___, apiVersion: ____, ...fields } = wanted
  return differing(existing, fields)
}
const differing = (existing: Json, wanted: Readonly<Record<string, Json>>): Record<string, Json> | undefined => {
  const before = isBag(existing) ? existing : {}
  const left = Object.entries(wanted).flatMap(([field, value]): [string, Json][] => {
    if (!isBag(value)) return JSON.stringify(before[field]) === JSON.stringify(value) ? [] : [[field, value]]
    if (!isBag(before[field])) return [[field, value]]
    const inner = differing(before[field], value)
    return inner === undefined ? [] : [[field, inner]]
  })
  return left.length === 0 ? undefined : Object.fromEntries(left)
}

/** Creates one object of any kind; one that exists gets what differs. */
export const createObject = chain<Create, Made, Inputs>({
  type: 'create-object',
  verb: 'Create',
  steps: {
    creating: {
      effect: 'createObject',
      input: manifestOf,
      judge: (_, { how }) => (how === 'created' ? { ends: 'done' } : undefined),
    },
    merging: { effect: 'mergeObject', input: manifestOf },
  },
  result: (made) => made,
})
