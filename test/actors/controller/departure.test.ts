import fc from 'fast-check'
import { expect, test } from 'vitest'
import { claimsOfStaying, leavingNext, refOf } from '../../../src/actors/controller/departure.ts'
import type { Pod } from '../../../src/events/kubernetes.ts'

const pod = (uid: string, spec: object = {}, metadata: object = {}, phase = 'Running'): Pod => ({
  kind: 'Pod',
  metadata: { name: uid, namespace: 'web', uid, resourceVersion: '1', ...metadata },
  spec: { containers: [{ name: 'main' }], ...spec },
  status: { phase },
})
const ownedBy = (kind: string) => ({ ownerReferences: [{ kind, name: 'o', uid: 'o', controller: true }] })
const all = (pods: readonly Pod[]) => leavingNext(pods, undefined, [], 100)
const uids = (pods: readonly Pod[]): readonly string[] => pods.map(({ metadata }) => metadata.uid)

test.each([
  ['of a DaemonSet', pod('p', {}, ownedBy('DaemonSet'))],
  ["a node's own", pod('p', {}, ownedBy('Node'))],
  ['a mirror', pod('p', {}, { annotations: { 'kubernetes.io/config.mirror': 'x' } })],
  ['one that tolerates everything', pod('p', { tolerations: [{ operator: 'Exists' }] })],
  ['finished', pod('p', {}, {}, 'Succeeded')],
  ['failed', pod('p', {}, {}, 'Failed')],
])('departure: a pod stays: %s', (_, stays) => {
  expect(all([stays]).pods).toEqual([])
})

test('departure: a toleration of one taint, or of one effect, keeps nobody', () => {
  const pods = [
    pod('a', { tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }] }),
    pod('b', { tolerations: [{ operator: 'Exists', effect: 'NoExecute' }] }),
    pod('c', {}, {}, 'Pending'),
  ]
  expect(uids(all(pods).pods)).toEqual(['a', 'b', 'c'])
})

test('departure: who is not ready, or is ending, may go beside a budget, and that is said', () => {
  const conditions = (status: string) => ({ phase: 'Running', conditions: [{ type: 'Ready', status }] })
  const ready = { ...pod('ready', {}, ownedBy('ReplicaSet')), status: conditions('True') }
  expect(refOf(ready)).toEqual({ namespace: 'web', name: 'ready', uid: 'ready', owner: 'o' })
  expect(refOf({ ...ready, metadata: { ...ready.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }).unready).toBe(true)
  expect(refOf({ ...ready, status: conditions('False') }).unready).toBe(true)
  expect(refOf(pod('pending', {}, {}, 'Pending'))).toEqual({ namespace: 'web', name: 'pending', uid: 'pending', unready: true })
})

test('departure: the ordinary first, then the critical, CSI drivers, and we last; in a tier by priority', () => {
  const pods = [
    pod('ours', {}, { labels: { 'app.kubernetes.io/part-of': 'quartermaster' } }),
    pod('driver', { containers: [{ name: 'csi-attacher' }], priority: 2_000_000_000 }),
    pod('critical', { priority: 2_000_000_000 }),
    pod('high', { priority: 1_000 }),
    pod('low', { priority: -1 }),
  ]
  const tiers = [['low', 'high'], ['critical'], ['driver'], ['ours']]
  let left: readonly Pod[] = pods
  for (const tier of tiers) {
    expect(uids(all(left).pods)).toEqual(tier)
    left = left.filter(({ metadata }) => !tier.includes(metadata.uid))
  }
})

const arbitrary = fc.uniqueArray(
  fc.record({ uid: fc.string({ minLength: 1, maxLength: 4 }), priority: fc.constantFrom(0, 5, 2_000_000_000) }),
  { selector: ({ uid }) => uid, maxLength: 30 },
)

test('departure: page after page names each pod of a tier once, in order, and no other', () => {
  fc.assert(
    fc.property(arbitrary, fc.integer({ min: 1, max: 7 }), fc.integer({ min: 0, max: 30 }), (made, most, skip) => {
      const pods = made.map(({ uid, priority }) => pod(uid, { priority }))
      const except = made.slice(0, skip).map(({ uid }) => uid)
      const seen: string[] = []
      for (let after: Parameters<typeof leavingNext>[1], more = true; more; ) {
        const next = leavingNext(pods, after, except, most)
        expect(next.pods.length).toBeLessThanOrEqual(most)
        seen.push(...uids(next.pods))
        after = next.after
        more = after !== undefined
      }
      expect(seen).toEqual(uids(leavingNext(pods, undefined, except, 1_000).pods))
      expect(new Set(seen).size).toBe(seen.length)
      expect(seen.some((uid) => except.includes(uid))).toBe(false)
      const isLeft = made.some(({ uid }) => !except.includes(uid))
      expect(seen.length > 0).toBe(isLeft)
    }),
  )
})

test('departure: the volumes of those that stay and still run are not waited for', () => {
  const volumes = [
    { name: 'data', persistentVolumeClaim: { claimName: 'claim' } },
    { name: 'own', ephemeral: {} },
    { name: 'tmp', emptyDir: {} },
  ]
  expect(claimsOfStaying([pod('p', { volumes }, ownedBy('DaemonSet')), pod('q', { volumes })])).toEqual([
    ['web', 'claim'],
    ['web', 'p-own'],
  ])
  expect(claimsOfStaying([pod('p', { volumes }, ownedBy('Job'), 'Succeeded')])).toEqual([])
})
