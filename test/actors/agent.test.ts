import { test } from 'vitest'
import { born, done, given } from '../../src/runtime/testing/given.ts'
import { shipped } from '../shipped.ts'

type Event = {
  readonly type: string
  readonly resource?: string
  readonly count?: number
  readonly reason?: string
  readonly identity?: unknown
}
const story = (...events: readonly Event[]) => given(shipped('agent'), born({ cluster: 'demo' }), ...events)
const discovered = done('0.agent.discovering', {
  available: ['nodes', 'pods'],
  unavailable: [{ resource: 'daemonsets', reason: 'no power to watch daemonsets' }],
})
const listed = (resource: string, count: number) => ({ type: 'agent.KindListed', resource, count })
const whole = [discovered, listed('nodes', 2), listed('pods', 5)]

test('agent: what it may not read is said by name, the rest is followed', () => {
  story()
    .when(discovered)
    .then({
      to: { following: 'listing' },
      effects: [
        ['reflect', { resources: ['nodes', 'pods'] }],
        ['identify', {}],
      ],
      emitted: [{ type: 'agent.KindUnavailable', resource: 'daemonsets', reason: 'no power to watch daemonsets' }],
    })
})

test('agent: the snapshot is taken when the last kind is listed, and told once', () => {
  story(discovered)
    .when(listed('nodes', 2))
    .then({ to: { following: 'listing' }, emitted: [] })
  story(discovered, listed('nodes', 2))
    .when(listed('pods', 5))
    .then({
      to: { following: 'streaming' },
      emitted: [{ type: 'agent.SnapshotTaken', counts: { nodes: 2 } }],
    })
  story(...whole)
    .when(listed('nodes', 3))
    .then({ to: { following: 'streaming' }, emitted: [] })
})

test('agent: one stalled kind stalls it, and it streams again when all have recovered', () => {
  const stalled = { type: 'agent.KindStalled', resource: 'pods', reason: 'no answer' }
  story(...whole)
    .when(stalled)
    .then({
      to: { following: 'stalled' },
      emitted: [{ type: 'agent.Stalled', resource: 'pods', reason: 'no answer' }],
    })
  story(...whole, stalled)
    .when({ type: 'agent.KindRecovered', resource: 'pods' } as Event)
    .then({
      to: { following: 'streaming' },
      emitted: [{ type: 'agent.Streaming' }],
    })
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
