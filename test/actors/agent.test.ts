import { expect, test } from 'vitest'
import { agentMigrations } from '../../src/actors/agent.ts'
import type { KindNews } from '../../src/events/agent.ts'
import { hydrate } from '../../src/runtime/persist.ts'
import { born, done, given } from '../../src/runtime/testing/given.ts'
import type { Commit } from '../../src/runtime/types.ts'
import { recording } from '../corpus/read.ts'
import { shipped } from '../shipped.ts'

type Event = Parameters<typeof given>[1]
const story = (...events: readonly Event[]) => given(shipped('agent'), born({ cluster: 'demo' }), ...events)

const forbidden = { why: 'forbidden', reason: 'no power to watch daemonsets.apps' }
const absent = (name: string) => ({ why: 'absent', reason: `the API serves no ${name}` })
const discovered = done('0.agent.discovering', {
  served: { nodes: 'v1', pods: 'v1' },
  unavailable: {
    'daemonsets.apps': forbidden,
    'rollouts.argoproj.io': absent('rollouts'),
    'scaledobjects.keda.sh': absent('so'),
  },
})
const changed = (kinds: Readonly<Record<string, KindNews>>) => ({ type: 'agent.KindsChanged', kinds })
const streaming = (count: number): KindNews => ({ state: 'streaming', version: 'v1', count })
const stalled = (reason: string): KindNews => ({ state: 'stalled', version: 'v1', reason })
const whole = [discovered, changed({ nodes: streaming(2), pods: streaming(5) })]

test('agent: what it may not read is said by name, what is not installed in one word, the rest is followed', () => {
  story()
    .when(discovered)
    .then({
      to: { following: 'listing' },
      effects: [
        ['reflect', { served: { nodes: 'v1', pods: 'v1' }, unavailable: { 'daemonsets.apps': forbidden }, relist: false }],
        ['identify', {}],
      ],
      emitted: [
        { type: 'agent.KindsAbsent', resources: ['rollouts.argoproj.io', 'scaledobjects.keda.sh'] },
        { type: 'agent.KindUnavailable', resource: 'daemonsets.apps', ...forbidden },
      ],
    })
})

test('agent: the snapshot is taken when the last kind is listed, and told once', () => {
  story(discovered)
    .when(changed({ nodes: streaming(2) }))
    .then({ to: { following: 'listing' }, emitted: [] })
  story(discovered, changed({ nodes: streaming(2) }))
    .when(changed({ pods: streaming(5) }))
    .then({ to: { following: 'streaming' }, emitted: [{ type: 'agent.SnapshotTaken', counts: { nodes: 2, pods: 5 } }] })
  story(...whole)
    .when(changed({ nodes: streaming(3) }))
    .then({ to: { following: 'streaming' }, emitted: [] })
})

test('agent: one stalled kind stalls it, and it streams again when all have recovered', () => {
  story(...whole)
    .when(changed({ pods: stalled('no answer') }))
    .then({ to: { following: 'stalled' }, emitted: [{ type: 'agent.Stalled', resource: 'pods', reason: 'no answer' }] })
  story(...whole, changed({ pods: stalled('no answer') }))
    .when(changed({ pods: streaming(5) }))
    .then({ to: { following: 'streaming' }, emitted: [{ type: 'agent.Streaming' }] })
})

test('agent: kinds that stall together are one fact, and none is told twice', () => {
  const both = changed({ nodes: stalled('refused'), pods: stalled('refused') })
  const fact = { type: 'agent.Stalled', resource: 'nodes', reason: 'refused', others: ['pods'] }
  story(...whole)
    .when(both)
    .then({ to: { following: 'stalled' }, emitted: [fact] })
  story(...whole, both)
    .when(changed({ pods: stalled('still refused') }))
    .then({ to: { following: 'stalled' }, emitted: [] })
})

test('agent: a kind that goes is a fact and no stall, and so is its return', () => {
  const gone: KindNews = { state: 'unavailable', why: 'absent', reason: 'the API serves no pods' }
  story(...whole)
    .when(changed({ pods: gone }))
    .then({
      to: { following: 'streaming' },
      effects: [],
      emitted: [{ type: 'agent.KindUnavailable', resource: 'pods', why: 'absent', reason: 'the API serves no pods' }],
    })
  story(...whole, changed({ pods: gone }))
    .when(changed({ pods: streaming(7) }))
    .then({ to: { following: 'streaming' }, emitted: [{ type: 'agent.KindListed', resource: 'pods', count: 7 }] })
})

test('agent: a stalled kind that turns out to be forbidden does not hold it up', () => {
  const refused: KindNews = { state: 'unavailable', why: 'forbidden', reason: 'no power to list pods' }
  story(...whole, changed({ pods: stalled('403') }))
    .when(changed({ pods: refused }))
    .then({
      to: { following: 'streaming' },
      emitted: [
        { type: 'agent.KindUnavailable', resource: 'pods', why: 'forbidden', reason: 'no power to list pods' },
        { type: 'agent.Streaming' },
      ],
    })
})

test('agent: nothing is a snapshot while nothing at all can be read', () => {
  story()
    .when(done('0.agent.discovering', { served: {}, unavailable: { pods: forbidden } }))
    .then({ to: { following: 'listing' } })
})

test('agent: a resync lists every kind anew, tells no absence again, and the snapshot once more', () => {
  const again = [...whole, { type: 'agent.Resync' }]
  story(...again)
    .when(discovered)
    .then({
      to: { following: 'listing' },
      effects: [
        ['reflect', { relist: true }],
        ['identify', {}],
      ],
      emitted: [],
    })
  story(...again, discovered)
    .when(changed({ nodes: streaming(2), pods: streaming(6) }))
    .then({ to: { following: 'streaming' }, emitted: [{ type: 'agent.SnapshotTaken', counts: { nodes: 2, pods: 6 } }] })
})

test('agent: the state of the release before goes on, its kinds by their full names', () => {
  const { actors } = recording('cluster-v1.jsonl')
  const commits = actors.find(({ actor }) => actor.type === 'agent')?.commits ?? []
  const before = given({ ...shipped('agent'), version: 1 }, ...(commits as readonly Commit[])).state
  const migrate = agentMigrations[1]
  const state = migrate?.({ status: 'active', value: before.value, context: before.context, children: {} })
  expect(state?.context).toMatchObject({
    cluster: 'demo',
    snapshotTaken: true,
    kinds: { nodes: { state: 'streaming', version: 'v1', count: 17 }, 'poddisruptionbudgets.policy': { state: 'streaming' } },
  })
  if (state) expect(hydrate(shipped('agent').machine, state).value).toEqual(before.value)
})

test('agent: whose cluster it is is told once, and when it is another’s; gaps alone are no news', () => {
  const identity = { provider: 'EKS', clusterId: 'u-1', cloud: 'AWS', region: 'us-west-2', gaps: ['name: nothing tells it'] }
  const read = (now: object) => ({ type: 'agent.IdentityRead', identity: now })
  story(discovered)
    .when(read(identity))
    .then({ to: { following: 'listing' }, emitted: [{ type: 'agent.ClusterIdentified', ...identity }] })
  story(...whole, read(identity))
    .when(read({ ...identity, gaps: [] }))
    .then({ to: { following: 'streaming' }, emitted: [] })
  const reason = 'one says EKS, the other GKE'
  story(...whole, read(identity))
    .when(read({ provider: 'undecided', clusterId: 'u-1', reason }))
    .then({ to: { following: 'streaming' }, emitted: [{ type: 'agent.ClusterUndecided', clusterId: 'u-1', reason }] })
})
