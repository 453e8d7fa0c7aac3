import { type ObjectId, objectName, type Patch } from '../../events/orders.ts'
import { type ChainEffects, chain } from './chain.ts'

/** Of the object that was read; nothing where there is none. */
export type ObjectFound = {
  readonly uid: string
  readonly resourceVersion: string
  /** The action that patched it last, by its annotation. */
  readonly patchedBy: string
  readonly hasAnnotations: boolean
}
type Inputs = {
  readonly readObject: ObjectId
  readonly patchObject: Pick<Patch, 'object' | 'patchType' | 'patch'> & {
    readonly action: string
    readonly found: Partial<ObjectFound>
  }
}
export type PatchObjectEffects = ChainEffects<ObjectFound, Inputs>

/**
 * Patches one object of any kind. The patch names the UID and, where it is a list of operations that would not be
 * harmless twice, the version that was read; the mark that it leaves tells a repeat that it was done.
 */
export const patchObject = chain<Patch, ObjectFound, Inputs>({
  type: 'patch-object',
  verb: 'Patch',
  steps: {
    reading: {
      effect: 'readObject',
      input: ({ object }) => object,
      judge: ({ id, object }, { uid, patchedBy }) => {
        if (uid === undefined) return { error: 'NotFound', reason: `there is no ${objectName(object)}` }
        return patchedBy === id ? { ends: 'done' } : undefined
      },
    },
    patching: {
      effect: 'patchObject',
      input: ({ id, object, patchType, patch }, found) => ({ action: id, object, patchType, patch, found }),
    },
  },
  result: ({ uid, resourceVersion }) => ({ uid, resourceVersion }),
})
