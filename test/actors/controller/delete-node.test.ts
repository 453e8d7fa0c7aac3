import { expect, test } from 'vitest'
import { born, done, failed, given } from '../../../src/runtime/testing/given.ts'
import { shipped } from '../../shipped.ts'

type Event = ReturnType<typeof done>
const node = { name: 'n1', uid: 'u1', providerId: 'p1', unschedulable: true }
const pods = [
  { namespace: 'web', name: 'a', uid: 'pa' },
  { namespace: 'web', name: 'b', uid: 'pb' },
]
const attachment = { name: 'va', uid: 'v1', volume: 'pv', isBeingDeleted: false }
const deletion = (...events: readonly Event[]) =>
  given(shipped('delete-node'), born({ order: { id: 'd1', nodeName: 'n1', nodeUid: 'u1' } }), ...events)
const ref = (state: string): string => `0.delete-node.${state}`
const cancel = { type: 'delete-node.Cancel', reason: 'the brake is on', at: 0 } as never
const reading = done(ref('reading'), node)
const owned = (owner: object) => done(ref('choosing'), owner)
const alone = owned({ by: 'node-object' })
const claim = { by: 'karpenter', nodeClaim: 'c1', uid: 'cu', version: 'v1' }
const machine = {
  by: 'cluster-api',
  version: 'v1beta1',
  namespace: 'ns',
  machine: 'm1',
  uid: 'mu',
  group: { resource: 'machinesets', name: 's', uid: 'su' },
}
const request = (owner: object) => ({ owner, node: { name: 'n1', uid: 'u1' }, action: 'd1' })

test('deletion: of a Node object alone: by UID, then what was bound to it; nobody confirms that the machine is gone', () => {
  deletion()
    .when(reading)
    .then({ effects: [['findOwner', { name: 'n1', uid: 'u1' }]] })
  deletion(reading)
    .when(alone)
    .then({ effects: [['deleteNode', { name: 'n1', uid: 'u1' }]] })
  for (const ended of [done(ref('deleting')), failed(ref('deleting'), 'Gone')])
    deletion(reading, alone)
      .when(ended)
      .then({
        effects: [['listBound', { name: 'n1' }]],
        emitted: [{ type: 'controller.NodeRemoved', node: 'n1', by: 'node-object' }],
      })
  const clearing = deletion(reading, alone, done(ref('deleting')), done(ref('listing'), pods))
  expect(clearing.state.value).toBe('clearing')
  clearing.when(done(ref('clearing'))).then({ to: 'clearing', effects: [['deletePod', pods[1]]] })
  const cleared = deletion(reading, alone, done(ref('deleting')), done(ref('listing'), []))
  cleared
    .when(done(ref('detaching'), []))
    .then({ to: 'ended', output: { told: { type: 'controller.ActionDone', alreadyGone: false } } })
  cleared.when(done(ref('detaching'), [attachment])).then({ effects: [['deleteAttachment', attachment]] })
})

test('deletion: of a node that is gone already the rest is still done; of another node of its name nothing is touched', () => {
  deletion()
    .when(done(ref('reading'), null))
    .then({ to: 'listing', effects: [['listBound', { name: 'n1' }]] })
  deletion(done(ref('reading'), null), done(ref('listing'), []))
    .when(done(ref('detaching'), []))
    .then({ to: 'ended', output: { told: { type: 'controller.ActionDone', alreadyGone: true } } })
  deletion()
    .when(done(ref('reading'), { ...node, uid: 'u2' }))
    .then({ to: 'ended', effects: [], output: { told: { alreadyGone: true } } })
})

test.each([
  claim,
  { by: 'aws-auto-scaling', region: 'eu-central-1', group: 'g', instance: 'i-0123456789' },
  { by: 'gcp-instance-group', project: 'p', zone: 'z', instance: 'n', id: '1', group: 'zones/z/instanceGroupManagers/g' },
  { by: 'aks-agent-pool', cluster: '/subscriptions/s', pool: 'p', machine: 'n1' },
  { by: 'webhook', providerId: 'p1' },
])('deletion: the owner is made smaller first, and saved is what its machine is confirmed to be gone of: $by', (owner) => {
  deletion(reading)
    .when(owned(owner))
    .then({ to: 'shrinking', effects: [['shrink', request(owner)]] })
  deletion(reading, owned(owner))
    .when(done(ref('shrinking')))
    .then({ to: 'removing', effects: [['awaitRemoved', request(owner)]], timers: [900_000] })
  deletion(reading, owned(owner), done(ref('shrinking')))
    .when(done(ref('removing'), 'whose machine it was'))
    .then({
      to: 'forgetting',
      emitted: [{ type: 'controller.NodeRemoved', by: owner.by, confirmedBy: 'whose machine it was' }],
    })
})

test('deletion: a Machine of Cluster API is marked, its group made smaller, and what was written down taken away', () => {
  deletion(reading)
    .when(owned(machine))
    .then({ effects: [['mark', request(machine)]] })
  deletion(reading, owned(machine))
    .when(done(ref('marking')))
    .then({ effects: [['shrink', request(machine)]] })
  const shrunk = [reading, owned(machine), done(ref('marking')), done(ref('shrinking'))]
  deletion(...shrunk)
    .when(done(ref('removing'), 'Cluster API'))
    .then({ to: 'tidying', effects: [['tidy', request(machine)]] })
  deletion(...shrunk.slice(0, 3))
    .when(failed(ref('shrinking'), 'Refused', 'at its minimum'))
    .then({ to: 'unmarking', effects: [['unmark', request(machine)]] })
  deletion(...shrunk.slice(0, 3), failed(ref('shrinking'), 'Refused', 'at its minimum'))
    .when(done(ref('unmarking')))
    .then({ to: 'ended', output: { told: { type: 'controller.ActionFailed', reason: 'at its minimum' } } })
})

test('deletion: a node is left to the cluster-autoscaler, and not for ever', () => {
  const left = owned({ by: 'cluster-autoscaler' })
  deletion(reading)
    .when(left)
    .then({ to: 'removing', effects: [['awaitRemoved', request({ by: 'cluster-autoscaler' })]] })
  deletion(reading, left)
    .when({ type: 'xstate.after.removal.delete-node.removing', at: 900_000 })
    .then({ to: 'ended', output: { told: { reason: 'cluster-autoscaler has not removed it within 15 minutes' } } })
  deletion(reading, left).when(cancel).then({ to: 'ended' })
})

test('deletion: what nothing owns is not deleted', () => {
  deletion(reading)
    .when(failed(ref('choosing'), 'Refused', 'nothing owns it'))
    .then({ to: 'ended', effects: [], output: { told: { type: 'controller.ActionFailed', reason: 'nothing owns it' } } })
})

test('deletion: can be cancelled only before it began', () => {
  deletion(reading).when(cancel).then({ to: 'ended' })
  deletion(reading, owned(machine)).when(cancel).then({ to: 'unmarking' })
  deletion(reading, owned(claim), done(ref('shrinking')))
    .when(cancel)
    .then('refused')
  deletion(reading, alone, done(ref('deleting')))
    .when(cancel)
    .then('refused')
})

test('deletion: pods that do not end are named after five minutes', () => {
  const rounds = Array.from({ length: 59 }, () => [
    done(ref('listing'), pods.slice(0, 1)),
    done(ref('clearing')),
    { type: 'xstate.after.retry.delete-node.listingSoon', at: 0 } as Event,
  ]).flat()
  deletion(reading, alone, done(ref('deleting')), ...rounds)
    .when(done(ref('listing'), pods))
    .then({ to: 'ended', output: { told: { type: 'controller.ActionFailed' } } })
})

test('deletion: cancelled while its owner is asked, it hears the answer; held back before it was sent, nothing was asked', () => {
  const shrinking = deletion(reading, owned(claim), cancel)
  expect(shrinking.state.value).toBe('shrinking')
  shrinking.when(done(ref('shrinking'))).then({ to: 'removing' })
  shrinking
    .when(failed(ref('shrinking'), 'Held', 'the phase is left'))
    .then({ to: 'ended', output: { told: { type: 'controller.ActionFailed', reason: 'the brake is on' } } })
  const unknown = 'the brake is on; its owner did not answer, and may remove it all the same'
  shrinking.when(failed(ref('shrinking'), 'Unavailable')).then({ to: 'ended', output: { told: { reason: unknown } } })
  deletion(reading, owned(claim), failed(ref('shrinking'), 'Unavailable'))
    .when(cancel)
    .then({ to: 'ended', output: { told: { reason: unknown } } })
  deletion(reading, owned(claim), failed(ref('shrinking'), 'Held'))
    .when(cancel)
    .then({ to: 'ended', output: { told: { reason: 'the brake is on' } } })
})
