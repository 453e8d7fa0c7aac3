import { assign, enqueueActions, setup } from 'xstate'
import type { CertificateOutcome, CsrApproverEvent } from '../../../events/certificates.ts'
import { type Buckets, EMPTY, put, without as withoutName } from '../../../runtime/buckets.ts'
import { invoked, spawned } from '../../../runtime/intent.ts'
import type { Migrations } from '../../../runtime/types.ts'
import type { CsrRef } from './approve-csr.ts'

type Waiting = CsrRef & {
  /** The id of the actor that judges it; each that judges it once more has another. */
  readonly id: string
  readonly first: string
  readonly node: string
  /** How often it was judged before. */
  readonly tries: number
}
type Context = {
  /** By the id of the request's actor. */
  readonly running: Readonly<Record<string, Waiting>>
  /** In the order in which they came: their node has a request under way, or too many have. */
  readonly waiting: readonly Waiting[]
  /** UIDs of those that were refused and will be judged once more, with how often they were. */
  readonly later: Buckets<number>
}

const MOST_RUNNING = 100
/** Whoever may ask for certificates can ask for many; the next list of all requests brings those that were dropped. */
const MOST_WAITING = 1_000

/** What stands against a request as long as its node has not come, or has not told its addresses. */
const PASSING: ReadonlySet<string> = new Set(['NodeUnknown', 'NodeReady', 'DnsName', 'IpAddress'])
/** It is judged once more after a minute, then after two, and so on up to half an hour, until it is too old. */
const AGAIN_MS = 60_000
const LONGEST_MS = 1_920_000
const MOST_LATER = 1_000

const isKnown = ({ running, waiting }: Context, { id, uid }: { readonly id: string; readonly uid: string }): boolean =>
  running[id] !== undefined || [...Object.values(running), ...waiting].some((each) => each.uid === uid)

/** Its next judgement, if what stood against it may pass. */
const nextOf = ({ running, later }: Context, id: string, { outcome, rule }: CertificateOutcome): Waiting | undefined => {
  const judged = running[id]
  if (!judged || judged.uid === '' || outcome !== 'refused' || later.size >= MOST_LATER) return undefined
  const tries = judged.tries + 1
  return PASSING.has(rule ?? '') ? { ...judged, tries, id: `${judged.first}.${tries}` } : undefined
}

/** Begins those for whose nodes no request is under way, as far as there is room; what is unreadable names no node. */
const begun = ({ running, waiting, later }: Context): Context & { readonly beginning: readonly Waiting[] } => {
  const now: Record<string, Waiting> = { ...running }
  const [beginning, left]: [Waiting[], Waiting[]] = [[], []]
  const busy = new Set(Object.values(running).map(({ node }) => node))
  for (const each of waiting) {
    const isFree = Object.keys(now).length < MOST_RUNNING && (each.node === '' || !busy.has(each.node))
    if (isFree) {
      now[each.id] = each
      busy.add(each.node)
    }
    ;(isFree ? beginning : left).push(each)
  }
  return { running: now, waiting: left, later, beginning }
}

const without = (running: Context['running'], id: string): Context['running'] => {
  const { [id]: _, ...rest } = running
  return rest
}

/** Has an actor made for each request for a kubelet's certificate, one at a time for each node. */
export const csrApprover = setup({
  types: { context: {} as Context, events: {} as CsrApproverEvent },
  actors: {
    /** Reports `csr-approver.Seen` for each request that is undecided and may be ours, once for each time it begins. */
    followRequests: invoked<void, Record<string, never>>(),
    approveCsr: spawned<CertificateOutcome, CsrRef>(),
  },
  delays: { pause: 10_000 },
  guards: {
    isNew: ({ context, event }) =>
      (event.type === 'csr-approver.Seen' || event.type === 'csr-approver.Again') &&
      context.waiting.length < MOST_WAITING &&
      !isKnown(context, event),
    mayBegin: ({ context }) => begun(context).beginning.length > 0,
  },
}).createMachine({
  id: 'csr-approver',
  context: { running: {}, waiting: [], later: EMPTY },
  initial: 'following',
  states: {
    following: { invoke: { src: 'followRequests', input: {}, onError: 'pausing' } },
    pausing: { after: { pause: 'following' } },
  },
  always: {
    guard: 'mayBegin',
    actions: enqueueActions(({ enqueue, context }) => {
      const { beginning, ...next } = begun(context)
      enqueue.assign(next)
      for (const { id, name, uid } of beginning) enqueue.spawnChild('approveCsr', { id, input: { name, uid } })
    }),
  },
  on: {
    'csr-approver.Seen': {
      guard: 'isNew',
      actions: assign({
        waiting: ({ context, event: { id, name, uid, node } }) => [
          ...context.waiting,
          { id, first: id, name, uid, node, tries: 0 },
        ],
      }),
    },
    'csr-approver.Again': [
      {
        guard: 'isNew',
        actions: assign({
          later: ({ context, event }) => withoutName(context.later, event.uid),
          waiting: ({ context, event: { type: _, at: __, ...again } }) => [...context.waiting, again],
        }),
      },
      { actions: assign({ later: ({ context, event }) => withoutName(context.later, event.uid) }) },
    ],
    'xstate.done.actor.*': {
      actions: enqueueActions(({ enqueue, context, event: { actorId, output } }) => {
        const again = nextOf(context, actorId, output)
        enqueue.stopChild(actorId)
        enqueue.assign({ running: without(context.running, actorId) })
        if (!again) return
        enqueue.assign({ later: put(context.later, again.uid, again.tries) })
        const delay = Math.min(LONGEST_MS, AGAIN_MS * 2 ** (again.tries - 1))
        enqueue.raise({ type: 'csr-approver.Again', ...again, at: 0 }, { id: `again ${again.uid}`, delay })
      }),
    },
    /** Its actor runs already, begun before this one was: it ends by itself. */
    'xstate.error.actor.*': { actions: assign({ running: ({ context, event }) => without(context.running, event.actorId) }) },
  },
})

type Version1 = {
  readonly running: Readonly<Record<string, string>>
  readonly waiting: readonly { readonly id: string; readonly name: string; readonly uid: string; readonly node: string }[]
}
/** Version 1 judged a request once; of those that ran it knew the node alone. */
export const csrApproverMigrations: Migrations = {
  1: (state) => {
    const { running, waiting } = state.context as Version1
    const unnamed = Object.entries(running).map(([id, node]) => [id, { id, first: id, name: '', uid: '', node, tries: 0 }])
    const context: Context = {
      running: Object.fromEntries(unnamed) as Context['running'],
      waiting: waiting.map((each) => ({ ...each, first: each.id, tries: 0 })),
      later: EMPTY,
    }
    return { ...state, context }
  },
}
