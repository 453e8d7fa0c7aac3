import type { Model } from '../model.ts'
import { claimsOf } from './claims.ts'
import { type Rule, refusal } from './rule.ts'

const NAME = 'VolumeRestrictions'
const IN_USE = refusal(
  NAME,
  'node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod',
  'ReadWriteOncePod',
)

/** Pods on nodes that are not known do not count: the scheduler does not see them. */
const isUsed = ({ claimUse, nodes }: Model, claim: string): boolean =>
  claimUse.has(claim) && [...nodes.values()].some(({ object, claims }) => object && claims.has(claim))

/**
 * A claim for one pod alone (ReadWriteOncePod) lets no second one in. The disks that this plugin also compares (GCE,
 * EBS, iSCSI, RBD in the pod itself) are undecided volumes already. Source: `plugins/volumerestrictions`.
 */
export const volumeRestrictions: Rule = {
  name: NAME,
  onNode: (model, shape) => {
    for (const claimed of claimsOf(model, shape)) {
      if (claimed.is !== 'bound' && claimed.is !== 'awaited') continue
      const { claim } = claimed
      if (!claim?.spec.accessModes?.includes('ReadWriteOncePod')) continue
      if (isUsed(model, `${shape.namespace}/${claim.metadata.name}`)) return () => IN_USE
    }
    return undefined
  },
}
