import { expect, test } from 'vitest'
import { controller } from '../../src/actors/controller.ts'
import { done, given } from '../given.ts'

const children = { drainNode: { type: 'drain-node', id: 'ref' }, deleteNode: { type: 'delete-node', id: 'ref' } } as const
const story = (...events: readonly { readonly type: string }[]) =>
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

test('controller: retired, it rolls back what runs and ends after the last', () => {
  const retire = { type: 'controller.Retire', policy: 'rollback' }
  expect(story().when(retire)).toMatchObject({ to: 'ended' })
  expect(story(drain).when(retire)).toMatchObject({ to: 'retiring', fx: [['drain-node.Cancel', {}]] })
  expect(story(drain, retire).when(drain)).toBe('refused')
  expect(story(drain, retire).when(done('a1', { outcome: 'failed' }))).toMatchObject({ to: 'ended' })
})
