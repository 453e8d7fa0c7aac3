import { timestamp } from '../clock.ts'
import { endPod } from '../deletion.ts'
import type { NodeObject } from '../objects.ts'
import { keyOfObject } from '../objects.ts'
import type { World } from '../world.ts'
import { split, workQueue } from './queue.ts'

const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable'

/** The node lifecycle controller: a cordoned node gets the taint, not with the PATCH but a moment after. */
export const runNodes = (world: World): void => {
  const { store, clock, timings } = world
  const queue = workQueue(clock, timings.controllerMs, (key) => {
    const node = store.get('nodes', undefined, split(key)[1])
    if (node) taint(world, node)
  })
  store.subscribe((change) => {
    if (change.resource === 'nodes' && change.type !== 'DELETED') queue.add(keyOfObject(change.object))
  })
  for (const node of store.all('nodes')) if (node.spec.unschedulable === true || node.spec.taints) queue.add(keyOfObject(node))
}

const taint = ({ store, clock }: World, node: NodeObject): void => {
  const taints = node.spec.taints ?? []
  const has = taints.some(({ key }) => key === UNSCHEDULABLE)
  if (has === (node.spec.unschedulable === true)) return
  const added = { key: UNSCHEDULABLE, effect: 'NoSchedule', timeAdded: timestamp(clock.now()) }
  const next = has ? taints.filter(({ key }) => key !== UNSCHEDULABLE) : [...taints, added]
  const { taints: _, ...spec } = node.spec
  store.update('nodes', { ...node, spec: next.length > 0 ? { ...spec, taints: next } : spec })
}

/** PodGC: the pods of a node that is no more go some time after it, by force. */
export const runPodCollection = (world: World): void => {
  const { store, clock, timings } = world
  const collect = (node: string): void => {
    if (store.get('nodes', undefined, node)) return
    for (const pod of world.pods.on(node)) endPod(world, pod, 0)
  }
  const later = (node: string): void => void clock.after(timings.collectPodsMs, () => collect(node))
  store.subscribe((change) => {
    if (change.resource === 'nodes' && change.type === 'DELETED') later(change.object.metadata.name)
    if (change.resource === 'pods' && change.type !== 'DELETED')
      orphan(change.object.spec.nodeName, change.previous?.spec.nodeName)
  })
  const orphan = (node: string | undefined, before: string | undefined): void => {
    if (node !== undefined && node !== before && !store.get('nodes', undefined, node)) later(node)
  }
  const names = new Set([...store.all('pods')].map(({ spec }) => spec.nodeName))
  for (const node of names) orphan(node, undefined)
}
