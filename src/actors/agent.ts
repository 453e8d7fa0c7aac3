import { assign, emit, enqueueActions, setup } from 'xstate'
import type { AgentEvent, AgentFact } from '../events/agent.ts'
import { plannedKinds } from '../events/kinds.ts'
import type { ClusterIdentity } from '../events/provider.ts'
import { invoked } from '../runtime/intent.ts'
import type { Migrations } from '../runtime/types.ts'
import { identityFacts } from './agent/identity-news.ts'

type KindState = { readonly state: 'listing' | 'streaming' | 'stalled'; readonly count: number }
type Kinds = Readonly<Record<string, KindState>>
type Context = {
  readonly cluster: string
  readonly kinds: Kinds
  /** Whose cluster it is, once that was read. */
  readonly identity?: ClusterIdentity
}

export type Discovery = {
  readonly available: readonly string[]
  readonly unavailable: readonly { readonly resource: string; readonly reason: string }[]
}

const all = (kinds: Kinds, state: KindState['state']): boolean => Object.values(kinds).every((kind) => kind.state === state)
const counts = (kinds: Kinds): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(kinds).map(([resource, { count }]) => [resource, count]))

const listing = (available: readonly string[]): Kinds =>
  Object.fromEntries(available.map((resource) => [resource, { state: 'listing', count: 0 }]))
const withKind = (kinds: Kinds, resource: string, change: Partial<KindState>): Kinds => ({
  ...kinds,
  [resource]: { ...(kinds[resource] ?? { state: 'listing', count: 0 }), ...change },
})

/** A kind that is not served, or that we may not read, is asked for again after so long. */
const REDISCOVER_MS = 120_000

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
    /** Lasts as long as the state: reflects each kind and reports KindListed, KindStalled, KindRecovered. */
    reflect: invoked<void, { readonly resources: readonly string[] }>(),
    /** Lasts as long as the state: asks whose cluster this is and reports IdentityRead. */
    identify: invoked<void, Record<string, never>>(),
  },
  guards: {
    allListed: ({ context, event }) =>
      event.type === 'agent.KindListed' && all(withKind(context.kinds, event.resource, { state: 'streaming' }), 'streaming'),
    allRecovered: ({ context, event }) =>
      event.type === 'agent.KindRecovered' && all(withKind(context.kinds, event.resource, { state: 'streaming' }), 'streaming'),
  },
}).createMachine({
  id: 'agent',
  context: ({ input }) => ({ cluster: input?.cluster ?? '', kinds: {} }),
  initial: 'discovering',
  states: {
    discovering: {
      invoke: {
        src: 'discover',
        input: {},
        onDone: {
          target: 'following',
          actions: enqueueActions(({ enqueue, event }) => {
            enqueue.assign({ kinds: listing(event.output.available) })
            for (const kind of event.output.unavailable) enqueue.emit({ type: 'agent.KindUnavailable', ...kind })
          }),
        },
        onError: 'waiting',
      },
    },
    waiting: { after: { 5000: 'discovering' } },
    following: {
      initial: 'listing',
      invoke: [
        { src: 'reflect', input: ({ context }) => ({ resources: Object.keys(context.kinds) }), onError: 'waiting' },
        { src: 'identify', input: {} },
      ],
      on: {
        'agent.Resync': 'discovering',
        'agent.IdentityRead': {
          actions: enqueueActions(({ enqueue, context, event }) => {
            for (const fact of identityFacts(context.identity, event.identity)) enqueue.emit(fact)
            enqueue.assign({ identity: event.identity })
          }),
        },
        'agent.KindStalled': {
          target: '.stalled',
          actions: [
            assign({ kinds: ({ context, event }) => withKind(context.kinds, event.resource, { state: 'stalled' }) }),
            emit(({ event }) => ({ type: 'agent.Stalled', resource: event.resource, reason: event.reason })),
          ],
        },
        'agent.KindListed': [
          {
            guard: 'allListed',
            target: '.streaming',
            actions: [
              assign({
                kinds: ({ context, event }) =>
                  withKind(context.kinds, event.resource, { state: 'streaming', count: event.count }),
              }),
              emit(({ context }) => ({ type: 'agent.SnapshotTaken', counts: counts(context.kinds) })),
            ],
          },
          {
            actions: assign({
              kinds: ({ context, event }) => withKind(context.kinds, event.resource, { state: 'streaming', count: event.count }),
            }),
          },
        ],
        'agent.KindRecovered': [
          {
            guard: 'allRecovered',
            target: '.streaming',
            actions: [
              assign({ kinds: ({ context, event }) => withKind(context.kinds, event.resource, { state: 'streaming' }) }),
              emit({ type: 'agent.Streaming' }),
            ],
          },
          { actions: assign({ kinds: ({ context, event }) => withKind(context.kinds, event.resource, { state: 'streaming' }) }) },
        ],
      },
      states: {
        listing: {},
        streaming: {
          // After a restart the reading of each kind goes on from its watermark: no news.
          on: {
            'agent.KindListed': {
              actions: assign({
                kinds: ({ context, event }) =>
                  withKind(context.kinds, event.resource, { state: 'streaming', count: event.count }),
              }),
            },
          },
          after: { [REDISCOVER_MS]: { guard: ({ context }) => missesKinds(context.kinds), target: '#agent.discovering' } },
        },
        stalled: {},
      },
    },
  },
})

const missesKinds = (kinds: Kinds): boolean => Object.keys(kinds).length < plannedKinds.length

/** Version 2 also asks whose cluster it is: what a state of version 1 does not invoke is begun when it is carried over. */
export const agentMigrations: Migrations = { 1: (state) => state }
