import { z } from 'zod'
import type { ActionOutcome } from './controller.ts'

const Nothing = z.strictObject({})
const SetMode = z.strictObject({ execute: z.boolean() })

/** What of a plan goes into the journal: the plan itself is in the bucket `plans` under its id. */
export const PlanSummary = z.object({
  plan: z.string(),
  hash: z.string(),
  planner: z.string(),
  nodes: z.number(),
  nodesAfter: z.number(),
  hourlyCost: z.number(),
  hourlyCostAfter: z.number(),
  bound: z.number(),
  evictions: z.number(),
  drains: z.number(),
  /** How many nodes are kept for each reason. */
  kept: z.record(z.string(), z.number()),
})
export type PlanSummary = z.infer<typeof PlanSummary>

export const Candidate = z.object({ node: z.string(), uid: z.string(), evictions: z.number(), hourlyCost: z.number() })
export type Candidate = z.infer<typeof Candidate>

/** A node that an earlier drain left cordoned, and that the plan does not want to empty any more. */
const Leftover = z.object({ node: z.string(), uid: z.string(), action: z.string() })
export type Leftover = z.infer<typeof Leftover>

/** A plan as the machine sees it: the summary, the nodes of its first wave, and what is to be given back. */
export const Planned = z.object({ summary: PlanSummary, wave: z.array(Candidate), leftover: z.array(Leftover) })
export type Planned = z.infer<typeof Planned>

export const Verified = z.object({
  nodes: z.array(z.string()),
  refused: z.array(z.object({ node: z.string(), reason: z.string() })),
})
export type Verified = z.infer<typeof Verified>

const ActionEnded = z.strictObject({
  action: z.string(),
  verb: z.enum(['DrainNode', 'DeleteNode']),
  nodeName: z.string(),
  outcome: z.enum(['done', 'gone', 'failed', 'refused']),
  reason: z.string().optional(),
  evicted: z.number().optional(),
})

type At = { readonly at: number }
export type EvictorEvent = At &
  (
    | { readonly type: 'evictor.Plan' }
    | { readonly type: 'evictor.Pause' }
    | { readonly type: 'evictor.Resume' }
    | ({ readonly type: 'evictor.SetMode' } & z.infer<typeof SetMode>)
    | ({
        readonly type: 'evictor.ActionEnded'
        readonly action: string
        readonly verb: 'DrainNode' | 'DeleteNode'
        readonly nodeName: string
      } & ActionOutcome)
  )

export type EvictorFact =
  | ({ readonly type: 'evictor.PlanMade' } & PlanSummary)
  | { readonly type: 'evictor.PlanAborted'; readonly reason: string; readonly plan?: string; readonly node?: string }
  | ({ readonly type: 'evictor.NodeChosen'; readonly plan: string } & Candidate)
  | { readonly type: 'evictor.NodeEmptied'; readonly plan: string; readonly node: string; readonly evicted: number }
  | { readonly type: 'evictor.NodeRemoved'; readonly plan: string; readonly node: string }
  | { readonly type: 'evictor.NodeKept'; readonly plan: string; readonly node: string; readonly reason: string }

// Journaled for ever: never edit a released shape. Raise its `v` and add the upcast beside it.
export const evictorEvents = {
  'evictor.Plan': { schema: Nothing, v: 1, command: true },
  'evictor.Pause': { schema: Nothing, v: 1, command: true },
  'evictor.Resume': { schema: Nothing, v: 1, command: true },
  'evictor.SetMode': { schema: SetMode, v: 1 },
  'evictor.ActionEnded': { schema: ActionEnded, v: 1 },
} as const
