import { createHash } from 'node:crypto'
import type { ActionOutcome, ControllerFact } from '../../events/controller.ts'
import { aloneOf, type Order, type Target, targetOf, type Verb, verbOf, verbs } from '../../events/verbs.ts'

export type Running = Target & {
  readonly verb: Verb
  /** Epoch ms of the admission. */
  readonly since: number
  /** Of the order: another one under the same id is refused. */
  readonly digest: string
  readonly alone?: string
  readonly requester?: string
}
export type Context = {
  readonly cluster: string
  /** Why nothing disruptive is admitted; empty: it is. */
  readonly closed: string
  readonly running: Readonly<Record<string, Running>>
}

export type Letter = { readonly to: string; readonly event: { readonly type: string; readonly [field: string]: unknown } }

/** What an order brings about; `begins`: the order as its actor gets it, if it was admitted. */
export type Admission = {
  readonly facts: readonly ControllerFact[]
  readonly letters: readonly Letter[]
  readonly running: Context['running']
  readonly begins?: object
}

/** So many actions at once; more are refused and may come again. */
const MOST_ACTIONS = 10_000

/** Who asked; only another actor can. */
const requesterOf = (order: Order): string | undefined => ('requester' in order ? order.requester : undefined)

/** The order as its actor gets it: no word about who asked. */
const bare = ({ type: _, at: __, requester: ___, ...order }: Order & { readonly requester?: string | undefined }): object => order

/** JSON with the fields of every object in alphabetical order. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
const digestOf = (order: Order): string =>
  createHash('sha256')
    .update(canonical([order.type, bare(order)]))
    .digest('hex')
    .slice(0, 32)

/** Pure: admits an order, or says why not. An order that is being carried out is not refused, but not begun twice. */
export const admission = (context: Context, order: Order): Admission => {
  const { id: action, at: since } = order
  const [verb, target, alone, requester, digest] = [
    verbOf(order),
    targetOf(order),
    aloneOf(order),
    requesterOf(order),
    digestOf(order),
  ]
  const about = { action, verb, ...target }
  const before = context.running[action]
  if (before?.digest === digest)
    return {
      facts: [{ type: 'controller.ActionRepeated', ...about, outcome: 'running' }],
      letters: [],
      running: context.running,
    }
  const entry: Running = {
    ...target,
    verb,
    since,
    digest,
    ...(alone !== undefined && { alone }),
    ...(requester !== undefined && { requester }),
  }
  const reason = objection(context, order, alone)
  if (reason !== undefined)
    return {
      facts: [{ type: 'controller.ActionRefused', ...about, reason }],
      letters: letterTo(action, entry, { outcome: 'refused', reason }),
      running: context.running,
    }
  return {
    facts: [{ type: 'controller.ActionAccepted', ...about }],
    letters: [],
    running: { ...context.running, [action]: entry },
    begins: bare(order),
  }
}

/** Why an action may not begin now; undefined if it may. */
const objection = ({ running, closed }: Context, order: Order, alone: string | undefined): string | undefined => {
  const { reach } = verbs[verbOf(order)]
  if (closed !== '' && reach !== 'restoring') return closed
  if (running[order.id]) return 'an action with this id is running, and its order was another'
  if (Object.keys(running).length >= MOST_ACTIONS) return `${MOST_ACTIONS} actions are running already`
  if (alone === undefined) return undefined
  const rival = Object.entries(running).find(([, each]) => each.alone === alone)
  return rival && `action ${rival[0]} (${rival[1].verb}) is at work on this node`
}

/** What the end of an action brings about. `isRepeat`: it had ended before, under the same id. */
export const ending = (
  { running }: Context,
  action: string,
  outcome: ActionOutcome,
  isRepeat: boolean,
): { readonly facts: readonly ControllerFact[]; readonly letters: readonly Letter[] } => {
  const ended = running[action]
  if (!ended) return { facts: [], letters: [] }
  const { verb, since: _, digest: __, alone: ___, requester: ____, ...target } = ended
  const about = { action, verb, ...target }
  const why = outcome.reason === undefined ? {} : { reason: outcome.reason }
  const facts: readonly ControllerFact[] = isRepeat
    ? [{ type: 'controller.ActionRepeated', ...about, outcome: outcome.outcome, ...why }]
    : outcome.outcome === 'refused'
      ? [{ type: 'controller.ActionRefused', ...about, reason: outcome.reason ?? '' }]
      : []
  return { facts, letters: letterTo(action, ended, outcome) }
}

const letterTo = (
  action: string,
  { verb, node = '', requester }: Running,
  { outcome, reason, evicted }: ActionOutcome,
): readonly Letter[] => {
  if (requester === undefined) return []
  const said = { outcome, ...(reason !== undefined && { reason }), ...(evicted !== undefined && { evicted }) }
  const [type] = requester.split('/')
  return [{ to: requester, event: { type: `${type}.ActionEnded`, action, verb, nodeName: node, ...said } }]
}

export const without = (running: Context['running'], action: string): Context['running'] => {
  const { [action]: _, ...rest } = running
  return rest
}

/** Version 1 knew only nodes, and named its children otherwise. */
export const fromVersion1 = (context: object): object => {
  const { running, ...rest } = context as { readonly running: Readonly<Record<string, { readonly node: string }>> }
  const entries = Object.entries(running).map(([action, each]) => [
    action,
    { ...each, since: 0, digest: '', alone: `node ${each.node}` },
  ])
  return { ...rest, running: Object.fromEntries(entries) }
}
