import { z } from 'zod'
import { ClusterIdentity, type IdentityFact } from './provider.ts'

const ResourceName = z.string()
const Nothing = z.strictObject({})
const KindListed = z.strictObject({ resource: ResourceName, count: z.number() })
const KindStalled = z.strictObject({ resource: ResourceName, reason: z.string() })
const KindRecovered = z.strictObject({ resource: ResourceName })
const IdentityRead = z.strictObject({ identity: ClusterIdentity })

type At = { readonly at: number }
export type AgentEvent = At &
  (
    | { readonly type: 'agent.Resync' }
    | ({ readonly type: 'agent.KindListed' } & z.infer<typeof KindListed>)
    | ({ readonly type: 'agent.KindStalled' } & z.infer<typeof KindStalled>)
    | ({ readonly type: 'agent.KindRecovered' } & z.infer<typeof KindRecovered>)
    | ({ readonly type: 'agent.IdentityRead' } & z.infer<typeof IdentityRead>)
  )

export type AgentFact =
  | IdentityFact
  | { readonly type: 'agent.SnapshotTaken'; readonly counts: Readonly<Record<string, number>> }
  | { readonly type: 'agent.KindUnavailable'; readonly resource: string; readonly reason: string }
  | { readonly type: 'agent.Stalled'; readonly resource: string; readonly reason: string }
  | { readonly type: 'agent.Streaming' }

// Journaled for ever: never edit a released shape. Raise its `v` and add the upcast beside it.
export const agentEvents = {
  'agent.Resync': { schema: Nothing, v: 1, command: true },
  'agent.KindListed': { schema: KindListed, v: 1 },
  'agent.KindStalled': { schema: KindStalled, v: 1 },
  'agent.KindRecovered': { schema: KindRecovered, v: 1 },
  'agent.IdentityRead': { schema: IdentityRead, v: 1 },
} as const
