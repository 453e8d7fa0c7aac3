import { expect, test } from 'vitest'
import type { Verb } from '../../../src/events/verbs.ts'
import { verbs } from '../../../src/events/verbs.ts'
import { born, done, failed, given } from '../../../src/runtime/testing/given.ts'
import { shipped } from '../../shipped.ts'

const AT = 1_700_000_000_000
/** An action that has just been admitted. */
const story = (verb: Verb, order: object, ...events: readonly { readonly type: string }[]) => {
  const { actor, order: schema } = verbs[verb]
  return given(shipped(actor), born({ order: schema.parse({ id: 'a1', ...order }) }, AT), ...events)
}
const node = { nodeName: 'n1', nodeUid: 'u1' }
const found = { name: 'n1', uid: 'u1', providerId: '', nodeIds: [] }
const other = { ...found, uid: 'u2' }
const object = { group: 'apps', version: 'v1', resource: 'deployments', namespace: 'web', name: 'shop' }

test('PatchNode: reads the node, changes it by its UID, and says how it is taken back', () => {
  const undo = { labels: { '-a': '' }, annotations: {}, taints: [] }
  const patching = story('PatchNode', { ...node, labels: { a: '1' } }, done('reading', { found, before: undo }))
  story('PatchNode', { ...node, labels: { a: '1' } })
    .when(done('reading', { found, before: undo }))
    .then({ to: { working: 'patching' }, effects: [['patchNode', { name: 'n1', uid: 'u1', changes: { labels: { a: '1' } } }]] })
  patching.when(done('patching', {})).then({
    to: 'ended',
    emitted: [{ type: 'controller.StepDone', action: 'a1', verb: 'PatchNode', node: 'n1', step: 'patching', outcome: 'done' }],
    output: { told: { type: 'controller.ActionDone', action: 'a1', node: 'n1', alreadyGone: false, result: { undo } } },
  })
})

test('PatchNode: extended resources go to the status, and a refusal of that is not called a success', () => {
  const capacity = { 'example.com/gpu': '2' }
  const after = story('PatchNode', { ...node, capacity }, done('reading', { found }), done('patching', {}))
  expect(after.state.value).toEqual({ working: 'patchingCapacity' })
  after.when(failed('patchingCapacity', 'Refused', 'give our service account the verb patch')).then({
    to: 'ended',
    emitted: [{ type: 'controller.StepDone', step: 'patchingCapacity', outcome: 'failed', error: 'Refused' }],
    output: {
      told: { type: 'controller.ActionFailed', step: 'patchingCapacity', reason: 'give our service account the verb patch' },
    },
  })
})

test.each([
  ['PatchNode', { ...node }, { found: null }],
  ['PatchNode', { ...node }, { found: other }],
  ['CheckNodeDeleted', { ...node }, { found: null }],
  ['CheckNodeDeleted', { ...node }, { found: other }],
  ['Delete', { object }, {}],
  ['DisconnectCluster', {}, {}],
] as const)('%s: what is meant is gone already: a success, and nothing is done (%j)', (verb, order, answer) => {
  story(verb, order)
    .when(done('reading', answer))
    .then({
      to: 'ended',
      effects: [],
      emitted: [{ type: 'controller.StepDone' }],
      output: { told: { type: 'controller.ActionDone', alreadyGone: true } },
    })
})

test('CheckNodeDeleted: a node that is still there is a failure, which names it', () => {
  story('CheckNodeDeleted', node)
    .when(done('reading', { found }))
    .then({
      to: 'ended',
      emitted: [{ type: 'controller.StepDone' }],
      output: { told: { type: 'controller.ActionFailed', error: 'StillThere', reason: 'node n1 (uid u1) is still there' } },
    })
})

test('a chain: what the world does not answer is asked again until the time is over; what it refuses is not', () => {
  const begun = () => story('CheckNodeDeleted', node)
  const unanswered = failed('reading', 'Unavailable', 'no answer', AT + 1_000)
  begun()
    .when(unanswered)
    .then({ to: 'waiting', timers: [AT + 3_000], emitted: [] })
  const again = story('CheckNodeDeleted', node, unanswered)
  again
    .when({ type: 'xstate.after.retry.waiting', at: AT + 3_000 })
    .then({ to: { working: 'reading' }, effects: [['readNode', { name: 'n1' }]] })
  begun()
    .when(failed('reading', 'Unavailable', 'no answer', AT + 300_000))
    .then({
      to: 'ended',
      emitted: [{ outcome: 'failed' }],
      output: { told: { type: 'controller.ActionFailed', error: 'Unavailable' } },
    })
  begun()
    .when(failed('reading', 'Refused', 'no', AT))
    .then({
      to: 'ended',
      emitted: [{ outcome: 'failed', error: 'Refused' }],
      output: { told: { type: 'controller.ActionFailed' } },
    })
})

test('a chain: a licence that lapsed for a moment ends nothing', () => {
  story('CheckNodeDeleted', node)
    .when(failed('reading', 'Held', 'no licence', AT))
    .then({ to: 'waiting', emitted: [] })
})

test('a chain: the step that waited is the one that is tried again', () => {
  const later = story('Delete', { object }, done('reading', { uid: 'u1' }), failed('deleting', 'Unavailable', 'no answer', AT))
  later
    .when({ type: 'xstate.after.retry.waiting', at: AT + 2_000 })
    .then({ to: { working: 'deleting' }, effects: [['deleteObject', { object, uid: 'u1' }]] })
})

test('a chain: cancelled, it hears the request that was sent to its end, and asks for nothing more', () => {
  const cancel = { type: 'delete-object.Cancel', reason: 'the brake is on' }
  const cancelled = story('Delete', { object }, cancel)
  cancelled.when(done('reading', { uid: 'u1' })).then({
    to: 'ended',
    effects: [],
    emitted: [{ outcome: 'done' }],
    output: { told: { type: 'controller.ActionFailed', error: 'Cancelled', reason: 'the brake is on' } },
  })
  // The deletion that was sent took place: that is what is said.
  story('Delete', { object }, done('reading', { uid: 'u1' }), cancel)
    .when(done('deleting', {}))
    .then({ to: 'ended', emitted: [{ outcome: 'done' }], output: { told: { type: 'controller.ActionDone' } } })
  story('Delete', { object }, failed('reading', 'Unavailable', 'no', AT))
    .when(cancel)
    .then({ to: 'ended', output: { told: { type: 'controller.ActionFailed', error: 'Cancelled' } } })
})

test('Patch: an object that is not there is a failure, one that this action has patched is done', () => {
  const order = { object, patchType: 'json', patch: [{ op: 'add', path: '/spec/replicas', value: 2 }] }
  story('Patch', order)
    .when(done('reading', {}))
    .then({
      emitted: [{}],
      output: { told: { type: 'controller.ActionFailed', error: 'NotFound', reason: 'there is no deployments.apps/web/shop' } },
    })
  story('Patch', order)
    .when(done('reading', { uid: 'u1', resourceVersion: '7', patchedBy: 'a1', hasAnnotations: true }))
    .then({ to: 'ended', effects: [], emitted: [{}], output: { told: { type: 'controller.ActionDone' } } })
  story('Patch', order)
    .when(done('reading', { uid: 'u1', resourceVersion: '7', patchedBy: '', hasAnnotations: false }))
    .then({ effects: [['patchObject', { action: 'a1', patch: order.patch, found: { resourceVersion: '7' } }]] })
})

test('Create: one that exists gets what differs', () => {
  const order = { ...object, object: { metadata: { name: 'shop', namespace: 'web' }, spec: { replicas: 2 } } }
  const { namespace: _, name: __, ...create } = order
  story('Create', create)
    .when(done('creating', { uid: 'u1', how: 'created' }))
    .then({
      to: 'ended',
      emitted: [{}],
      output: { told: { type: 'controller.ActionDone', result: { uid: 'u1', how: 'created' } } },
    })
  story('Create', create)
    .when(done('creating', { how: 'exists' }))
    .then({ to: { working: 'merging' }, effects: [['mergeObject', { object, manifest: order.object }]] })
})

test('CheckNodeStatus: waits in one effect; when the time is over it looks once more and says what there is instead', () => {
  const order = { ...node, nodeStatus: 'READY', waitTimeoutSeconds: 60 }
  const expiry = { type: 'xstate.after.expired.check-node-status.awaiting', at: AT + 60_000 }
  story('CheckNodeStatus', order)
    .when(done('0.check-node-status.awaiting', { reached: true, seen: 'it is ready' }))
    .then({ to: 'ended', output: { told: { type: 'controller.ActionDone', result: { nodeStatus: 'READY' } } } })
  story('CheckNodeStatus', order)
    .when(expiry)
    .then({ to: 'judging', effects: [['readStatus', { nodeName: 'n1' }]] })
  story('CheckNodeStatus', order, expiry)
    .when(done('0.check-node-status.judging', { reached: false, seen: 'its condition Ready is False' }))
    .then({
      output: {
        told: {
          type: 'controller.ActionFailed',
          error: 'Expired',
          reason: 'node n1 was not READY within 60 s: its condition Ready is False',
        },
      },
    })
})

test('EvictPod: evicts the pod of that name by its UID, with the deadline counted from the order', () => {
  const order = { namespace: 'web', podName: 'shop-0', timeoutSeconds: 60, createdAt: AT - 20_000 }
  const pod = { namespace: 'web', name: 'shop-0', uid: 'p1', node: 'n1' }
  const evicting = story('EvictPod', order, done('0.evict-pod.reading', pod))
  story('EvictPod', order)
    .when(done('0.evict-pod.reading', pod))
    .then({
      to: 'evicting',
      effects: [['spawn eviction/a1.p1', { action: 'a1', node: 'n1', pod: { uid: 'p1' }, deadline: AT + 40_000, force: false }]],
    })
  evicting.when(done('a1.p1', { uid: 'p1', outcome: 'evicted' })).then({
    to: 'ended',
    output: { told: { type: 'controller.ActionDone', pod: 'web/shop-0', node: 'n1', result: { uid: 'p1' } } },
  })
  evicting
    .when(done('a1.p1', { uid: 'p1', outcome: 'failed', reason: 'the budget web needs 2' }))
    .then({ output: { told: { type: 'controller.ActionFailed', step: 'evicting', reason: 'the budget web needs 2' } } })
  evicting
    .when({ type: 'evict-pod.Cancel', reason: 'the brake is on' })
    .then({ to: 'evicting', effects: [['eviction.Cancel', { reason: 'the brake is on' }]] })
})

test('EvictPod: a pod that is not there, or another of its name, is gone already', () => {
  const order = { namespace: 'web', podName: 'shop-0', podUid: 'p1' }
  for (const answer of [null, { namespace: 'web', name: 'shop-0', uid: 'p2', node: 'n1' }])
    story('EvictPod', order)
      .when(done('0.evict-pod.reading', answer))
      .then({ to: 'ended', output: { told: { type: 'controller.ActionDone', alreadyGone: true } } })
})

test.each([
  ['PatchNode', { labels: { 'not a key': 'x' } }],
  ['PatchNode', { taints: [{ key: 'a', effect: 'Sometimes' }] }],
  ['CheckNodeStatus', { nodeStatus: 'MAYBE' }],
  ['EvictPod', { namespace: '../x', podName: 'a' }],
  ['Patch', { object: { ...object, resource: 'pods/exec' }, patchType: 'merge', patch: {} }],
  ['Patch', { object, patchType: 'json', patch: {} }],
  ['Patch', { object: { group: '', version: 'v1', resource: 'secrets', name: 'a' }, patchType: 'merge', patch: {} }],
  ['Create', { group: '', version: 'v1', resource: 'secrets', object: { metadata: { name: 'a' } } }],
] as const)('%s: an order that makes no sense is not taken: %j', (verb, order) => {
  const parsed = verbs[verb].order.safeParse({ id: 'a1', nodeName: 'n1', ...order })
  expect(parsed.success).toBe(false)
})
