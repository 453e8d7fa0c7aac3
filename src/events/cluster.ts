import { z } from 'zod'

// Commands: exactly their fields.
const Nothing = z.strictObject({})
/** `rollback`: running actions give back what they took. `finish`: those admitted before go on. */
export const BrakePolicy = z.enum(['rollback', 'finish'])
export type BrakePolicy = z.infer<typeof BrakePolicy>
const Hold = z.strictObject({ policy: BrakePolicy.default('rollback'), reason: z.string().max(500).optional() })
/** `rollback`: running actions give back what they took. `abandon`: they end where they are, and nothing is given back. */
const DemotePolicy = z.enum(['rollback', 'abandon'])
const Demote = z.strictObject({ policy: DemotePolicy.default('rollback'), reason: z.string().max(500).optional() })

/** What the ConfigMap says when it holds the brake. */
export const BrakeSwitch = z.object({ policy: BrakePolicy, reason: z.string().max(500).optional() })
export type BrakeSwitch = z.infer<typeof BrakeSwitch>

export const MissingPower = z.object({ actor: z.string(), power: z.string() })
export type MissingPower = z.infer<typeof MissingPower>

/** Who had stopped by when the brake was declared held. */
export const BrakeReport = z.object({ processes: z.number(), unanswered: z.number(), inFlight: z.number() })
export type BrakeReport = z.infer<typeof BrakeReport>

type At = { readonly at: number }
export type ClusterEvent = At &
  (
    | { readonly type: 'cluster.Connect' }
    | { readonly type: 'cluster.Promote' }
    | ({ readonly type: 'cluster.Demote' } & z.infer<typeof Demote>)
    | { readonly type: 'cluster.Disconnect' }
    | { readonly type: 'cluster.EnableSecurity' }
    | { readonly type: 'cluster.DisableSecurity' }
    | ({ readonly type: 'cluster.Hold' } & z.infer<typeof Hold>)
    | { readonly type: 'cluster.Release' }
    | ({ readonly type: 'cluster.SwitchSet' } & BrakeSwitch)
    | { readonly type: 'cluster.SwitchCleared' }
  )

/** What the cluster actor tells everyone. */
export type ClusterFact =
  | { readonly type: 'cluster.PhaseEntered'; readonly phase: Phase }
  /** What running actions had taken, such as a cordoned node, stays as it was. */
  | { readonly type: 'cluster.ActionsAbandoned'; readonly reason?: string }
  | { readonly type: 'cluster.SecurityEntered'; readonly security: 'on' | 'off' }
  | { readonly type: 'cluster.ChildAllowed'; readonly child: string }
  | { readonly type: 'cluster.ChildStopped'; readonly child: string }
  | { readonly type: 'cluster.ChildNotHosted'; readonly child: string; readonly reason: string }
  | { readonly type: 'cluster.PowerMissing'; readonly actor: string; readonly power: string }
  | { readonly type: 'cluster.BrakeRequested'; readonly policy: BrakePolicy; readonly reason?: string; readonly by?: 'configmap' }
  | ({ readonly type: 'cluster.BrakeHeld' } & BrakeReport)
  | { readonly type: 'cluster.BrakeReleased' }

export type Phase = 'disconnected' | 'observing' | 'automating'

// Journaled for ever: never edit a released shape. Raise its `v` and add the upcast beside it.
export const clusterEvents = {
  'cluster.Connect': { schema: Nothing, v: 1, command: true },
  'cluster.Promote': { schema: Nothing, v: 1, command: true },
  'cluster.Demote': { schema: Demote, v: 2, command: true, upcast: { 1: (payload: unknown) => payload } },
  'cluster.Disconnect': { schema: Nothing, v: 1, command: true },
  'cluster.EnableSecurity': { schema: Nothing, v: 1, command: true },
  'cluster.DisableSecurity': { schema: Nothing, v: 1, command: true },
  'cluster.Hold': { schema: Hold, v: 1, command: true },
  'cluster.Release': { schema: Nothing, v: 1, command: true },
  'cluster.SwitchSet': { schema: BrakeSwitch, v: 1 },
  'cluster.SwitchCleared': { schema: Nothing, v: 1 },
} as const
