import { describe, expect, test } from 'vitest'
import { brakeOf, permits, permitsNothing, phaseOf } from '../../src/actors/cluster.ts'
import { born, done, failed, given } from '../../src/runtime/testing/given.ts'
import { shipped } from '../shipped.ts'

const birth = born({ id: 'demo' })
const story = (...events: readonly { readonly type: string }[]) => given(shipped('cluster'), birth, ...events)
const connect = { type: 'cluster.Connect' }
const promote = { type: 'cluster.Promote' }
const demote = { type: 'cluster.Demote' }
const powers = done('checkPowers', { missing: [] })
const names = ({ decided }: ReturnType<ReturnType<typeof story>['when']>) =>
  decided === 'refused' ? decided : decided.effects.map(([name]) => name)

describe('cluster', () => {
  test('starts disconnected, with nothing allowed', () => {
    story()
      .when(birth)
      .then({
        to: { phase: 'disconnected', security: 'off', brake: 'released', switch: 'off' },
        effects: [['watchSwitch', {}]],
        emitted: [],
        timers: [],
      })
  })

  test('observing: the agent and the evictor live, nothing else', () => {
    const decided = story().when(connect)
    expect(names(decided)).toEqual(['spawn agent/demo', 'spawn evictor/demo'])
    decided.then({
      emitted: [{ child: 'agent' }, { child: 'evictor' }, { type: 'cluster.PhaseEntered', phase: 'observing' }],
    })
  })

  test('promote: the controller is spawned and the powers are checked before the evictor may act', () => {
    expect(names(story(connect).when(promote))).toEqual(['spawn controller/demo', 'spawn csr-approver/demo', 'checkPowers'])
    story(connect, promote)
      .when(powers)
      .then({
        effects: [['evictor.SetMode', { type: 'evictor.SetMode', execute: true }]],
        to: { phase: { connected: { automating: 'active' } } },
      })
  })

  test('promote: with a power missing it is degraded, says which, and asks again', () => {
    const missing = done('checkPowers', { missing: [{ actor: 'controller', power: 'evict pods' }] })
    story(connect, promote)
      .when(missing)
      .then({
        to: { phase: { connected: { automating: 'degraded' } } },
        emitted: [{ type: 'cluster.PowerMissing', actor: 'controller', power: 'evict pods' }],
        timers: [60_000],
      })
  })

  test('demote: the evictor stops first, the controller is retired, and observing begins when it has ended', () => {
    const leaving = story(connect, promote, powers, demote)
    story(connect, promote, powers)
      .when(demote)
      .then({
        effects: [
          ['evictor.SetMode', { execute: false }],
          ['controller.Retire', { policy: 'rollback' }],
        ],
      })
    expect(phaseOf(leaving.state.value)).toBe('automating')
    leaving.when(done('controller')).then({
      to: { phase: { connected: 'observing' } },
      emitted: [{ child: 'controller' }, { phase: 'observing' }],
    })
  })

  const abandon = { type: 'cluster.Demote', policy: 'abandon', reason: 'read-only' }

  test('demote: what is abandoned is not given back: the controller is stopped with its actions, and it is told why', () => {
    const decided = story(connect, promote, powers).when(abandon)
    decided.then({
      to: { phase: { connected: 'observing' } },
      emitted: [
        { child: 'controller' },
        { type: 'cluster.ActionsAbandoned', reason: 'read-only' },
        { type: 'cluster.PhaseEntered', phase: 'observing' },
      ],
    })
    expect(names(decided)).toEqual(['evictor.SetMode', 'stop controller/demo', 'stop csr-approver/demo'])
    story(connect, promote, powers, demote)
      .when(abandon)
      .then({ to: { phase: { connected: 'observing' } } })
    story(connect, promote, powers, { type: 'cluster.Disconnect' })
      .when(abandon)
      .then({ to: { phase: 'disconnected' } })
    story(connect).when(abandon).then('refused')
  })

  test('disconnect: out of automating the controller is retired first, and then everything is stopped', () => {
    const leaving = story(connect, promote, powers, { type: 'cluster.Disconnect' })
    expect(leaving.state.value).toMatchObject({ phase: { connected: { automating: 'disconnecting' } } })
    const decided = leaving.when(done('controller'))
    decided.then({ to: { phase: 'disconnected' } })
    expect(names(decided)).toEqual(expect.arrayContaining(['stop agent/demo', 'stop evictor/demo']))
  })

  test('what the phase does not know is refused', () => {
    story().when(promote).then('refused')
    story(connect).when(demote).then('refused')
    story(connect).when({ type: 'cluster.Release' }).then('refused')
  })

  test('security: a scanner that nobody hosts is said and asked for again', () => {
    expect(names(story().when({ type: 'cluster.EnableSecurity' }))).toEqual(['spawn scanner/demo'])
    story({ type: 'cluster.EnableSecurity' })
      .when(failed('scanner', 'NotHosted', 'no process offers to host scanner'))
      .then({
        to: { security: { on: 'unhosted' } },
        emitted: [{ child: 'scanner' }, { type: 'cluster.ChildNotHosted', reason: 'no process offers to host scanner' }],
        timers: [60_000],
      })
  })

  test('brake: the evictor is told to stop, and to go on after it; a promotion under the brake starts nothing', () => {
    const hold = { type: 'cluster.Hold', policy: 'rollback' }
    const release = { type: 'cluster.Release' }
    const mode = (execute: boolean) => ['evictor.SetMode', { type: 'evictor.SetMode', execute }]
    story(connect, promote, powers)
      .when(hold)
      .then({
        effects: [mode(false), ['controller.Pause', {}], ['awaitBrake', {}]],
      })
    story(connect, promote, powers, hold)
      .when(release)
      .then({ effects: [['controller.Resume', {}], mode(true)] })
    story(connect, hold, promote)
      .when(powers)
      .then({ effects: [mode(false)] })
    story(connect, hold)
      .when(promote)
      .then({
        effects: [
          ['spawn controller/demo', { paused: true }],
          ['spawn csr-approver/demo', {}],
          ['checkPowers', {}],
        ],
      })
  })

  test('brake: requested, then held when every process has stopped; released at any time', () => {
    const hold = { type: 'cluster.Hold', policy: 'rollback', reason: 'maintenance' }
    story(connect)
      .when(hold)
      .then({
        emitted: [{ type: 'cluster.BrakeRequested', policy: 'rollback', reason: 'maintenance' }],
        effects: [
          ['evictor.SetMode', { execute: false }],
          ['controller.Pause', {}],
          ['awaitBrake', {}],
        ],
      })
    const invoke = Object.keys(story(connect, hold).state.children).find((name) => name.includes('brake')) ?? ''
    const held = story(connect, hold, done(invoke, { processes: 1, unanswered: 0, inFlight: 0 }))
    expect(brakeOf(held.state.value)).toBe('held')
    held.when({ type: 'cluster.Release' }).then({
      to: { brake: 'released' },
      emitted: [{ type: 'cluster.BrakeReleased' }],
      effects: [['controller.Resume', {}]],
    })
  })

  const set = { type: 'cluster.SwitchSet', policy: 'finish', reason: 'kubectl' }
  const cleared = { type: 'cluster.SwitchCleared' }

  test('switch: the ConfigMap pulls the brake as Hold does, no command lets go, and clearing it does', () => {
    story(connect, promote, powers)
      .when(set)
      .then({
        to: { brake: { finish: 'requested' }, switch: 'on' },
        emitted: [{ type: 'cluster.BrakeRequested', policy: 'finish', reason: 'kubectl', by: 'configmap' }],
        effects: [
          ['evictor.SetMode', { execute: false }],
          ['controller.Pause', { policy: 'finish' }],
          ['awaitBrake', {}],
        ],
      })
    expect(names(story(connect, promote, powers, set).when({ type: 'cluster.Release' }))).toBe('refused')
    story(connect, promote, powers, set)
      .when(cleared)
      .then({ to: { brake: 'released', switch: 'off' }, emitted: [{ type: 'cluster.BrakeReleased' }] })
  })

  test('switch: a brake that a command pulled is let go of by a command', () => {
    const hold = { type: 'cluster.Hold', policy: 'rollback' }
    const both = story(connect, hold, set)
    expect(brakeOf(both.state.value)).toBe('requested')
    expect(names(both.when({ type: 'cluster.Release' }))).toBe('refused')
    expect(brakeOf(story(connect, hold, set, cleared).state.value)).toBe('requested')
    story(connect, hold, set, cleared)
      .when({ type: 'cluster.Release' })
      .then({ to: { brake: 'released' } })
  })
})

describe('licence', () => {
  const automating = { phase: { connected: { automating: 'active' } }, brake: 'released' }
  test.each([
    ['disconnected', { phase: 'disconnected', brake: 'released' }, false, false],
    ['observing', { phase: { connected: 'observing' }, brake: 'released' }, false, false],
    ['automating', automating, true, true],
    ['leaving', { ...automating, phase: { connected: { automating: 'leaving' } } }, false, true],
    ['braked', { ...automating, brake: { rollback: 'requested' } }, false, true],
    ['braked, running actions may finish', { ...automating, brake: { finish: 'held' } }, true, true],
  ])('%s', (_, value, disruptive, restoring) => {
    expect(permits(value, 'disruptive') === undefined).toBe(disruptive)
    expect(permits(value, 'restoring') === undefined).toBe(restoring)
    expect(permits(value, 'internal')).toBeUndefined()
  })

  test('of a process that only observes: neither takes nor gives back, whatever the phase', () => {
    const nothing = permitsNothing('read-only')
    expect(nothing(automating, 'disruptive')).toBe('read-only')
    expect(nothing(automating, 'restoring')).toBe('read-only')
    expect(nothing(automating, 'internal')).toBeUndefined()
  })
})
