import { expect, test } from 'vitest'
import { born, done, failed, given } from '../../../src/runtime/testing/given.ts'
import type { Commit } from '../../../src/runtime/types.ts'
import { shipped } from '../../shipped.ts'

const pod = { namespace: 'web', name: 'a', uid: 'pa' }
const birth = born({ action: 'a1', node: 'n1', pod, deadline: 60_000, force: false })
const eviction = (...events: readonly ReturnType<typeof born>[]) => given(shipped('eviction'), birth, ...events)
const blocked = failed('0.eviction.evicting', 'Blocked', 'budget', 10)

test('given: what is named in then is compared, in objects likewise', () => {
  eviction()
    .when(blocked)
    .then({ to: 'blocked', timers: [2_010], emitted: [] })
  eviction().when(blocked).then({})
})

test.each([
  ['another state', { to: 'leaving' }],
  ['a timer too few', { timers: [] }],
  ['an effect too many', { effects: [['evictPod', pod]] }],
  ['a refusal', 'refused'],
] as const)('given: %s than was decided fails, and says what was', (_, expected) => {
  const decided = { to: 'blocked', effects: [], timers: [2_010], emitted: [] }
  const compare = (): void => eviction().when(blocked).then(expected)
  expect(compare).toThrow(expect.objectContaining({ name: 'AssertionError', actual: decided, expected }))
})

test('given: an event that is not accepted is refused; in the history it is an error', () => {
  eviction().when(done('0.eviction.leaving', 'gone')).then('refused')
  expect(() => eviction(done('0.eviction.leaving', 'gone'))).toThrow(/xstate\.done\.actor\.0\.eviction\.leaving is not accepted/)
})

test('given: who waits for a comparison is told that it is none to wait for', async () => {
  const comparison: unknown = eviction().when(blocked)
  await expect(Promise.resolve(comparison)).rejects.toThrow(/no promise/)
})

test('given: a history may be commits, which are folded, and then events', () => {
  const common = { f: 1 as const, mv: 1, sv: 1, own: 'a.b', corr: 'c', fx: [], done: [], tdel: [], tset: [], em: [] }
  const context = { action: 'a1', node: 'n1', pod, deadline: 60_000, force: false, outcome: 'failed', since: 0 }
  const state = { status: 'active', value: 'evicting', context, children: { '0.eviction.evicting': 'evictPod' } }
  const first: Commit = {
    ...common,
    n: 1,
    nonce: '1',
    ts: 1,
    cmd: 'x',
    ev: { type: 'xstate.init' },
    to: 'evicting',
    p: { set: [[[], state]] },
  }
  const second: Commit = {
    ...common,
    n: 2,
    nonce: '2',
    ts: 2,
    cmd: 'y',
    ev: { type: 'eviction.Cancel' },
    to: 'evicting',
    p: { set: [[['context', 'cancelled'], true]] },
  }
  given(shipped('eviction'), first).when(done('0.eviction.evicting')).then({ to: 'leaving' })
  given(shipped('eviction'), first, second).when(done('0.eviction.evicting')).then({ to: 'ended' })
  given(shipped('eviction'), first, blocked).when({ type: 'eviction.Cancel', reason: 'why' }).then({ to: 'looking' })
})
