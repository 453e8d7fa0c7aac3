import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { followIdentity } from '../../../src/actors/agent/identity.ts'
import { identityFacts } from '../../../src/actors/agent/identity-news.ts'
import type { ClusterIdentity } from '../../../src/events/provider.ts'
import { type ClusterFacts, Unavailable } from '../../../src/ports.ts'

const facts: ClusterFacts = {
  clusterId: 'u-1',
  host: '',
  nodes: [{ name: 'a', labels: {}, providerID: 'aws:///us-west-2b/i-1234567890abcdef0' }],
  allNodes: true,
  unread: [],
}
const settings = { metadata: { never: 'it is a test' } }
const identity: ClusterIdentity = { provider: 'EKS', clusterId: 'u-1', cloud: 'AWS', name: 'shop', gaps: [] }

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const following = (...answers: readonly (ClusterFacts | Error)[]) => {
  const life = new AbortController()
  const reported: unknown[] = []
  let asked = 0
  const cluster = async (): Promise<ClusterFacts> => {
    const answer = answers[Math.min(asked++, answers.length - 1)] ?? facts
    if (answer instanceof Error) throw answer
    return answer
  }
  const reads = { cluster, machine: () => Promise.reject(new Error('no metadata is asked')) }
  const report = async (event: object): Promise<void> => void reported.push(event)
  const ended = followIdentity(reads, settings, { signal: life.signal, report }).catch((error: unknown) => error)
  return { life, reported, ended, asked: () => asked }
}

test('identity: it is reported at once, and again only when it is another', async () => {
  const moved = { ...facts, nodes: [...facts.nodes, { name: 'b', labels: { 'eks.amazonaws.com/nodegroup': 'main' } }] }
  const { reported, life, ended } = following(facts, facts, moved)
  await vi.advanceTimersByTimeAsync(0)
  expect(reported).toMatchObject([{ type: 'agent.IdentityRead', identity: { provider: 'self-managed', region: 'us-west-2' } }])
  await vi.advanceTimersByTimeAsync(300_000)
  expect(reported).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(300_000)
  expect(reported).toMatchObject([{}, { identity: { provider: 'EKS' } }])
  life.abort(new Error('the state is left'))
  expect(await ended).toMatchObject({ message: 'the state is left' })
  expect(vi.getTimerCount()).toBe(0)
})

test('identity: while the API does not answer nothing is reported, and it is asked again sooner', async () => {
  const { reported, asked } = following(new Unavailable('no answer'), new Unavailable('no answer'), facts)
  await vi.advanceTimersByTimeAsync(30_000)
  expect([asked(), reported.length]).toEqual([2, 0])
  await vi.advanceTimersByTimeAsync(30_000)
  expect([asked(), reported.length]).toEqual([3, 1])
})

test('identity: what is none of the world’s failures ends it', async () => {
  const { ended } = following(new TypeError('we are broken'))
  expect(await ended).toMatchObject({ message: 'we are broken' })
})

test('identity: others hear of another identity, not of another gap, nor of another order', () => {
  const told = { type: 'agent.ClusterIdentified', ...identity }
  expect(identityFacts(undefined, identity)).toEqual([told])
  expect(identityFacts(identity, { ...identity, gaps: ['account: nothing tells it'] })).toEqual([])
  expect(identityFacts({ gaps: [], name: 'shop', cloud: 'AWS', clusterId: 'u-1', provider: 'EKS' }, identity)).toEqual([])
  expect(identityFacts(identity, { ...identity, name: 'other' })).toEqual([{ ...told, name: 'other' }])
  const undecided: ClusterIdentity = { provider: 'undecided', clusterId: 'u-1', reason: 'a says EKS, b says GKE' }
  expect(identityFacts(identity, undecided)).toEqual([
    { type: 'agent.ClusterUndecided', clusterId: 'u-1', reason: 'a says EKS, b says GKE' },
  ])
  expect(identityFacts(undecided, undecided)).toEqual([])
})
