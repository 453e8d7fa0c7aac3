import { type Kind, plannedKinds, verbsToRead } from '../../events/kinds.ts'
import type { ProviderSettings } from '../../events/provider.ts'
import type { Finding, Power, ProviderReads } from '../../ports.ts'
import type { EffectsOf } from '../../runtime/types.ts'
import { type agent, type Discovery, nameInVersion1, type Reflection } from '../agent.ts'
import { followIdentity } from './identity.ts'
import { type Means, reflectAll } from './reflection.ts'

const powersFor = (kind: Kind): readonly Power[] =>
  verbsToRead(kind).map((verb) => ({ verb, group: kind.group, resource: kind.resource }))

/** What the agent needs of Kubernetes, so that something can be planned. */
export const agentPowers: readonly Power[] = plannedKinds.flatMap(powersFor)

export type AgentMeans = Means & { readonly providers: ProviderReads; readonly settings: ProviderSettings }

export const agentEffects = (means: AgentMeans): EffectsOf<typeof agent> => ({
  discover: {
    reach: 'internal',
    idempotency: 'natural', // it only asks
    timeoutMs: 10_000,
    retry: { attempts: 5, backoffMs: 500, on: ['Unavailable', 'TimedOut'] },
    run: async (_, { signal }) => discoveryOf(await means.discovery.discover(means.kinds, signal)),
  },
  reflect: {
    reach: 'internal',
    idempotency: 'natural', // a second reading of a kind writes the same versions under the same subjects
    timeoutMs: 'activity',
    run: (input, context) => reflectAll(means, reflectionOf(input), context),
  },
  identify: {
    reach: 'internal',
    idempotency: 'natural', // it only asks; the same identity read twice is no news
    timeoutMs: 'activity',
    run: (_, context) => followIdentity(means.providers, means.settings, context),
  },
})

const discoveryOf = (findings: readonly Finding[]): Discovery => ({
  served: Object.fromEntries(findings.flatMap((found) => (found.is === 'served' ? [[found.kind.name, found.version]] : []))),
  unavailable: Object.fromEntries(
    findings.flatMap(({ kind, ...found }) =>
      found.is === 'served' ? [] : [[kind.name, { why: found.is, reason: found.reason }]],
    ),
  ),
})

/** Version 1 asked for resources, and what it asked for goes on in a newer process. */
const reflectionOf = (input: Reflection | { readonly resources: readonly string[] }): Reflection =>
  'resources' in input
    ? { served: Object.fromEntries(input.resources.map((name) => [nameInVersion1(name), 'v1'])), unavailable: {}, relist: false }
    : input
