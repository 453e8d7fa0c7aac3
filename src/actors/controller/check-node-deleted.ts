import type { CheckNodeDeleted } from '../../events/orders.ts'
import { type ChainEffects, chain } from './chain.ts'
import { isMeant, type NodeFound } from './node-identity.ts'

type Known = { readonly found: NodeFound | null }
type Inputs = { readonly readNode: { readonly name: string } }
export type CheckNodeDeletedEffects = ChainEffects<Known, Inputs>

/** Fails unless the node that is meant is gone; asked once, again only where the API does not answer. */
export const checkNodeDeleted = chain<CheckNodeDeleted, Known, Inputs>({
  type: 'check-node-deleted',
  verb: 'CheckNodeDeleted',
  steps: {
    reading: {
      effect: 'readNode',
      input: ({ nodeName }) => ({ name: nodeName }),
      judge: (order, { found = null }) =>
        isMeant(order, found)
          ? { error: 'StillThere', reason: `node ${order.nodeName} (uid ${found?.uid}) is still there` }
          : { ends: 'gone' },
    },
  },
})
