import { expect, test } from 'vitest'
import { pathsOf } from '../../../src/runtime/testing/paths.ts'
import { shipped } from '../../shipped.ts'

const pod = { namespace: 'web', name: 'a', uid: 'pa' }
const surroundings = {
  input: { action: 'a1', node: 'n1', pod, deadline: 60_000, force: false },
  events: [{ type: 'eviction.Cancel', reason: 'why' }],
  endings: { evictPod: { errors: ['Gone', 'Blocked'] }, awaitGone: { outputs: ['gone'] } },
}
const self = { type: 'eviction', id: 'one' }
const named = (events: readonly { readonly type: string }[]): string =>
  events.map(({ type }) => type.replace(/^xstate\.(done|error)\.actor\.0\.eviction\.|^xstate\./, '')).join(', ')

test('paths: each accepted event is the last of one path, after the shortest way to its state', () => {
  const paths = pathsOf(shipped('eviction'), self, surroundings)
  expect(paths.map(named)).toContain('evicting, leaving')
  expect(paths.map(named)).toContain('evicting, after.blocked.eviction.blocked')
  const beginnings = paths.flatMap((path) => path.slice(0, -1).map((_, index) => JSON.stringify(path.slice(0, index + 1))))
  for (const path of paths) expect(beginnings).not.toContain(JSON.stringify(path))
})

test('paths: what of the context makes another state is for the test to say', () => {
  const blind = pathsOf(shipped('eviction'), self, surroundings)
  const seeing = pathsOf(shipped('eviction'), self, { ...surroundings, sees: ({ cancelled }) => cancelled === true })
  expect(seeing.length).toBeGreaterThan(blind.length)
})
