import { z } from 'zod'
import { ClusterIdentity, type IdentityFact } from './provider.ts'

const Nothing = z.strictObject({})

/** Why a kind can't be read; see ports.ts. */
const Unreadable = z.enum(['absent', 'unreadable', 'forbidden', 'unknown'])
export type Unreadable = z.infer<typeof Unreadable>

/** How the reading of one kind goes now; `version` is that of its group. */
const KindNews = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('streaming'), version: z.string(), count: z.number() }),
  z.strictObject({ state: z.literal('stalled'), version: z.string(), reason: z.string() }),
  z.strictObject({ state: z.literal('unavailable'), why: Unreadable, reason: z.string() }),
])
export type KindNews = z.infer<typeof KindNews>

/** By the kind's name: `pods`, `deployments.apps`. */
const KindsChanged = z.strictObject({ kinds: z.record(z.string(), KindNews) })

const IdentityRead = z.strictObject({ identity: ClusterIdentity })

type At = { readonly at: number }
export type AgentEvent = At &
  (
    | { readonly type: 'agent.Resync' }
    | ({ readonly type: 'agent.KindsChanged' } & z.infer<typeof KindsChanged>)
    | ({ readonly type: 'agent.IdentityRead' } & z.infer<typeof IdentityRead>)
  )

export type AgentFact =
  | IdentityFact
  | { readonly type: 'agent.SnapshotTaken'; readonly counts: Readonly<Record<string, number>> }
  /** A kind of every cluster, or one that was there, can't be read. */
  | { readonly type: 'agent.KindUnavailable'; readonly resource: string; readonly reason: string; readonly why: Unreadable }
  /** What is not installed in this cluster. */
  | { readonly type: 'agent.KindsAbsent'; readonly resources: readonly string[] }
  /** A kind that could not be read is there again, or for the first time. */
  | { readonly type: 'agent.KindListed'; readonly resource: string; readonly count: number }
  /** `others` stalled at the same time. */
  | { readonly type: 'agent.Stalled'; readonly resource: string; readonly reason: string; readonly others?: readonly string[] }
  | { readonly type: 'agent.Streaming' }

// Journaled for ever: never edit a released shape. Raise its `v` and add the upcast beside it.
// Released before, and in no machine any more: agent.KindListed {resource, count}, agent.KindStalled {resource, reason},
// agent.KindRecovered {resource}, each of one kind.
export const agentEvents = {
  'agent.Resync': { schema: Nothing, v: 1, command: true },
  'agent.KindsChanged': { schema: KindsChanged, v: 1 },
  'agent.IdentityRead': { schema: IdentityRead, v: 1 },
} as const
