import type { DisconnectCluster } from '../../events/orders.ts'
import { type ChainEffects, chain } from './chain.ts'

type Known = { readonly uid: string }
type Inputs = {
  readonly readNamespace: { readonly name: string }
  readonly deleteNamespace: { readonly name: string; readonly uid: string }
}
export type DisconnectClusterEffects = ChainEffects<Known, Inputs>

/** Deletes the namespace that Quartermaster runs in. What runs in it is ended with it, this process too. */
export const disconnectCluster = chain<DisconnectCluster, Known, Inputs>({
  type: 'disconnect-cluster',
  verb: 'DisconnectCluster',
  steps: {
    reading: {
      effect: 'readNamespace',
      input: ({ namespace }) => ({ name: namespace }),
      judge: (_, { uid }) => (uid === undefined ? { ends: 'gone' } : undefined),
    },
    deleting: { effect: 'deleteNamespace', input: ({ namespace }, { uid = '' }) => ({ name: namespace, uid }) },
  },
})
