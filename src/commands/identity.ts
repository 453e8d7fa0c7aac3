import type { ClusterIdentity } from '../events/provider.ts'
import { printable } from './table.ts'

/** Whose cluster it is, in a line: `EKS shop, us-west-2, account 123456789012`. */
export const identityInWords = (identity: ClusterIdentity): string => {
  if (identity.provider === 'undecided') return printable(`undecided: ${identity.reason}`)
  const { provider, cloud, name, region, location, account } = identity
  const where = location !== undefined && location !== region ? location : region
  const owner = { AWS: 'account', GCP: 'project', Azure: 'subscription' }[cloud ?? 'AWS']
  const what = provider === 'self-managed' && cloud ? `${provider} on ${cloud}` : provider
  return printable(
    [name === undefined ? what : `${what} ${name}`, where, account && `${owner} ${account}`].filter(Boolean).join(', '),
  )
}
