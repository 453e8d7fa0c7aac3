import type { KubernetesWrites, Power, Processes } from '../../ports.ts'
import type { EffectsOf } from '../../runtime/types.ts'
import type { cluster } from '../cluster.ts'

/** As SelfSubjectAccessReview and RBAC write it: `evict pods`, `patch nodes`. */
const inWords = ({ verb, group, resource, subresource }: Power): string =>
  `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}${group === '' ? '' : `.${group}`}`

/** @param powers what each actor type needs of Kubernetes, by its own declaration */
export const clusterEffects = (
  kubernetes: Pick<KubernetesWrites, 'missingPowers'>,
  processes: Processes,
  powers: Readonly<Record<string, readonly Power[]>>,
): EffectsOf<typeof cluster> => ({
  checkPowers: {
    reach: 'internal',
    idempotency: 'natural', // it only asks
    timeoutMs: 10_000,
    retry: { attempts: 3, backoffMs: 500, on: ['Unavailable', 'TimedOut'] },
    run: async (_, { signal }) => {
      const asked = Object.entries(powers).map(async ([actor, needed]) =>
        (await kubernetes.missingPowers(needed, signal)).map((power) => ({ actor, power: inWords(power) })),
      )
      return { missing: (await Promise.all(asked)).flat() }
    },
  },
  awaitBrake: {
    reach: 'internal',
    idempotency: 'natural', // it only waits
    timeoutMs: 20_000,
    // The commit that asks for this effect is the one that put the brake on: its number is in the key.
    run: (_, { key, signal }) => processes.awaitSeen(Number(key.split('/').at(-2)), signal),
  },
})
