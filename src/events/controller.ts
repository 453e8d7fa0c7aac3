import { z } from 'zod'
import type { ChartFact } from './charts.ts'
import { BrakePolicy } from './cluster.ts'
import { type ActionFact, Approve, Signature } from './orders.ts'

const id = z.string().min(1).max(200)
const nodeName = z.string().min(1).max(253)

/** Who wants to hear how the action ends, as `<type>/<id>`. */
const requester = z.string().optional()

/** Node identity: the name, and the UID or the provider id if the sender knows them. Another node of that name is "already gone". */
const NodeIdentity = {
  nodeName,
  nodeUid: z.string().optional(),
  providerId: z.string().optional(),
  /** Of the labels that say a node's id. */
  nodeId: z.string().optional(),
}

export const DrainNode = z.strictObject({
  id,
  ...NodeIdentity,
  /** Counted from `createdAt`. */
  drainTimeoutSeconds: z.number().positive().max(86_400).default(600),
  /** Epoch ms at which it was ordered; by default the time in its id, else when it is admitted. */
  createdAt: z.number().int().positive().optional(),
  /** What keeps the node after the deadline is deleted in spite of its budget. */
  force: z.boolean().default(false),
  /** What a drain that fails or is cancelled makes of the node: as it was found (the default), or it stays cordoned. */
  onFailure: z.enum(['restore', 'keep']).optional(),
  /** It is emptied to be removed: nothing is begun where nobody could remove its machine. */
  forRemoval: z.boolean().optional(),
  /** Emptied, it waits until the volumes of the pods are detached (the default). */
  waitForVolumeDetach: z.boolean().optional(),
  /** By default 60. What is attached then is told, and keeps nobody. */
  volumeDetachTimeoutSeconds: z.number().positive().max(3_600).optional(),
  requester,
  signature: Signature.optional(),
})
export type DrainNode = z.infer<typeof DrainNode>

export const DeleteNode = z.strictObject({ id, ...NodeIdentity, requester, signature: Signature.optional() })
export type DeleteNode = z.infer<typeof DeleteNode>

/** Takes back the cordon that a drain left on a node which is not to be deleted after all. */
export const UncordonNode = z.strictObject({ id, ...NodeIdentity, action: id })
export type UncordonNode = z.infer<typeof UncordonNode>

const CancelAction = z.strictObject({ id })
const ApprovalExpired = z.strictObject({ id })
const ClearNext = z.strictObject({})
const Retire = z.strictObject({ policy: BrakePolicy })
const Resume = z.strictObject({})
const Cancel = z.strictObject({ reason: z.string() })

/** A pod meant by its UID; `owner` is the UID of what will replace it, `unready` that it was not ready, or ending, when it was listed. */
export type PodRef = {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly owner?: string
  readonly unready?: true
}

/** The annotation that says which action cordoned a node: only for that action the cordon is taken back. */
export const CORDONED_BY = 'quartermaster.dev/cordoned-by'
/** The annotation that says how that action found the node: what taking back makes of it. */
export const FOUND = 'quartermaster.dev/found-before-cordon'

type Ends = { readonly type: 'controller.ActionDone' | 'controller.ActionFailed' }
/** The fact by which the end of an action is told. */
export type Ending = Extract<ControllerFact | ActionFact | ChartFact, Ends>

/** How an action ended. `gone`: the node meant was no more, nothing was left to do. */
export type ActionOutcome = {
  readonly outcome: 'done' | 'gone' | 'failed' | 'refused'
  readonly reason?: string
  readonly evicted?: number
  /** The controller tells it, in the commit that frees what the action was at work on: what is told as done holds nothing. */
  readonly told?: Ending
}
/** `deleted`: by force. `gone`: it had left by itself. `skipped`: it is being deleted and does not end. */
export type EvictionOutcome = {
  readonly uid: string
  readonly outcome: 'evicted' | 'deleted' | 'gone' | 'skipped' | 'failed'
  readonly reason?: string
}
/** How many pods of a drained node left in which way. */
export type Departures = Readonly<Partial<Record<EvictionOutcome['outcome'], number>>>
/** Volumes that a drained node has still attached: how many, and some of their names. */
export type Attached = { readonly count: number; readonly volumes: readonly string[] }
/** How it was made sure that a node is no more, and with it its cost. */
export type Removal = {
  /** What was made smaller by one: `karpenter`, `cluster-api`, `cluster-autoscaler`, a cloud's group, `webhook`; `node-object`: nothing. */
  readonly by: string
  /** Who says that the machine is gone; absent: nobody does, it may run on. */
  readonly confirmedBy?: string
}

type At = { readonly at: number }
type Done<Output> = {
  readonly type: `xstate.done.actor.${string}`
  readonly actorId: string
  readonly output: Output
  /** It had ended before, under the same id: nothing was done this time. */
  readonly repeated?: true
}
type Failed = {
  readonly type: `xstate.error.actor.${string}`
  readonly actorId: string
  readonly error: { readonly message: string }
}

export type ControllerEvent = At &
  (
    | ({ readonly type: 'controller.CancelAction' } & z.infer<typeof CancelAction>)
    | ({ readonly type: 'controller.Approve' } & Approve)
    | ({ readonly type: 'controller.ApprovalExpired' } & z.infer<typeof ApprovalExpired>)
    /** Refuse and cancel the next of those that are not to go on. */
    | { readonly type: 'controller.ClearNext' }
    /** Accept nothing more, end when everything has ended. */
    | ({ readonly type: 'controller.Retire' } & z.infer<typeof Retire>)
    /** The brake: accept nothing more until Resume. */
    | ({ readonly type: 'controller.Pause' } & z.infer<typeof Retire>)
    | { readonly type: 'controller.Resume' }
    | Done<ActionOutcome>
    | Failed
  )

export type DrainEvent = At & (({ readonly type: 'drain-node.Cancel' } & z.infer<typeof Cancel>) | Done<EvictionOutcome> | Failed)
export type EvictionEvent = { readonly type: 'eviction.Cancel'; readonly reason: string; readonly at: number }
export type DeletionEvent = At & ({ readonly type: 'delete-node.Cancel' } & z.infer<typeof Cancel>)

/** Which action a fact is about, and what that is at work on. */
type About = {
  readonly action: string
  readonly verb: string
  readonly node?: string
  readonly pod?: string
  readonly namespace?: string
  readonly object?: string
}

export type ControllerFact =
  | ({ readonly type: 'controller.ActionAccepted' } & About)
  | ({ readonly type: 'controller.ActionRefused'; readonly reason: string } & About)
  /** Somebody has to approve it before this time, epoch ms. */
  | ({ readonly type: 'controller.ActionWaiting'; readonly until: number } & About)
  | ({ readonly type: 'controller.ActionApproved' } & About)
  /** Whoever approved it was not believed; it goes on waiting. */
  | ({ readonly type: 'controller.ApprovalRefused'; readonly reason: string } & About)
  /** By the hash of its text. */
  | { readonly type: 'controller.GuardSet'; readonly sha256: string }
  /** Ordered again under the same id, and not done again: how the first one ended, or `running`. */
  | ({ readonly type: 'controller.ActionRepeated'; readonly outcome: string; readonly reason?: string } & About)
  | { readonly type: 'controller.NodeCordoned'; readonly action: string; readonly node: string }
  | {
      readonly type: 'controller.StepDone'
      readonly action: string
      readonly node: string
      readonly pod: string
      readonly uid: string
      readonly outcome: string
      readonly reason?: string
      readonly owner?: string
      /** Epoch ms at which the eviction was last asked for: what replaces the pod is not older. */
      readonly since: number
      /** Epoch ms at which it was first asked for, and the name of the last budget that forbade it meanwhile. */
      readonly begunAt: number
      readonly budget?: string
    }
  | {
      /** A budget forbids an eviction; told once for each budget of a pod. */
      readonly type: 'controller.EvictionBlocked'
      readonly action: string
      readonly node: string
      readonly pod: string
      readonly uid: string
      readonly budget: string
      readonly reason: string
    }
  | {
      readonly type: 'controller.ActionDone'
      readonly action: string
      readonly node: string
      readonly evicted: number
      readonly alreadyGone: boolean
      readonly reason?: string
      readonly pods?: Departures
      /** Of a drain that waited for volumes and did not see all of them go. */
      readonly attached?: Attached
    }
  | ({ readonly type: 'controller.NodeRemoved'; readonly action: string; readonly node: string } & Removal)
  | { readonly type: 'controller.ActionFailed'; readonly action: string; readonly node: string; readonly reason: string }
  | { readonly type: 'controller.ActionCompensated'; readonly action: string; readonly node: string; readonly restored: string }

type Said = { readonly type: string; readonly [field: string]: unknown }
/** Pure: what a fact says to whoever ordered or approved an action and waits for the answer. */
export const answerOf = (event: Said, fact: Said) => {
  if (fact['action'] !== event['id']) return undefined
  const reason = String(fact['reason'] ?? '')
  switch (fact.type) {
    case 'controller.ActionAccepted':
    case 'controller.ActionApproved':
      return { ok: true } as const
    case 'controller.ActionWaiting': {
      const detail = `it waits for somebody's approval until ${new Date(Number(fact['until'])).toISOString()}`
      return { ok: true, detail } as const
    }
    case 'controller.ActionRefused':
    case 'controller.ApprovalRefused':
      return { ok: false, why: 'refused', detail: reason } as const
    case 'controller.ActionRepeated':
      return { ok: false, why: 'duplicate', detail: `it was ordered before: ${fact['outcome']}` } as const
    default:
      return undefined
  }
}

// Journaled for ever: never edit a released shape. Raise its `v` and add the upcast beside it.
export const controllerEvents = {
  'controller.CancelAction': { schema: CancelAction, v: 1, command: true },
  'controller.Approve': { schema: Approve, v: 1, command: true, answer: answerOf },
  'controller.ApprovalExpired': { schema: ApprovalExpired, v: 1 },
  'controller.ClearNext': { schema: ClearNext, v: 1 },
  'controller.Retire': { schema: Retire, v: 1 },
  'controller.Pause': { schema: Retire, v: 1 },
  'controller.Resume': { schema: Resume, v: 1 },
} as const
export const drainEvents = { 'drain-node.Cancel': { schema: Cancel, v: 1 } } as const
export const evictionEvents = { 'eviction.Cancel': { schema: Cancel, v: 1 } } as const
export const deletionEvents = { 'delete-node.Cancel': { schema: Cancel, v: 1 } } as const
