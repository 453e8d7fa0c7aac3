import { and, assign, type DoneActorEvent, emit, enqueueActions, setup, stateIn } from 'xstate'
import type { BrakePolicy, BrakeReport, ClusterEvent, ClusterFact, MissingPower, Phase } from '../events/cluster.ts'
import { invoked, spawned, tell } from '../runtime/intent.ts'
import type { Migrations, Reach } from '../runtime/types.ts'

type Context = {
  readonly id: string
  readonly missing: readonly MissingPower[]
  readonly braked: boolean
  /** What pulled the brake: it is let go of the same way. */
  readonly pulledBy: 'command' | 'configmap'
}

/** The phase in one word, from the machine's state value. */
export const phaseOf = (value: unknown): Phase => {
  const phase = (value as { phase?: unknown }).phase
  if (typeof phase !== 'object' || phase === null) return 'disconnected'
  const connected = (phase as { connected?: unknown }).connected
  return connected === 'observing' ? 'observing' : 'automating'
}

type Brake = 'released' | { readonly rollback: 'requested' | 'held' } | { readonly finish: 'requested' | 'held' }

export const brakeOf = (value: unknown): 'released' | 'requested' | 'held' => {
  const { brake } = value as { readonly brake: Brake }
  if (brake === 'released') return brake
  return 'rollback' in brake ? brake.rollback : brake.finish
}

/** What the state of the cluster allows: undefined, or why an effect of that reach may not start. */
export const permits = (value: unknown, reach: Reach): string | undefined => {
  if (value === undefined || reach === 'internal') return undefined
  if (phaseOf(value) !== 'automating') return 'the cluster is not in the phase automating'
  if (reach === 'restoring') return undefined
  const connected = (value as { phase: { connected: { automating?: string } } }).phase.connected
  if (connected.automating === 'leaving' || connected.automating === 'disconnecting')
    return 'the cluster is leaving the phase automating'
  const { brake } = value as { readonly brake: Brake }
  return brake === 'released' || 'finish' in brake ? undefined : 'the brake is on'
}

/** `permits` of a process that may not change the cluster: neither to take nor to give back. */
export const permitsNothing =
  (reason: string) =>
  (_: unknown, reach: Reach): string | undefined =>
    reach === 'internal' ? undefined : reason

/** The powers over Kubernetes are asked for again so often while some are missing. */
const RECHECK_MS = 60_000
/** A permission waits for an offer: the child is spawned again until a process hosts it. */
const REOFFER_MS = 60_000

/** Rolling back takes seconds; a controller that says nothing for so long is not there. */
const LEAVING_MS = 900_000

const entered = (phase: Phase) =>
  emit<Context, ClusterEvent, undefined, ClusterEvent, ClusterFact>({ type: 'cluster.PhaseEntered', phase })
const allowed = (child: string) =>
  emit<Context, ClusterEvent, undefined, ClusterEvent, ClusterFact>({ type: 'cluster.ChildAllowed', child })
type Demotion = Extract<ClusterEvent, { readonly type: 'cluster.Demote' }>
const abandoned = emit<Context, Demotion, undefined, ClusterEvent, ClusterFact>(({ event }) => ({
  type: 'cluster.ActionsAbandoned',
  ...(event.reason !== undefined && { reason: event.reason }),
}))
const stopped = (child: string) =>
  emit<Context, ClusterEvent, undefined, ClusterEvent, ClusterFact>({ type: 'cluster.ChildStopped', child })

type Pull = Extract<ClusterEvent, { readonly type: 'cluster.Hold' | 'cluster.SwitchSet' }>
const brakeRequested = emit<Context, Pull, undefined, ClusterEvent, ClusterFact>(({ event }) => ({
  type: 'cluster.BrakeRequested',
  policy: event.policy,
  ...(event.reason !== undefined && { reason: event.reason }),
  ...(event.type === 'cluster.SwitchSet' && { by: 'configmap' }),
}))
const pulled = assign<Context, Pull, undefined, ClusterEvent, never>({
  braked: true,
  pulledBy: ({ event }) => (event.type === 'cluster.SwitchSet' ? 'configmap' : 'command'),
})
const brakeHeld = emit<Context, DoneActorEvent<BrakeReport>, undefined, ClusterEvent, ClusterFact>(({ event }) => ({
  type: 'cluster.BrakeHeld',
  ...event.output,
}))
const brakeReleased = emit<Context, ClusterEvent, undefined, ClusterEvent, ClusterFact>({ type: 'cluster.BrakeReleased' })

/** In the state active, and without the brake, plans are carried out. */
const tellEvictor = (isActive: boolean) => ({
  type: 'tell' as const,
  params: ({ context }: { context: Context }) => ({
    to: `evictor/${context.id}`,
    event: { type: 'evictor.SetMode', execute: isActive && !context.braked },
  }),
})
const tellController = (verb: 'Pause' | 'Retire' | 'Resume', policy?: 'rollback' | 'finish') => ({
  type: 'tell' as const,
  params: ({ context }: { context: Context }) => ({
    to: `controller/${context.id}`,
    event: { type: `controller.${verb}`, ...(policy && { policy }) },
  }),
})
const child = ({ context }: { context: Context }) => ({ cluster: context.id })

/** From released: the policy is a state, because every process reads it from the state value of the newest commit. */
const pulling = (policy: BrakePolicy) => ({
  guard: { type: 'hasPolicy' as const, params: { policy } },
  target: policy,
  actions: [pulled, brakeRequested, tellEvictor(false)],
})
const pull = [pulling('finish'), pulling('rollback')]

const letGo = [
  assign<Context, ClusterEvent, undefined, ClusterEvent, never>({ braked: false }),
  brakeReleased,
  tellController('Resume'),
]
const goOn = [
  { guard: 'active' as const, target: 'released', actions: [...letGo, tellEvictor(true)] },
  { target: 'released', actions: letGo },
]
/** The brake under a policy: requested until every process has stopped, then held. */
const braking = (policy: BrakePolicy) => ({
  initial: 'requested' as const,
  entry: tellController('Pause', policy),
  on: {
    'cluster.Release': { guard: 'switchedOff' as const, target: 'leaving' },
    'cluster.SwitchCleared': { guard: 'pulledBySwitch' as const, target: 'leaving' },
  },
  states: {
    requested: { invoke: { src: 'awaitBrake' as const, input: {}, onDone: { target: 'held', actions: brakeHeld } } },
    held: {},
  },
})

/** The phases that decide which actors may live, the security switch and the brake. */
export const cluster = setup({
  types: {
    context: {} as Context,
    events: {} as ClusterEvent,
    emitted: {} as ClusterFact,
    input: {} as { readonly id: string; readonly at: number },
  },
  actors: {
    agent: spawned<void, { readonly cluster: string }>(),
    evictor: spawned<void, { readonly cluster: string }>(),
    controller: spawned<void, { readonly cluster: string; readonly paused: boolean }>(),
    csrApprover: spawned<void, { readonly cluster: string }>(),
    scanner: spawned<void, { readonly cluster: string }>(),
    checkPowers: invoked<{ readonly missing: readonly MissingPower[] }, { readonly phase: Phase }>(),
    awaitBrake: invoked<BrakeReport, Record<string, never>>(),
    /** Reports SwitchSet and SwitchCleared as the ConfigMap changes. */
    watchSwitch: invoked<void, Record<string, never>>(),
  },
  actions: { tell },
  guards: {
    active: stateIn({ phase: { connected: { automating: 'active' } } }),
    disconnecting: stateIn({ phase: { connected: { automating: 'disconnecting' } } }),
    abandons: ({ event }) => event.type === 'cluster.Demote' && event.policy === 'abandon',
    switchedOff: stateIn({ switch: 'off' }),
    pulledBySwitch: ({ context }) => context.pulledBy === 'configmap',
    hasPolicy: ({ event }, { policy }: { readonly policy: BrakePolicy }) => 'policy' in event && event.policy === policy,
  },
}).createMachine({
  id: 'cluster',
  type: 'parallel',
  // XState calls the factory without input on every transition.
  context: ({ input }) => ({ id: input?.id ?? '', missing: [], braked: false, pulledBy: 'command' }),
  states: {
    phase: {
      initial: 'disconnected',
      states: {
        disconnected: {
          on: { 'cluster.Connect': 'connected' },
        },
        connected: {
          initial: 'observing',
          invoke: [
            { src: 'agent', id: 'agent', input: child },
            { src: 'evictor', id: 'evictor', input: child },
          ],
          entry: [allowed('agent'), allowed('evictor')],
          exit: [stopped('evictor'), stopped('agent'), entered('disconnected')],
          states: {
            observing: {
              entry: entered('observing'),
              on: { 'cluster.Promote': 'automating', 'cluster.Disconnect': '#cluster.phase.disconnected' },
            },
            automating: {
              initial: 'enabling',
              entry: [allowed('controller'), entered('automating')],
              exit: stopped('controller'),
              invoke: [
                {
                  src: 'controller',
                  id: 'controller',
                  input: ({ context }) => ({ cluster: context.id, paused: context.braked }),
                  // It ends after Retire, when every action has finished or was rolled back.
                  onDone: [{ guard: 'disconnecting', target: '#cluster.phase.disconnected' }, { target: 'observing' }],
                },
                /** It judges requests by itself, and looks at none unless its process has a policy. */
                { src: 'csrApprover', id: 'csr-approver', input: child },
              ],
              on: {
                'cluster.Demote': [
                  { guard: and(['abandons', 'disconnecting']), target: '#cluster.phase.disconnected', actions: abandoned },
                  { guard: 'abandons', target: 'observing', actions: abandoned },
                  { target: '.leaving' },
                ],
                'cluster.Disconnect': '.disconnecting',
              },
              states: {
                enabling: {
                  invoke: {
                    src: 'checkPowers',
                    id: 'checkPowers',
                    input: { phase: 'automating' },
                    onDone: [
                      {
                        guard: ({ event }) => event.output.missing.length === 0,
                        target: 'active',
                        actions: assign({ missing: [] }),
                      },
                      {
                        target: 'degraded',
                        actions: enqueueActions(({ enqueue, event }) => {
                          enqueue.assign({ missing: event.output.missing })
                          for (const missing of event.output.missing) enqueue.emit({ type: 'cluster.PowerMissing', ...missing })
                        }),
                      },
                    ],
                    onError: 'degraded',
                  },
                },
                active: { entry: tellEvictor(true), exit: tellEvictor(false) },
                degraded: { after: { [RECHECK_MS]: 'enabling' } },
                leaving: {
                  entry: tellController('Retire', 'rollback'),
                  after: { [LEAVING_MS]: '#cluster.phase.connected.observing' },
                },
                disconnecting: {
                  entry: tellController('Retire', 'rollback'),
                  after: { [LEAVING_MS]: '#cluster.phase.disconnected' },
                },
              },
            },
          },
        },
      },
    },
    security: {
      initial: 'off',
      states: {
        off: { on: { 'cluster.EnableSecurity': 'on' } },
        on: {
          initial: 'allowed',
          entry: emit({ type: 'cluster.SecurityEntered', security: 'on' }),
          exit: emit({ type: 'cluster.SecurityEntered', security: 'off' }),
          on: { 'cluster.DisableSecurity': 'off' },
          states: {
            allowed: {
              entry: allowed('scanner'),
              exit: stopped('scanner'),
              invoke: {
                src: 'scanner',
                id: 'scanner',
                input: child,
                onError: {
                  target: 'unhosted',
                  actions: emit(({ event }) => ({
                    type: 'cluster.ChildNotHosted',
                    child: 'scanner',
                    reason: String((event.error as { message?: string }).message),
                  })),
                },
              },
            },
            unhosted: { after: { [REOFFER_MS]: 'allowed' } },
          },
        },
      },
    },
    brake: {
      initial: 'released',
      states: {
        released: { on: { 'cluster.Hold': pull, 'cluster.SwitchSet': pull } },
        rollback: braking('rollback'),
        finish: braking('finish'),
        leaving: { always: goOn },
      },
    },
    /** The brake of people who have kubectl alone: while it is set, no command lets go. */
    switch: {
      initial: 'off',
      invoke: { src: 'watchSwitch', input: {} },
      states: {
        off: { on: { 'cluster.SwitchSet': 'on' } },
        on: { on: { 'cluster.SwitchCleared': 'off' } },
      },
    },
  },
})

/** Version 1 had no ConfigMap. What it invokes is started by the migration itself. */
export const clusterMigrations: Migrations = {
  1: (state) => ({
    ...state,
    value: { ...(state.value as object), switch: 'off' },
    context: { ...(state.context as object), pulledBy: 'command' },
  }),
  // Version 2 could not be demoted without giving back.
  2: (state) => state,
  // Version 3 approved no certificates. Whoever does is spawned by the migration itself.
  3: (state) => state,
}
