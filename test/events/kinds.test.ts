import { expect, test } from 'vitest'
import { catalogue, type Kind, plannedKinds } from '../../src/events/kinds.ts'
import { subjects } from '../../src/events/subjects.ts'

const all = catalogue({ configMapNamespaces: ['kube-system', 'quartermaster'] })
const keeps = (name: string, raw: unknown, kinds: readonly Kind[] = all): boolean =>
  kinds.find((kind) => kind.name === name)?.keeps?.(raw) ?? true
const owned = (replicas: number, there = 0) => ({
  metadata: { ownerReferences: [{ kind: 'Deployment', name: 'web', uid: 'u', controller: true }] },
  spec: { replicas },
  status: { replicas: there },
})

test('kinds: each has a name, an object subject and a meta subject of its own', () => {
  const { objects, meta } = subjects('demo')
  for (const of of [({ name }: Kind) => name, objects, meta]) expect(new Set(all.map(of)).size).toBe(all.length)
})

test('kinds: what the planner needs comes first and stays fresh, and nothing else has to', () => {
  expect(all.slice(0, plannedKinds.length).map(({ name }) => name)).toEqual(plannedKinds.map(({ name }) => name))
  expect(all.filter(({ news }) => news === 'fresh')).toHaveLength(plannedKinds.length)
})

test('kinds: no Secrets, and ConfigMaps of the namespaces that were named alone', () => {
  const maps = all.filter(({ resource }) => resource === 'configmaps')
  expect(maps.map(({ name, namespace }) => [name, namespace])).toEqual([
    ['namespaces/kube-system/configmaps', 'kube-system'],
    ['namespaces/quartermaster/configmaps', 'quartermaster'],
  ])
  expect(catalogue().some(({ resource }) => resource === 'configmaps' || resource === 'secrets')).toBe(false)
})

test('kinds: an owned ReplicaSet of size 0 counts as deleted once its pods are gone, unless it is asked for', () => {
  expect(keeps('replicasets.apps', owned(3))).toBe(true)
  expect(keeps('replicasets.apps', owned(0, 1))).toBe(true)
  expect(keeps('replicasets.apps', owned(0))).toBe(false)
  expect(keeps('replicasets.apps', { ...owned(0), metadata: {} })).toBe(true)
  expect(keeps('replicasets.apps', owned(0), catalogue({ emptyReplicaSets: true }))).toBe(true)
})

test('kinds: of Services no alias, of the Events those of pods evicted for want of memory', () => {
  expect(keeps('services', { spec: { type: 'ExternalName' } })).toBe(false)
  expect(keeps('services', { spec: { type: 'ClusterIP' } })).toBe(true)
  expect(keeps('events', { message: 'The node was low on resource: memory. Threshold quantity: 100Mi' })).toBe(true)
  expect(keeps('events', { message: 'The node was low on resource: ephemeral-storage.' })).toBe(false)
  expect(keeps('events', 'nonsense')).toBe(false)
})
