import { expect, test } from 'vitest'
import { agent } from '../../src/actors/agent.ts'
import { done, given } from '../given.ts'

type Event = { readonly type: string; readonly resource?: string; readonly count?: number; readonly reason?: string }
const story = (...events: readonly Event[]) => given(agent, { cluster: 'demo' }, {}, ...events)
const discovered = done('0.agent.discovering', {
  available: ['nodes', 'pods'],
  unavailable: [{ resource: 'daemonsets', reason: 'no power to watch daemonsets' }],
})
const listed = (resource: string, count: number) => ({ type: 'agent.KindListed', resource, count })
const whole = [discovered, listed('nodes', 2), listed('pods', 5)]

test('agent: what it may not read is said by name, the rest is followed', () => {
  expect(story().when(discovered)).toMatchObject({
    to: { following: 'listing' },
    fx: [['reflect', { resources: ['nodes', 'pods'] }]],
    facts: [{ type: 'agent.KindUnavailable', resource: 'daemonsets', reason: 'no power to watch daemonsets' }],
  })
})

test('agent: the snapshot is taken when the last kind is listed, and told once', () => {
  expect(story(discovered).when(listed('nodes', 2))).toMatchObject({ to: { following: 'listing' }, facts: [] })
  expect(story(discovered, listed('nodes', 2)).when(listed('pods', 5))).toMatchObject({
    to: { following: 'streaming' },
    facts: [{ type: 'agent.SnapshotTaken', counts: { nodes: 2 } }],
  })
  expect(story(...whole).when(listed('nodes', 3))).toMatchObject({ to: { following: 'streaming' }, facts: [] })
})

test('agent: one stalled kind stalls it, and it streams again when all have recovered', () => {
  const stalled = { type: 'agent.KindStalled', resource: 'pods', reason: 'no answer' }
  expect(story(...whole).when(stalled)).toMatchObject({
    to: { following: 'stalled' },
    facts: [{ type: 'agent.Stalled', resource: 'pods', reason: 'no answer' }],
  })
  expect(story(...whole, stalled).when({ type: 'agent.KindRecovered', resource: 'pods' } as Event)).toMatchObject({
    to: { following: 'streaming' },
    facts: [{ type: 'agent.Streaming' }],
  })
})
