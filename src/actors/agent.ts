import { assign, enqueueActions, setup } from 'xstate'
import type { AgentEvent, AgentFact, KindNews, Unreadable } from '../events/agent.ts'
import type { ClusterIdentity } from '../events/provider.ts'
import { invoked } from '../runtime/intent.ts'
import type { Migrations } from '../runtime/types.ts'
import { identityFacts } from './agent/identity-news.ts'

export type KindState = KindNews | { readonly state: 'listing'; readonly version: string }
/** By the kind's name: `pods`, `deployments.apps`. */
export type Kinds = Readonly<Record<string, KindState>>
type Context = {
  readonly cluster: string
  readonly kinds: Kinds
  /** Whether all that can be read was listed, and told so, since the last Resync. */
  readonly snapshotTaken: boolean
  /** Whether each kind begins with a list, whatever is held of it already. */
  readonly relist: boolean
  /** Whose cluster it is, once that was read. */
  readonly identity?: ClusterIdentity
}

/** The version at which each kind that can be read is served, and why the others can't be. */
export type Discovery = {
  readonly served: Readonly<Record<string, string>>
  readonly unavailable: Readonly<Record<string, { readonly why: Unreadable; readonly reason: string }>>
}
export type Reflection = Discovery & { readonly relist: boolean }

const entries = <Value>(bag: Readonly<Record<string, Value>>): readonly (readonly [string, Value])[] => Object.entries(bag)
const some = (kinds: Kinds, state: KindState['state']): boolean => entries(kinds).some(([, kind]) => kind.state === state)
const counts = (kinds: Kinds): Readonly<Record<string, number>> =>
  Object.fromEntries(entries(kinds).flatMap(([name, kind]) => (kind.state === 'streaming' ? [[name, kind.count]] : [])))

const begun = ({ served, unavailable }: Discovery): Kinds => ({
  ...Object.fromEntries(entries(served).map(([name, version]) => [name, { state: 'listing', version } as const])),
  ...Object.fromEntries(entries(unavailable).map(([name, why]) => [name, { state: 'unavailable', ...why } as const])),
})
const reflection = ({ kinds, relist }: Context): Reflection => ({
  served: Object.fromEntries(
    entries(kinds).flatMap(([name, kind]) => (kind.state === 'unavailable' ? [] : [[name, kind.version]])),
  ),
  unavailable: Object.fromEntries(
    entries(kinds).flatMap(([name, kind]) =>
      kind.state === 'unavailable' ? [[name, { why: kind.why, reason: kind.reason }]] : [],
    ),
  ),
  relist,
})

/** What a change says to others: what can't be read any more, or from the start; what came back; what stalled. */
const factsOf = (before: Kinds, changed: Kinds): readonly AgentFact[] => {
  const news = entries(changed).filter(([name, kind]) => before[name]?.state !== kind.state)
  const stalled = news.flatMap(([resource, kind]) => (kind.state === 'stalled' ? [{ resource, reason: kind.reason }] : []))
  const [first, ...others] = stalled
  return [
    ...unavailabilities(before, changed),
    ...news.flatMap(([resource, kind]): readonly AgentFact[] =>
      kind.state === 'streaming' && before[resource]?.state === 'unavailable'
        ? [{ type: 'agent.KindListed', resource, count: kind.count }]
        : [],
    ),
    ...(first ? [stalledFact(first, others)] : []),
  ]
}
const stalledFact = (first: { resource: string; reason: string }, others: readonly { resource: string }[]): AgentFact => ({
  type: 'agent.Stalled',
  ...first,
  ...(others.length > 0 && { others: others.map(({ resource }) => resource) }),
})

/** What was never there is one fact, not one for each of some thirty kinds that a cluster may have or not. */
const unavailabilities = (before: Kinds, changed: Kinds): readonly AgentFact[] => {
  const news = entries(changed).flatMap(([resource, kind]) => {
    const known = before[resource]
    const isKnown = kind.state === 'unavailable' && known?.state === 'unavailable' && known.why === kind.why
    return kind.state === 'unavailable' && !isKnown ? [{ resource, reason: kind.reason, why: kind.why }] : []
  })
  const isMissing = ({ resource, why }: (typeof news)[number]): boolean => why === 'absent' && before[resource] === undefined
  const resources = news.filter(isMissing).map(({ resource }) => resource)
  return [
    ...(resources.length > 0 ? [{ type: 'agent.KindsAbsent', resources } as const] : []),
    ...news.filter((each) => !isMissing(each)).map((each) => ({ type: 'agent.KindUnavailable', ...each }) as const),
  ]
}

/** Streams the cluster's state onto OBJECTS. Objects are never journaled; only how the reading of each kind goes. */
export const agent = setup({
  types: {
    context: {} as Context,
    events: {} as AgentEvent,
    emitted: {} as AgentFact,
    input: {} as { readonly cluster: string; readonly at: number },
  },
  actors: {
    discover: invoked<Discovery, Record<string, never>>(),
    /**
     * Lasts as long as the state: reflects each kind that is served, looks again and again for what is served, and
     * reports KindsChanged.
     */
    reflect: invoked<void, Reflection>(),
    /** Lasts as long as the state: asks whose cluster this is and reports IdentityRead. */
    identify: invoked<void, Record<string, never>>(),
  },
  guards: {
    isStalled: ({ context: { kinds } }) => some(kinds, 'stalled'),
    isWhole: ({ context: { kinds } }) => some(kinds, 'streaming') && !some(kinds, 'listing') && !some(kinds, 'stalled'),
  },
}).createMachine({
  id: 'agent',
  context: ({ input }) => ({ cluster: input?.cluster ?? '', kinds: {}, snapshotTaken: false, relist: false }),
  initial: 'discovering',
  states: {
    discovering: {
      invoke: {
        src: 'discover',
        input: {},
        onDone: {
          target: 'following',
          actions: enqueueActions(({ enqueue, context, event }) => {
            const kinds = begun(event.output)
            for (const fact of unavailabilities(context.kinds, kinds)) enqueue.emit(fact)
            enqueue.assign({ kinds })
          }),
        },
        onError: 'waiting',
      },
    },
    waiting: { after: { 5000: 'discovering' } },
    following: {
      initial: 'listing',
      invoke: [
        { src: 'reflect', input: ({ context }) => reflection(context), onError: 'waiting' },
        { src: 'identify', input: {} },
      ],
      on: {
        'agent.Resync': { target: 'discovering', actions: assign({ snapshotTaken: false, relist: true }) },
        'agent.IdentityRead': {
          actions: enqueueActions(({ enqueue, context, event }) => {
            for (const fact of identityFacts(context.identity, event.identity)) enqueue.emit(fact)
            enqueue.assign({ identity: event.identity })
          }),
        },
        'agent.KindsChanged': {
          actions: enqueueActions(({ enqueue, context, event }) => {
            for (const fact of factsOf(context.kinds, event.kinds)) enqueue.emit(fact)
            enqueue.assign({ kinds: { ...context.kinds, ...event.kinds } })
          }),
        },
      },
      states: {
        listing: {
          always: [
            { guard: 'isStalled', target: 'stalled' },
            {
              guard: 'isWhole',
              target: 'streaming',
              actions: enqueueActions(({ enqueue, context }) => {
                if (context.snapshotTaken) enqueue.emit({ type: 'agent.Streaming' })
                else enqueue.emit({ type: 'agent.SnapshotTaken', counts: counts(context.kinds) })
                enqueue.assign({ snapshotTaken: true, relist: false })
              }),
            },
          ],
        },
        streaming: { always: { guard: 'isStalled', target: 'stalled' } },
        stalled: { always: { guard: ({ context: { kinds } }) => !some(kinds, 'stalled'), target: 'listing' } },
      },
    },
  },
})

const namesOfVersion1: Readonly<Record<string, string>> = {
  deployments: 'deployments.apps',
  replicasets: 'replicasets.apps',
  daemonsets: 'daemonsets.apps',
  poddisruptionbudgets: 'poddisruptionbudgets.policy',
}
/** A kind's name by the resource alone, as version 1 knew its six. */
export const nameInVersion1 = (resource: string): string => namesOfVersion1[resource] ?? resource

type KindOfVersion1 = { readonly state: 'listing' | 'streaming' | 'stalled'; readonly count: number }
const kindFrom1 = ({ state, count }: KindOfVersion1): KindState => {
  if (state === 'streaming') return { state, version: 'v1', count }
  return state === 'listing' ? { state, version: 'v1' } : { state, version: 'v1', reason: 'told before this version' }
}

/**
 * Version 1 knew six kinds, by their resource: the reflection it asked for goes on, and learns the others by itself. It
 * did not ask whose cluster it is: what its state does not invoke is begun when it is carried over.
 */
export const agentMigrations: Migrations = {
  1: (state) => {
    const { cluster, kinds } = state.context as { readonly cluster: string; readonly kinds: Record<string, KindOfVersion1> }
    const known = entries(kinds)
    const context: Context = {
      cluster,
      kinds: Object.fromEntries(known.map(([resource, kind]) => [nameInVersion1(resource), kindFrom1(kind)])),
      snapshotTaken: known.length > 0 && known.every(([, kind]) => kind.state !== 'listing'),
      relist: false,
    }
    return { ...state, context }
  },
}
