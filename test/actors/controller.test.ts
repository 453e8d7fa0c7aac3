import { expect, test } from 'vitest'
import { controller } from '../../src/actors/controller.ts'
import { done, given } from '../given.ts'

const children = {
  uncordonNode: { type: 'uncordon-node', id: 'ref' },
  drainNode: { type: 'drain-node', id: 'ref' },
  deleteNode: { type: 'delete-node', id: 'ref' },
} as const
const story = (...events: readonly { readonly type: string; readonly policy?: string }[]) =>
  given(controller, { cluster: 'demo', paused: false }, children, ...events)
const drain = {
  type: 'controller.DrainNode',
  id: 'a1',
  nodeName: 'n1',
  drainTimeoutSeconds: 60,
  force: false,
  requester: 'evictor/demo',
}

test('controller: an admitted action gets an actor of its own, named by its id', () => {
  expect(story().when(drain)).toMatchObject({
    fx: [['spawn drain-node/a1', { order: { id: 'a1', nodeName: 'n1', drainTimeoutSeconds: 60, force: false } }]],
    facts: [{ type: 'controller.ActionAccepted', action: 'a1', verb: 'DrainNode', node: 'n1' }],
  })
})

test('controller: whoever asked hears how it ended, and the child is forgotten', () => {
  const decided = story(drain).when(done('a1', { outcome: 'done', evicted: 3 }))
  expect(decided).toMatchObject({
    fx: [
      ['stop drain-node/a1', undefined],
      ['evictor.ActionEnded', { action: 'a1', verb: 'DrainNode', nodeName: 'n1', outcome: 'done', evicted: 3 }],
    ],
  })
})

test('controller: two actions on one node are not admitted', () => {
  expect(story(drain).when({ ...drain, id: 'a2' })).toMatchObject({
    facts: [{ type: 'controller.ActionRefused', reason: 'action a1 (DrainNode) is at work on this node' }],
    fx: [['evictor.ActionEnded', { action: 'a2', outcome: 'refused' }]],
  })
})

test('controller: under the brake nothing is admitted, and running actions are rolled back or go on by policy', () => {
  const pause = (policy: string) => ({ type: 'controller.Pause', policy })
  expect(story(drain).when(pause('rollback'))).toMatchObject({ fx: [['drain-node.Cancel', { reason: 'the brake is on' }]] })
  expect(story(drain).when(pause('finish'))).toMatchObject({ fx: [] })
  expect(story(pause('finish')).when(drain)).toMatchObject({
    facts: [{ type: 'controller.ActionRefused', reason: 'the brake is on' }],
  })
  expect(story(pause('finish'), { type: 'controller.Resume' }).when(drain)).toMatchObject({
    facts: [{ type: 'controller.ActionAccepted' }],
  })
})

test('controller: retired, it rolls back what runs, still gives back, and ends when nobody asks any more', () => {
  const retire = { type: 'controller.Retire', policy: 'rollback' }
  const uncordon = { type: 'controller.UncordonNode', id: 'u1', nodeName: 'n2', action: 'a0' }
  expect(story().when(retire)).toMatchObject({ to: { retiring: 'lingering' }, timers: [2_000] })
  expect(story(drain).when(retire)).toMatchObject({ to: { retiring: 'waiting' }, fx: [['drain-node.Cancel', {}]] })
  expect(story(drain, retire).when({ ...drain, id: 'a2', nodeName: 'n3' })).toMatchObject({
    facts: [{ type: 'controller.ActionRefused', reason: 'the cluster leaves the phase automating' }],
  })
  expect(story(drain, retire).when(done('a1', { outcome: 'failed' }))).toMatchObject({ to: { retiring: 'lingering' } })
  expect(story(retire).when(uncordon)).toMatchObject({ to: { retiring: 'waiting' }, fx: [['spawn uncordon-node/u1', {}]] })
})

test('controller: the brake does not hold back what gives something back', () => {
  const uncordon = { type: 'controller.UncordonNode', id: 'u1', nodeName: 'n2', action: 'a0' }
  const pause = { type: 'controller.Pause', policy: 'rollback' }
  expect(story(pause).when(uncordon)).toMatchObject({
    fx: [['spawn uncordon-node/u1', {}]],
  })
  expect(story(uncordon).when(pause)).toMatchObject({ fx: [] })
})
