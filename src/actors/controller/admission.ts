import { createHash } from 'node:crypto'
import type { ActionOutcome, ControllerFact, Ending } from '../../events/controller.ts'
import type { Guard } from '../../events/guard.ts'
import type { Approve, CreateEvent, Signature } from '../../events/orders.ts'
import { aloneOf, type Order, type Target, targetOf, type Verb, verbOf, verbs } from '../../events/verbs.ts'
import { type Buckets, bucketed, EMPTY, filteredBeside, found, put, valuesOf, without } from '../../runtime/buckets.ts'
import { approvalTime, brokenRule, type Charge, longestWindow, needsLook, type Spent, spentBudget, unsigned } from './guard.ts'
import { canonical } from './signature.ts'

/** An action that was ordered: what it is, and who hears how it ends. */
type Entry = Target & {
  readonly verb: Verb
  /** Epoch ms of the admission. */
  readonly since: number
  /** Of the order: another one under the same id is refused. */
  readonly digest: string
  readonly alone?: string
  readonly requester?: string
}
/** What was seen of what an order would touch. */
export type Seen = { readonly zone?: string; readonly pods: number }
export type Running = Entry & Partial<Seen>
/** Not begun yet: the guard is not read (`early`, with the whole order), its node is looked at, or somebody has to approve it. */
type Pending = Running & { readonly stage: 'early' | 'looking' | 'waiting'; readonly order: object }

export type Context = {
  readonly cluster: string
  /** Why nothing disruptive is admitted; empty: it is. */
  readonly closed: string
  /** Null until it was read. */
  readonly guard: Guard | null
  readonly running: Buckets<Running>
  readonly pending: Buckets<Pending>
  /** Which action is at work, or is to be, on what one alone may be at work on. */
  readonly alone: Buckets<string>
  /** What the guard's budgets still count, by action. */
  readonly spent: Buckets<Spent>
  /** What is being cancelled, some at a time; `next` says from where on. */
  readonly clearing: Clearing | null
}
export type Clearing = { readonly reason: string; readonly spared: readonly string[]; readonly next: number }
/** Actions that run or are to run. */
export const busy = ({ running, pending }: Pick<Context, 'running' | 'pending'>): number => running.size + pending.size
type NewEvent = { readonly regarding: CreateEvent['objectReference'] }
type Letter = { readonly to: string; readonly event: { readonly type: string; readonly [field: string]: unknown } }

/** An Event beside the object that an action touches, for people who look there. */
export type Note = {
  readonly regarding: NewEvent['regarding']
  readonly eventType: 'Normal' | 'Warning'
  readonly reason: string
  /** The verb. */
  readonly action: string
  readonly message: string
}

/** What is to be looked at before an order can be judged. */
export type Look = { readonly node?: string; readonly pod?: string }

/** What an event brings about. `begins`: the order as its actor gets it. */
export type Change = {
  readonly facts?: readonly (ControllerFact | Ending)[]
  readonly letters?: readonly Letter[]
  readonly context?: Partial<Context>
  readonly begins?: { readonly verb: Verb; readonly id: string; readonly order: object }
  readonly looks?: { readonly id: string; readonly at: Look }
  readonly expires?: { readonly id: string; readonly ms: number }
  readonly decided?: string
  readonly notes?: readonly Note[]
}

/** So many actions at once, those that wait included; more are refused and may come again. */
const MOST_ACTIONS = 10_000
/** So many orders wait for the guard to be read: one commit judges them all. */
const MOST_EARLY = 200

type Signed = { readonly requester?: string | undefined; readonly signature?: Signature | undefined }

/** The order as its actor gets it: no word about who asked. */
const bare = ({ type: _, at: __, requester: ___, signature: ____, ...order }: Order & Signed): object => order
const digestOf = (order: Order): string =>
  createHash('sha256')
    .update(canonical([order.type, bare(order)]))
    .digest('hex')
    .slice(0, 32)

const entryOf = (order: Order): Entry => {
  const alone = aloneOf(order)
  const { requester } = order as Signed
  return {
    ...targetOf(order),
    verb: verbOf(order),
    since: order.at,
    digest: digestOf(order),
    ...(alone !== undefined && { alone }),
    ...(requester !== undefined && { requester }),
  }
}
const targetIn = ({ node, pod, namespace, object }: Target): Target => ({
  ...(node !== undefined && { node }),
  ...(pod !== undefined && { pod }),
  ...(namespace !== undefined && { namespace }),
  ...(object !== undefined && { object }),
})
const about = (action: string, entry: Entry) => ({ action, verb: entry.verb, ...targetIn(entry) })

/** Nodes and pods have a place for it. What changes nothing is not told there. */
const noted = (action: string, entry: Entry, reason: string, why = ''): readonly Note[] => {
  const regarding = regardingOf(entry)
  if (verbs[entry.verb].reach === 'internal' || !regarding) return []
  const eventType = reason === 'ActionAccepted' || reason === 'ActionDone' ? 'Normal' : 'Warning'
  const message = `${entry.verb} ${action}${why === '' ? '' : `: ${why}`}`.slice(0, MOST_MESSAGE)
  return [{ regarding, eventType, reason, action: entry.verb, message }]
}
const MOST_MESSAGE = 1_000
/** Node events are looked for by the node's name as their uid, as the kubelet writes them. */
const regardingOf = ({ node, pod }: Target): Note['regarding'] | undefined => {
  const [namespace = '', name = ''] = pod?.split('/') ?? []
  if (pod !== undefined) return { apiVersion: 'v1', kind: 'Pod', namespace, name }
  return node === undefined ? undefined : { apiVersion: 'v1', kind: 'Node', name: node, uid: node }
}

const refused = (action: string, entry: Entry, reason: string): Change => ({
  facts: [{ type: 'controller.ActionRefused', ...about(action, entry), reason }],
  notes: noted(action, entry, 'ActionRefused', reason),
  letters: letterTo(action, entry, { outcome: 'refused', reason }),
})

/** Pure: admits an order, or says why not. An order that is being carried out is not refused, but not begun twice. */
export const admission = (context: Context, order: Order): Change => {
  const { id } = order
  const entry = entryOf(order)
  const before = found(context.running, id) ?? found(context.pending, id)
  if (before?.digest === entry.digest)
    return { facts: [{ type: 'controller.ActionRepeated', ...about(id, entry), outcome: 'running' }] }
  const reason = objection(context, order, entry)
  if (reason !== undefined) return refused(id, entry, reason)
  if (!context.guard && !isFree(entry.verb)) return { context: waitingFor(context, id, { ...entry, stage: 'early', order }) }
  if (isFree(entry.verb) || !context.guard || !needsLook(context.guard, entry.verb))
    return judged(context, id, { ...entry, ...(entry.verb === 'EvictPod' && { pods: 1 }) }, bare(order), entry.since)
  const pending: Pending = { ...entry, stage: 'looking', order: bare(order) }
  const { node, pod } = entry
  return {
    context: waitingFor(context, id, pending),
    looks: { id, at: { ...(node !== undefined && { node }), ...(pod !== undefined && { pod }) } },
  }
}
const waitingFor = (context: Context, id: string, pending: Pending): Partial<Context> => ({
  pending: put(context.pending, id, pending),
  alone: claimed(context, id, pending),
})
const claimed = ({ alone }: Context, id: string, entry: Entry): Context['alone'] =>
  entry.alone === undefined || found(alone, entry.alone) === id ? alone : put(alone, entry.alone, id)
const freed = ({ alone }: Context, id: string, entry: Entry): Context['alone'] =>
  entry.alone !== undefined && found(alone, entry.alone) === id ? without(alone, entry.alone) : alone

/** What gives something back is held up by nothing. */
const isFree = (verb: Verb): boolean => verbs[verb].reach === 'restoring'

/** Why an order may not be carried out, whatever it would touch; undefined: nothing is known against it. */
const objection = (context: Context, order: Order, entry: Entry): string | undefined => {
  const { running, pending, closed } = context
  if (!/^[A-Za-z0-9]/.test(order.id)) return 'an id begins with a letter or a digit'
  if (closed !== '' && !isFree(entry.verb)) return closed
  if (found(running, order.id) ?? found(pending, order.id)) return 'an action with this id is running, and its order was another'
  if (busy(context) >= MOST_ACTIONS) return `${MOST_ACTIONS} actions are running already`
  return rivalry(context, order.id, entry) ?? (isFree(entry.verb) ? undefined : ruled(context, order))
}
const ruled = ({ guard, cluster, pending }: Context, order: Order): string | undefined => {
  if (guard) return brokenRule(guard, cluster, order)
  return pending.size < MOST_EARLY ? undefined : 'the guard is not read yet: order it again in a moment'
}

const rivalry = ({ running, pending, alone: known }: Context, id: string, { alone }: Entry): string | undefined => {
  const action = alone === undefined ? undefined : found(known, alone)
  const rival = action === undefined || action === id ? undefined : (found(running, action) ?? found(pending, action))
  return rival && `action ${action} (${rival.verb}) is at work on this ${alone?.split(' ')[0]}`
}

const chargeOf = (entry: Running): Charge => ({
  ...targetIn(entry),
  verb: entry.verb,
  pods: entry.pods ?? 0,
  ...(entry.zone !== undefined && { zone: entry.zone }),
})

/** An order that breaks no rule: within the budgets it waits for approval, or begins. */
const judged = (context: Context, id: string, entry: Running, order: object, at: number): Change => {
  const over = overspent(context, entry, at)
  if (over !== undefined)
    return { ...refused(id, entry, over), ...(found(context.pending, id) && { context: leaving(context, id, entry) }) }
  const ms = context.guard ? approvalTime(context.guard, entry.verb) : undefined
  if (ms === undefined || isFree(entry.verb)) return begun(context, id, entry, order, at)
  return {
    facts: [{ type: 'controller.ActionWaiting', ...about(id, entry), until: at + ms }],
    context: waitingFor(context, id, { ...entry, stage: 'waiting', order }),
    expires: { id, ms },
  }
}
const overspent = ({ guard, spent, running }: Context, entry: Running, at: number): string | undefined =>
  guard && !isFree(entry.verb) ? spentBudget(guard, spent, running, chargeOf(entry), at) : undefined

const begun = (context: Context, id: string, entry: Running, order: object, at: number): Change => {
  return {
    facts: [{ type: 'controller.ActionAccepted', ...about(id, entry) }],
    context: {
      running: put(context.running, id, { ...entry, since: at }),
      pending: without(context.pending, id),
      alone: claimed(context, id, entry),
      spent: charged(context, id, { ...chargeOf(entry), at }),
    },
    begins: { verb: entry.verb, id, order },
    notes: noted(id, entry, 'ActionAccepted'),
  }
}

const charged = ({ guard, spent }: Context, id: string, charge: Spent): Context['spent'] => {
  const window = guard ? longestWindow(guard) : 0
  if (window === 0) return spent.size === 0 ? spent : EMPTY
  return put(
    filteredBeside(spent, id, (each) => charge.at - each.at < window),
    id,
    charge,
  )
}
/** An action that is no more: what it alone might be at work on is free. */
const leaving = (context: Context, id: string, entry: Entry): Partial<Context> => ({
  running: without(context.running, id),
  pending: without(context.pending, id),
  alone: freed(context, id, entry),
})

/** Pure: the guard was read: judges what came before, each on what the one before left. */
export const guarded = (context: Context, guard: Guard, at: number): readonly Change[] => {
  const changes: Change[] = [{ context: { guard } }]
  let now: Context = { ...context, guard }
  const early = valuesOf(context.pending).filter(({ stage }) => stage === 'early')
  for (const pending of early.toSorted((a, b) => a.since - b.since)) {
    const order = { ...(pending.order as Order), at }
    const left = leaving(now, order.id, pending)
    const change = admission({ ...now, ...left }, order)
    changes.push({ ...change, context: { ...left, ...change.context } })
    now = { ...now, ...left, ...change.context }
  }
  return changes
}

const entryIn = ({ stage: _, order: __, ...entry }: Pending): Running => entry

/** Pure: what an order would touch was seen. */
export const looked = (context: Context, id: string, seen: Seen, at: number): Change => {
  const pending = found(context.pending, id)
  if (!pending) return {}
  const entry = { ...entryIn(pending), ...seen }
  if (context.closed !== '') return dropped(context, id, context.closed)
  return judged(context, id, entry, pending.order, at)
}

/** Pure: somebody lets it begin. What may have changed meanwhile is asked again. */
export const approved = (
  context: Context,
  { at, type: _, ...payload }: Approve & { readonly type: string; readonly at: number },
): Change => {
  const { id } = payload
  const pending = found(context.pending, id)
  if (!pending || !context.guard) return {}
  const entry = entryIn(pending)
  const reason = unsigned(context.guard, context.cluster, 'Approve', payload)
  if (reason !== undefined) return { facts: [{ type: 'controller.ApprovalRefused', ...about(id, entry), reason }] }
  const against = rivalry(context, id, entry) ?? overspent(context, entry, at)
  if (against !== undefined) return { ...dropped(context, id, against), decided: id }
  const begins = begun(context, id, entry, pending.order, at)
  return { ...begins, facts: [{ type: 'controller.ActionApproved', ...about(id, entry) }, ...(begins.facts ?? [])], decided: id }
}

/** Pure: an order that has not begun is refused after all. */
export const dropped = (context: Context, id: string, reason: string): Change => {
  const pending = found(context.pending, id)
  if (!pending) return {}
  return { ...refused(id, entryIn(pending), reason), context: leaving(context, id, pending), decided: id }
}

const REASONS = { done: 'ActionDone', gone: 'ActionDone', failed: 'ActionFailed', refused: 'ActionRefused' } as const

/** Pure: what the end of an action brings about. `isRepeat`: it had ended before, under the same id. */
export const ended = (context: Context, action: string, outcome: ActionOutcome, isRepeat: boolean): Change => {
  const entry = found(context.running, action)
  if (!entry) return {}
  const notes = isRepeat ? [] : noted(action, entry, REASONS[outcome.outcome], outcome.reason)
  return {
    facts: endingsOf(action, entry, outcome, isRepeat),
    notes,
    letters: letterTo(action, entry, outcome),
    context: leaving(context, action, entry),
  }
}
const endingsOf = (action: string, entry: Entry, outcome: ActionOutcome, isRepeat: boolean): NonNullable<Change['facts']> => {
  const { outcome: how, reason, told } = outcome
  if (isRepeat)
    return [{ type: 'controller.ActionRepeated', ...about(action, entry), outcome: how, ...(reason !== undefined && { reason }) }]
  if (told) return [told]
  return how === 'refused' ? [{ type: 'controller.ActionRefused', ...about(action, entry), reason: reason ?? '' }] : []
}

const letterTo = (
  action: string,
  { verb, node = '', requester }: Entry,
  { outcome, reason, evicted }: ActionOutcome,
): readonly Letter[] => {
  if (requester === undefined) return []
  const said = { outcome, ...(reason !== undefined && { reason }), ...(evicted !== undefined && { evicted }) }
  const [type] = requester.split('/')
  return [{ to: requester, event: { type: `${type}.ActionEnded`, action, verb, nodeName: node, ...said } }]
}

/** Version 1 knew only nodes, no guard, and named its children otherwise. */
export const fromVersion1 = (context: object): object => {
  const { running, ...rest } = context as { readonly running: Readonly<Record<string, { readonly node: string }>> }
  const entries = Object.entries(running).map(([action, each]) => [
    action,
    { ...each, since: 0, digest: '', alone: `node ${each.node}` },
  ])
  return { ...rest, running: Object.fromEntries(entries), guard: null, pending: {}, spent: {} }
}

type Flat<Value> = Readonly<Record<string, Value>>
/** Version 4 kept all of them in one bag, and cancelled them at once. */
export const fromVersion4 = (context: object): object => {
  const { running, pending, spent, ...rest } = context as {
    readonly running: Flat<Running>
    readonly pending: Flat<Pending>
    readonly spent: Flat<Spent>
  }
  const alone = [...Object.entries(running), ...Object.entries(pending)].flatMap(([id, entry]) =>
    entry.alone === undefined ? [] : [[entry.alone, id]],
  )
  return {
    ...rest,
    running: bucketed(running),
    pending: bucketed(pending),
    alone: bucketed(Object.fromEntries(alone)),
    spent: bucketed(spent),
    clearing: null,
  }
}
