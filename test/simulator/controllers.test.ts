import { expect, test } from 'vitest'
import { endPod } from '../../src/simulator/deletion.ts'
import { evict } from '../../src/simulator/eviction.ts'
import { isReady, isTerminating } from '../../src/simulator/objects.ts'
import type { SmallWorld } from './small-world.ts'
import { deploymentDraft, nodeDraft, podDraft, smallWorld } from './small-world.ts'

const withTwoNodes = (replicas: number): Promise<SmallWorld> =>
  smallWorld((store) => {
    store.create('nodes', nodeDraft('one'))
    store.create('nodes', nodeDraft('two'))
    store.create('deployments', deploymentDraft('web', replicas))
  })
const scale = ({ store }: SmallWorld, replicas: number): void => {
  const web = store.get('deployments', 'default', 'web')
  if (web) store.update('deployments', { ...web, spec: { ...web.spec, replicas } })
}
const active = (world: SmallWorld) => world.pods().filter((pod) => !isTerminating(pod))

test('deployment: makes a ReplicaSet that makes pods, and counts them', async () => {
  const world = await withTwoNodes(3)
  world.advance(2_000)
  expect(world.pods().filter(isReady)).toHaveLength(3)
  const [set] = world.store.sorted('replicasets')
  expect(set?.metadata.name).toMatch(/^web-[a-z0-9]{10}$/)
  expect(world.pods().every(({ metadata }) => metadata.name.startsWith(`${set?.metadata.name}-`))).toBe(true)
  expect(world.store.get('deployments', 'default', 'web')?.status).toMatchObject({ replicas: 3, readyReplicas: 3 })
  await world.stop()
})

test('deployment: scales up and down, and a new template gets a ReplicaSet of its own', async () => {
  const world = await withTwoNodes(2)
  world.advance(2_000)
  scale(world, 4)
  world.advance(2_000)
  expect(active(world)).toHaveLength(4)
  scale(world, 1)
  world.advance(100)
  expect(active(world)).toHaveLength(1)
  world.advance(5_000)
  const web = world.store.get('deployments', 'default', 'web')
  const template = web?.spec.template
  if (!web || !template) throw new Error('the deployment is gone')
  world.store.update('deployments', {
    ...web,
    spec: { ...web.spec, template: { ...template, metadata: { labels: { app: 'web', version: '2' } } } },
  })
  world.advance(10_000)
  expect(
    world.store
      .sorted('replicasets')
      .map(({ spec }) => spec.replicas)
      .toSorted(),
  ).toEqual([0, 1])
  expect(world.pods().map(({ metadata }) => metadata.labels?.version)).toEqual(['2'])
  await world.stop()
})

test('replicaset: replaces a pod as soon as it is terminating', async () => {
  const world = await withTwoNodes(2)
  world.advance(2_000)
  const [pod] = world.pods()
  if (!pod) throw new Error('there is no pod')
  evict(world.hand, 'default', pod.metadata.name, { name: pod.metadata.name, preconditions: {}, dryRun: false })
  world.advance(1_000)
  expect(world.pods()).toHaveLength(3)
  expect(world.pods().filter(isReady)).toHaveLength(2)
  world.advance(1_100)
  expect(world.pods()).toHaveLength(2)
  expect(world.pods().some(({ metadata }) => metadata.uid === pod.metadata.uid)).toBe(false)
  await world.stop()
})

test('garbage: the pods of a deleted deployment go with it', async () => {
  const world = await withTwoNodes(2)
  world.advance(2_000)
  world.store.remove('deployments', 'default', 'web')
  world.advance(5_000)
  expect([world.store.count('replicasets'), world.store.count('pods')]).toEqual([0, 0])
  await world.stop()
})

test('daemonset: keeps one pod on every node, cordoned or not, and none on a node that refuses it', async () => {
  const world = await smallWorld((store) => {
    store.create('nodes', nodeDraft('plain'))
    store.create('nodes', nodeDraft('cordoned', { unschedulable: true }))
    store.create('nodes', nodeDraft('tainted', { taints: [{ key: 'k', effect: 'NoSchedule' }] }))
    const { spec, metadata } = deploymentDraft('agent', 0)
    store.create('daemonsets', { metadata, spec, status: {} })
  })
  world.advance(2_000)
  expect(
    world
      .pods()
      .map(({ spec }) => spec.nodeName)
      .toSorted(),
  ).toEqual(['cordoned', 'plain'])
  world.store.create('nodes', nodeDraft('late'))
  world.advance(2_000)
  expect(
    world
      .pods()
      .map(({ spec }) => spec.nodeName)
      .toSorted(),
  ).toEqual(['cordoned', 'late', 'plain'])
  expect(world.store.get('daemonsets', 'default', 'agent')?.status).toMatchObject({ desiredNumberScheduled: 3, numberReady: 3 })
  await world.stop()
})

test('nodes: the pods of a node that is gone are collected after a while', async () => {
  const world = await smallWorld((store) => {
    store.create('nodes', nodeDraft('one'))
    store.create('pods', podDraft('left', { nodeName: 'one' }))
  })
  world.advance(1_000)
  world.store.remove('nodes', undefined, 'one')
  world.advance(1_900)
  expect(world.pods()).toHaveLength(1)
  world.advance(200)
  expect(world.pods()).toHaveLength(0)
  await world.stop()
})

test('kubelet: a shorter grace period shortens the end, a longer one changes nothing', async () => {
  const world = await smallWorld((store) => {
    store.create('nodes', nodeDraft('one'))
    store.create('pods', podDraft('slow', { nodeName: 'one', terminationGracePeriodSeconds: 60 }))
  })
  world.advance(1_000)
  const slow = () => world.store.get('pods', 'default', 'slow')
  const pod = slow()
  if (!pod) throw new Error('the pod is gone')
  const ending = endPod(world.hand, pod, undefined)
  world.advance(500)
  expect(slow() && isReady(pod) && isTerminating(ending)).toBe(true)
  expect(slow() && isReady(slow() ?? pod)).toBe(false)
  const last = slow()
  if (last) endPod(world.hand, last, 1)
  world.advance(1_000)
  expect(slow()).toBeUndefined()
  await world.stop()
})

test('world: the same seed and the same time make the same world', async () => {
  const run = async (seed: number): Promise<string> => {
    const world = await smallWorld(
      (store) => {
        for (const name of ['one', 'two', 'three']) store.create('nodes', nodeDraft(name))
        store.create('deployments', deploymentDraft('web', 5))
      },
      { seed },
    )
    world.advance(2_000)
    const [pod] = world.pods()
    if (pod) evict(world.hand, 'default', pod.metadata.name, { name: pod.metadata.name, preconditions: {}, dryRun: false })
    world.advance(5_000)
    const hash = world.hash()
    await world.stop()
    return hash
  }
  const [first, again, other] = [await run(1), await run(1), await run(2)]
  expect(again).toBe(first)
  expect(other).not.toBe(first)
})

test('garbage: what is in a namespace goes with it', async () => {
  const world = await withTwoNodes(2)
  world.advance(2_000)
  world.store.remove('namespaces', undefined, 'default')
  world.advance(10_000)
  expect([world.store.count('deployments'), world.store.count('replicasets'), world.store.count('pods')]).toEqual([0, 0, 0])
  await world.stop()
})
