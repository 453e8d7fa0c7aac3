import { type Kind, plannedKinds } from '../../events/kinds.ts'
import type { ProviderSettings } from '../../events/provider.ts'
import type { KubernetesReads, KubernetesWrites, Power, ProviderReads, ReflectorListener } from '../../ports.ts'
import type { EffectContext, EffectsOf } from '../../runtime/types.ts'
import type { agent } from '../agent.ts'
import { followIdentity } from './identity.ts'

const powersFor = ({ group, resource }: Kind): readonly Power[] => ['list', 'watch'].map((verb) => ({ verb, group, resource }))

/** What the agent needs of Kubernetes. */
export const agentPowers: readonly Power[] = plannedKinds.flatMap(powersFor)

/** Keeps one kind's objects somewhere: a listener that knows where a reading before it ended. */
type KindStore = ReflectorListener & {
  readonly watermark: string | undefined
  /** Aborts when it can keep no more; the reason says why. */
  readonly lost: AbortSignal
  meta(): { readonly count: number }
  flush(): Promise<void>
  close(): Promise<void>
}
type OpenStore = (kind: Kind, signal: AbortSignal) => Promise<KindStore>

export const agentEffects = (
  reads: KubernetesReads,
  kubernetes: Pick<KubernetesWrites, 'missingPowers'>,
  openStore: OpenStore,
  providers: ProviderReads,
  settings: ProviderSettings,
): EffectsOf<typeof agent> => ({
  discover: {
    reach: 'internal',
    idempotency: 'natural', // it only asks
    timeoutMs: 10_000,
    retry: { attempts: 5, backoffMs: 500, on: ['Unavailable', 'TimedOut'] },
    run: async (_, { signal }) => {
      const missing = await kubernetes.missingPowers(agentPowers, signal)
      const resources = plannedKinds.map(({ resource }) => resource)
      const refused = (resource: string) => missing.filter((power) => power.resource === resource)
      return {
        available: resources.filter((resource) => refused(resource).length === 0),
        unavailable: resources
          .filter((resource) => refused(resource).length > 0)
          .map((resource) => ({
            resource,
            reason: `no power to ${refused(resource)
              .map(({ verb }) => verb)
              .join(' and ')} ${resource}`,
          })),
      }
    },
  },
  reflect: {
    reach: 'internal',
    idempotency: 'natural', // a second reading of a kind writes the same versions under the same subjects
    timeoutMs: 'activity',
    run: async ({ resources: kinds }, context) => {
      const known = plannedKinds.filter(({ resource }) => kinds.includes(resource))
      await Promise.all(known.map((kind) => reflectKind(kind, reads, openStore, context)))
    },
  },
  identify: {
    reach: 'internal',
    idempotency: 'natural', // it only asks; the same identity read twice is no news
    timeoutMs: 'activity',
    run: (_, context) => followIdentity(providers, settings, context),
  },
})

const reflectKind = async (
  kind: Kind,
  reads: KubernetesReads,
  openStore: OpenStore,
  { signal, report }: EffectContext,
): Promise<void> => {
  const { resource } = kind
  const store = await openStore(kind, signal)
  const listed = async () => {
    await store.flush() // what is counted is what is stored
    await report({ type: 'agent.KindListed', resource, count: store.meta().count })
  }
  const listener: ReflectorListener = {
    ...store,
    listed: async (resourceVersion) => {
      await store.listed(resourceVersion)
      await listed()
    },
    stalled: async (reason) => {
      await store.stalled(reason)
      await report({ type: 'agent.KindStalled', resource, reason })
    },
    recovered: async () => {
      await store.recovered()
      await report({ type: 'agent.KindRecovered', resource })
    },
  }
  try {
    // With a watermark nothing is listed: what OBJECTS holds is complete up to there.
    if (store.watermark !== undefined) await listed()
    await reads.reflect({ kind, version: 'v1' }, store.watermark, listener, AbortSignal.any([signal, store.lost]))
    store.lost.throwIfAborted()
  } finally {
    await store.close()
  }
}
