import type { Chance } from '../chance.ts'
import { type PodDraft, ZONE, ZONES } from './things.ts'

/** A pod with a claim of a device that is already allocated where only some nodes reach it. */
export const claimsDevices = (
  lots: Chance,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): PodDraft => ({
  spec: { resourceClaims: [{ name: 'device', resourceClaimName: `${name}-device` }] },
  others: [
    {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaim',
      metadata: { namespace, name: `${name}-device`, uid: `device-${namespace}-${name}` },
      spec: {
        devices: { requests: [{ name: 'card', exactly: { deviceClassName: 'card', allocationMode: 'ExactCount', count: 1 } }] },
      },
      status: {
        allocation: {
          devices: { results: [{ request: 'card', driver: 'cards.example', pool: 'rack', device: `card-${name}` }] },
          nodeSelector: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: ZONE, operator: 'In', values: [...lots.some(ZONES, 0.25), 'z'] }] }],
          },
        },
      },
    },
  ],
})
