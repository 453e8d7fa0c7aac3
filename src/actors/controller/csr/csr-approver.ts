import { assign, enqueueActions, setup, stopChild } from 'xstate'
import type { CertificateOutcome, CsrApproverEvent } from '../../../events/certificates.ts'
import { invoked, spawned } from '../../../runtime/intent.ts'
import type { CsrRef } from './approve-csr.ts'

type Waiting = CsrRef & { readonly id: string; readonly node: string }
type Context = {
  /** Id of the request's actor → the node that it is for. */
  readonly running: Readonly<Record<string, string>>
  /** In the order in which they came: their node has a request under way, or too many have. */
  readonly waiting: readonly Waiting[]
}

const MOST_RUNNING = 100
/** Whoever may ask for certificates can ask for many; the next list of all requests brings those that were dropped. */
const MOST_WAITING = 1_000

const isKnown = ({ running, waiting }: Context, id: string): boolean =>
  running[id] !== undefined || waiting.some((each) => each.id === id)

/** Begins those for whose nodes no request is under way, as far as there is room; what is unreadable names no node. */
const begun = ({ running, waiting }: Context): Context & { readonly beginning: readonly Waiting[] } => {
  const now: Record<string, string> = { ...running }
  const [beginning, left]: [Waiting[], Waiting[]] = [[], []]
  const busy = new Set(Object.values(running))
  for (const each of waiting) {
    const isFree = Object.keys(now).length < MOST_RUNNING && (each.node === '' || !busy.has(each.node))
    if (isFree) {
      now[each.id] = each.node
      busy.add(each.node)
    }
    ;(isFree ? beginning : left).push(each)
  }
  return { running: now, waiting: left, beginning }
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
      event.type === 'csr-approver.Seen' && context.waiting.length < MOST_WAITING && !isKnown(context, event.id),
    mayBegin: ({ context }) => begun(context).beginning.length > 0,
  },
}).createMachine({
  id: 'csr-approver',
  context: { running: {}, waiting: [] },
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
        waiting: ({ context, event: { id, name, uid, node } }) => [...context.waiting, { id, name, uid, node }],
      }),
    },
    'xstate.done.actor.*': {
      actions: [
        stopChild(({ event }) => event.actorId),
        assign({ running: ({ context, event }) => without(context.running, event.actorId) }),
      ],
    },
    /** Its actor runs already, begun before this one was: it ends by itself. */
    'xstate.error.actor.*': { actions: assign({ running: ({ context, event }) => without(context.running, event.actorId) }) },
  },
})
