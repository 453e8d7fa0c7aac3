import type { ClusterIdentity, ProviderSettings } from '../../events/provider.ts'
import { type ClusterFacts, type MachineFacts, type ProviderReads, Unavailable } from '../../ports.ts'
import type { EffectContext } from '../../runtime/types.ts'
import type { NoMachine } from './fields.ts'
import { cloudToAsk, identify } from './identify.ts'

/** A cluster's identity changes with its nodes and with what may be read, so rarely. */
const LOOK_MS = 300_000
const SOONER_MS = 30_000

/** Asks whose cluster this is until the signal aborts, and reports what is new as `agent.IdentityRead`. */
export const followIdentity = async (
  reads: ProviderReads,
  settings: ProviderSettings,
  { signal, report }: Pick<EffectContext, 'signal' | 'report'>,
): Promise<never> => {
  let told: string | undefined
  for (;;) {
    const identity = await identifyCluster(reads, settings, signal).catch(unanswered)
    signal.throwIfAborted()
    const now = JSON.stringify(identity)
    if (identity && now !== told) {
      await report({ type: 'agent.IdentityRead', identity })
      told = now
    }
    await pause(identity ? LOOK_MS : SOONER_MS, signal)
    signal.throwIfAborted()
  }
}

// While the API does not answer nobody knows better than before; that it does not answer the reading of the kinds says.
const unanswered = (error: unknown): undefined => {
  if (error instanceof Unavailable) return undefined
  throw error
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
  })

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
    if (error instanceof Unavailable) return { none: error.message }
    throw error
  }
}
