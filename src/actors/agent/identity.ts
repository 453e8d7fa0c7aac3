import type { ClusterIdentity, ProviderSettings } from '../../events/provider.ts'
import type { ClusterFacts, MachineFacts, ProviderReads } from '../../ports.ts'
import type { NoMachine } from './fields.ts'
import { cloudToAsk, identify } from './identify.ts'

/**
 * Asks whose cluster this is: the Kubernetes API, then the metadata service of the machines' cloud if it may be asked.
 * A metadata service that does not answer leaves gaps. @throws Unavailable while the API does not answer
 */
export const identifyCluster = async (
  reads: ProviderReads,
  settings: ProviderSettings,
  signal?: AbortSignal,
): Promise<ClusterIdentity> => {
  const facts = await reads.cluster(signal)
  return identify(facts, await askMachine(reads, facts, settings, signal), settings)
}

const askMachine = async (
  reads: ProviderReads,
  facts: ClusterFacts,
  settings: ProviderSettings,
  signal?: AbortSignal,
): Promise<MachineFacts | NoMachine> => {
  const cloud = cloudToAsk(facts, settings)
  if (typeof cloud === 'object') return cloud
  try {
    return await reads.machine(cloud, signal)
  } catch (error) {
    if (error instanceof Error && error.name === 'Unavailable') return { none: error.message }
    throw error
  }
}
