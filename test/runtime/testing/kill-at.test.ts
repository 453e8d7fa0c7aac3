import { expect, test } from 'vitest'
import { setup } from 'xstate'
import { z } from 'zod'
import { Guard, NO_GUARD } from '../../../src/events/guard.ts'
import type { KillPoint } from '../../../src/runtime/ground.ts'
import { killAt, NotRecovered } from '../../../src/runtime/testing/kill-at.ts'
import type { Surroundings } from '../../../src/runtime/testing/paths.ts'
import { virtualClock } from '../../../src/runtime/testing/virtual-clock.ts'
import { shipped } from '../../shipped.ts'

const order = { id: 'a1', nodeName: 'n1', nodeUid: 'u1', drainTimeoutSeconds: 600, force: false }
const node = { name: 'n1', uid: 'u1', providerId: '', unschedulable: false }
const pod = { namespace: 'web', name: 'a', uid: 'pa' }
/** Soon after the virtual clock begins. */
const DEADLINE = virtualClock().now() + 30_000
const attachment = { name: 'va', uid: 'v1', isBeingDeleted: false }
const summary = {
  plan: 'p1',
  hash: 'h1',
  planner: 'greedy',
  nodes: 2,
  nodesAfter: 1,
  hourlyCost: 2,
  hourlyCostAfter: 1,
  bound: 1,
  evictions: 1,
  drains: 1,
  kept: {},
}
const perZone = { name: 'a zone', counts: 'nodes', most: 5, per: 'zone', verbs: ['DeleteNode'] }
const wave = [{ node: 'n1', uid: 'u1', evictions: 1, hourlyCost: 1 }]
const ended = { type: 'evictor.ActionEnded', action: 'p1.0', nodeName: 'n1' }

const clusterEndings = {
  checkPowers: { outputs: [{ missing: [] }, { missing: [{ actor: 'agent', power: 'list pods' }] }], errors: ['Unavailable'] },
  awaitBrake: { outputs: [{ processes: 1, unanswered: 0, inFlight: 0 }] },
  scanner: { outputs: [], errors: ['NotHosted'] },
  agent: { outputs: [] },
  evictor: { outputs: [] },
  watchSwitch: { outputs: [] },
}

/** What each machine may meet: its commands and messages, and how its effects and children may end. */
const surroundings: Readonly<Record<string, Surroundings>> = {
  cluster: {
    input: { id: 'one' },
    events: [
      { type: 'cluster.Connect' },
      { type: 'cluster.Promote' },
      { type: 'cluster.Demote' },
      { type: 'cluster.Disconnect' },
      { type: 'cluster.Hold', policy: 'rollback' },
      { type: 'cluster.Release' },
    ],
    endings: clusterEndings,
  },
  'cluster, its switches': {
    input: { id: 'one' },
    events: [
      { type: 'cluster.EnableSecurity' },
      { type: 'cluster.DisableSecurity' },
      { type: 'cluster.Hold', policy: 'finish' },
      { type: 'cluster.Release' },
      { type: 'cluster.SwitchSet', policy: 'rollback' },
      { type: 'cluster.SwitchCleared' },
    ],
    endings: clusterEndings,
  },
  agent: {
    input: { cluster: 'one' },
    events: [
      { type: 'agent.KindsChanged', kinds: { nodes: { state: 'streaming', version: 'v1', count: 1 } } },
      { type: 'agent.KindsChanged', kinds: { nodes: { state: 'stalled', version: 'v1', reason: 'no answer' } } },
      { type: 'agent.KindsChanged', kinds: { nodes: { state: 'unavailable', why: 'forbidden', reason: 'no power' } } },
      { type: 'agent.Resync' },
    ],
    endings: {
      discover: { outputs: [{ served: { nodes: 'v1' }, unavailable: {} }], errors: ['Unavailable'] },
      reflect: { outputs: [], errors: ['Superseded'] },
    },
  },
  evictor: {
    input: { cluster: 'one' },
    events: [
      { type: 'evictor.SetMode', execute: true },
      { type: 'evictor.SetMode', execute: false },
      { type: 'evictor.Plan' },
      { type: 'evictor.Pause' },
      { type: 'evictor.Resume' },
      { ...ended, verb: 'DrainNode', outcome: 'done' },
      { ...ended, verb: 'DrainNode', outcome: 'failed' },
    ],
    endings: {
      plan: { outputs: [{ summary, wave, leftover: [] }], errors: ['NotReady', 'Error'] },
      verify: {
        outputs: [
          { nodes: ['n1'], refused: [] },
          { nodes: [], refused: [] },
        ],
        errors: ['Unavailable'],
      },
    },
    sees: ({ execute, pausing }) => [execute, pausing],
  },
  controller: {
    input: { cluster: 'one', paused: false },
    events: [
      { type: 'controller.GuardSet', guard: NO_GUARD },
      { type: 'controller.DrainNode', ...order },
      { type: 'controller.UncordonNode', id: 'u1', nodeName: 'n3', action: 'a0' },
      { type: 'controller.Pause', policy: 'rollback' },
      { type: 'controller.Resume' },
      { type: 'controller.Retire', policy: 'rollback' },
    ],
    endings: {
      DrainNode: { outputs: [{ outcome: 'done' }], errors: ['Refused'] },
      UncordonNode: { outputs: [{ outcome: 'done' }] },
      followGuard: { outputs: [] },
    },
    sees: ({ closed, guard }) => [closed, guard === null],
  },
  'controller, its guard': {
    input: { cluster: 'one', paused: false },
    events: [
      { type: 'controller.GuardSet', guard: Guard.parse({ approval: { verbs: ['DeleteNode'] }, budgets: [perZone] }) },
      { type: 'controller.DeleteNode', id: 'd1', nodeName: 'n2' },
      { type: 'controller.Approve', id: 'd1' },
      { type: 'controller.CancelAction', id: 'd1' },
      { type: 'controller.Pause', policy: 'finish' },
    ],
    endings: {
      DeleteNode: { outputs: [{ outcome: 'done' }] },
      look: { outputs: [{ pods: 1, zone: 'a' }], errors: ['Unavailable'] },
      followGuard: { outputs: [] },
    },
    sees: ({ closed, guard, pending }) => [closed, guard === null, Object.values(pending as object).map(({ stage }) => stage)],
  },
  'drain-node, for removal': {
    input: { order: { ...order, forRemoval: true } },
    events: [{ type: 'drain-node.Cancel', reason: 'the brake is on' }],
    endings: {
      readNode: { outputs: [node], errors: ['Unavailable'] },
      findOwner: { outputs: [{ by: 'node-object' }], errors: ['Refused', 'Gone', 'Unavailable'] },
      listEvictable: { outputs: [{ pods: [] }] },
      awaitDetached: { outputs: [{ count: 0, volumes: [] }] },
    },
  },
  'drain-node': {
    input: { order },
    events: [{ type: 'drain-node.Cancel', reason: 'the brake is on' }],
    endings: {
      readNode: { outputs: [node, null], errors: ['Unavailable'] },
      cordon: { errors: ['Gone', 'Refused', 'Unavailable'] },
      uncordon: { errors: ['Gone', 'Refused', 'Unavailable'] },
      listEvictable: {
        outputs: [{ pods: [pod] }, { pods: [pod], after: { tier: 0, priority: 0, uid: 'pa' } }, { pods: [] }],
        errors: ['Unavailable', 'Refused'],
      },
      eviction: {
        outputs: [
          { uid: 'pa', outcome: 'evicted' },
          { uid: 'pa', outcome: 'skipped', reason: 'why' },
          { uid: 'pa', outcome: 'failed', reason: 'why' },
        ],
      },
      awaitDetached: {
        outputs: [
          { count: 0, volumes: [] },
          { count: 1, volumes: ['pv'] },
        ],
        errors: ['Refused'],
      },
    },
    sees: ({ after, skipped }) => [after, Object.keys(skipped).length],
  },
  eviction: {
    input: { action: 'a1', node: 'n1', pod, deadline: DEADLINE, force: false },
    events: [{ type: 'eviction.Cancel', reason: 'the brake is on' }],
    endings: {
      evictPod: { errors: ['Gone', 'Refused', 'Blocked', { name: 'Blocked', budget: 'front', retryAfterMs: 100 }] },
      awaitTurn: { errors: ['Unavailable'] },
      look: { outputs: ['gone', 'terminating', 'there'], errors: ['Refused'] },
      awaitGone: { outputs: ['gone', 'stuck'], errors: ['Unavailable'] },
    },
    sees: ({ cancelled }) => cancelled === true,
  },
  'eviction, by force': {
    input: { action: 'a1', node: 'n1', pod, deadline: DEADLINE, force: true },
    events: [{ type: 'eviction.Cancel', reason: 'the brake is on' }],
    endings: {
      evictPod: { errors: ['Refused', { name: 'Blocked', budget: 'front' }] },
      awaitGone: { outputs: ['gone', 'stuck'], errors: ['Unavailable'] },
      deletePod: { errors: ['Gone', 'Refused'] },
    },
    sees: ({ cancelled }) => cancelled === true,
  },
  'delete-node': {
    input: { order: { id: 'd1', nodeName: 'n1', nodeUid: 'u1' } },
    events: [{ type: 'delete-node.Cancel', reason: 'the brake is on' }],
    endings: {
      readNode: { outputs: [node, null, { ...node, uid: 'u2' }], errors: ['Unavailable', 'Refused'] },
      findOwner: {
        outputs: [
          { by: 'node-object' },
          { by: 'cluster-autoscaler' },
          { by: 'karpenter', nodeClaim: 'c1', uid: 'cu', version: 'v1' },
          {
            by: 'cluster-api',
            version: 'v1beta1',
            namespace: 'ns',
            machine: 'm1',
            uid: 'mu',
            group: { resource: 'machinesets', name: 's', uid: 'su' },
          },
        ],
        errors: ['Refused', 'Unavailable'],
      },
      mark: { errors: ['Gone', 'Refused', 'Unavailable'] },
      unmark: { errors: ['Gone', 'Unavailable'] },
      shrink: { errors: ['Gone', 'Refused', 'Unavailable', 'Held'] },
      awaitRemoved: { outputs: ['somebody'], errors: ['Refused', 'Unavailable'] },
      tidy: { errors: ['Gone', 'Unavailable'] },
      deleteNode: { errors: ['Gone', 'Refused', 'Unavailable'] },
      forgetNode: { errors: ['Gone', 'Refused', 'Unavailable'] },
      listBound: { outputs: [[pod], []], errors: ['Unavailable'] },
      deletePod: { errors: ['Gone', 'Unavailable'] },
      listAttached: { outputs: [[attachment], []], errors: ['Unavailable'] },
      deleteAttachment: { errors: ['Gone', 'Unavailable'] },
    },
    sees: ({ owner, outcome, isAsked, reason }) => [owner?.by, outcome, isAsked, reason !== ''],
  },
  'uncordon-node': {
    input: { order: { id: 'u1', nodeName: 'n1', nodeUid: 'u1', action: 'a0' } },
    endings: {
      readNode: { outputs: [node, null], errors: ['Unavailable'] },
      uncordon: { errors: ['Gone', 'Refused', 'Unavailable'] },
    },
  },
}

const steps: readonly KillPoint[] = ['before-append', 'after-append', 'before-effect', 'after-effect']

test.each(Object.keys(surroundings).flatMap((type) => steps.map((step) => [type, step] as const)))(
  'kill: the %s machine, %s, on every path: nothing is lost, nothing runs under a second key, the end is the same',
  async (type, step) => {
    const { paths, kills } = await killAt(step).everyPath(shipped(type.replace(/,.*/, '')), surroundings[type])
    expect(paths).toBeGreaterThan(2)
    expect(kills).toBeGreaterThan(0)
  },
)

test('kill: a machine that decides otherwise when it is asked again is found', async () => {
  let asked = 0
  const machine = setup({ guards: { odd: () => Math.floor(asked++ / 3) % 2 === 0 } }).createMachine({
    id: 'fickle',
    initial: 'waiting',
    states: { waiting: { on: { 'fickle.Go': [{ guard: 'odd', target: 'left' }, { target: 'right' }] } }, left: {}, right: {} },
  })
  const fickle = {
    ...shipped('eviction'),
    type: 'fickle',
    machine,
    effects: {},
    children: {},
    events: { 'fickle.Go': { schema: z.unknown(), v: 1 } },
  }
  const tried = killAt('before-append').everyPath(fickle, { events: [{ type: 'fickle.Go' }] })
  await expect(tried).rejects.toThrow(NotRecovered)
})
