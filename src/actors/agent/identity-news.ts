import type { ClusterIdentity, IdentityFact } from '../../events/provider.ts'

/** What others are told when the identity is another one than before; gaps that open and close are no news. */
export const identityFacts = (before: ClusterIdentity | undefined, now: ClusterIdentity): readonly IdentityFact[] => {
  if (before && isSame(before, now)) return []
  if (now.provider !== 'undecided') return [{ type: 'agent.ClusterIdentified', ...now }]
  const { provider: _, ...why } = now
  return [{ type: 'agent.ClusterUndecided', ...why }]
}

const isSame = (one: ClusterIdentity, other: ClusterIdentity): boolean => {
  const fields = (of: ClusterIdentity): string =>
    JSON.stringify(
      Object.entries(of)
        .filter(([field]) => field !== 'gaps')
        .toSorted(),
    )
  return fields(one) === fields(other)
}
