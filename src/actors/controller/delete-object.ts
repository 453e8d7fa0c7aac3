import type { Delete, ObjectId } from '../../events/orders.ts'
import { type ChainEffects, chain } from './chain.ts'

type Known = { readonly uid: string }
type Inputs = {
  readonly readObject: ObjectId
  readonly deleteObject: { readonly object: ObjectId; readonly uid: string }
}
export type DeleteObjectEffects = ChainEffects<Known, Inputs>

/** Deletes one object of any kind by its UID. One that is not there is a success: it is gone. */
export const deleteObject = chain<Delete, Known, Inputs>({
  type: 'delete-object',
  verb: 'Delete',
  steps: {
    reading: {
      effect: 'readObject',
      input: ({ object }) => object,
      judge: (_, { uid }) => (uid === undefined ? { ends: 'gone' } : undefined),
    },
    deleting: {
      effect: 'deleteObject',
      input: ({ object }, { uid = '' }) => ({ object, uid }),
    },
  },
  result: ({ uid }) => ({ uid: uid ?? null }),
})
