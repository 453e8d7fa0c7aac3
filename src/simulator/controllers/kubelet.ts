import { timestamp } from '../clock.ts'
import type { PodObject } from '../objects.ts'
import { isReady, isTerminating, keyOfObject, withCondition } from '../objects.ts'
import type { World } from '../world.ts'
import { split, workQueue } from './queue.ts'

/** Every node's kubelet: starts what is bound to its node, ends what is to go when its grace period is over. */
export const runKubelets = (world: World): void => {
  const { store, clock, timings } = world
  const starting = workQueue(clock, timings.startPodMs, (key) => start(world, store.get('pods', ...split(key))))
  const unready = workQueue(clock, timings.controllerMs, (key) => stopServing(world, store.get('pods', ...split(key))))
  const ends = new Map<string, () => void>()
  const endLater = (pod: PodObject): void => {
    const { uid } = pod.metadata
    ends.get(uid)?.()
    ends.set(
      uid,
      clock.after(remainingMs(world, pod), () => end(world, pod)),
    )
  }
  const look = (pod: PodObject, previous: PodObject | undefined): void => {
    if (!hasKubelet(world, pod)) return
    if (isTerminating(pod)) {
      if (isReady(pod)) unready.add(keyOfObject(pod))
      if (previous?.metadata.deletionTimestamp !== pod.metadata.deletionTimestamp || releases(previous, pod)) endLater(pod)
    } else if (pod.status.phase === 'Pending') starting.add(keyOfObject(pod))
  }
  store.subscribe((change) => {
    if (change.resource === 'nodes' && change.type === 'ADDED')
      for (const pod of world.pods.on(change.object.metadata.name)) look(pod, undefined)
    if (change.resource !== 'pods') return
    if (change.type !== 'DELETED') return look(change.object, change.previous)
    ends.get(change.object.metadata.uid)?.()
    ends.delete(change.object.metadata.uid)
  })
  for (const pod of store.all('pods')) look(pod, undefined)
}

const hasKubelet = ({ store }: World, { spec }: PodObject): boolean =>
  spec.nodeName !== undefined && store.get('nodes', undefined, spec.nodeName) !== undefined
const releases = (previous: PodObject | undefined, pod: PodObject): boolean =>
  (previous?.metadata.finalizers ?? []).length > 0 && (pod.metadata.finalizers ?? []).length === 0

/** Until the end of the grace period, at this world's pace; a process that starts again goes on where the last one was. */
const remainingMs = ({ clock, timings }: World, { metadata }: PodObject): number => {
  const whole = (metadata.deletionGracePeriodSeconds ?? 0) * 1000
  const passed = clock.now() - (Date.parse(metadata.deletionTimestamp ?? '') - whole)
  return Math.max(0, (whole * timings.graceSecondMs) / 1000 - Math.max(0, passed))
}

const start = ({ store, clock }: World, pod: PodObject | undefined): void => {
  if (!pod || isTerminating(pod) || pod.status.phase !== 'Pending') return
  store.update('pods', { ...pod, status: runningStatus(pod.status, timestamp(clock.now())) })
}

/** The status of a pod whose containers all run. */
export const runningStatus = (status: PodObject['status'], at: string): PodObject['status'] => {
  const conditions = ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].reduce(
    (before, type) => withCondition(before, { type, status: 'True' }, at),
    withCondition(status.conditions, { type: 'PodScheduled', status: 'True' }, at),
  )
  return { ...status, phase: 'Running', startTime: at, conditions }
}

const stopServing = ({ store, clock }: World, pod: PodObject | undefined): void => {
  if (!pod || !isTerminating(pod) || !isReady(pod)) return
  const at = timestamp(clock.now())
  const conditions = withCondition(pod.status.conditions, { type: 'Ready', status: 'False', reason: 'PodTerminating' }, at)
  store.update('pods', { ...pod, status: { ...pod.status, conditions } })
}

const end = ({ store }: World, { metadata }: PodObject): void => {
  const pod = store.get('pods', metadata.namespace, metadata.name)
  if (pod?.metadata.uid !== metadata.uid || (pod.metadata.finalizers ?? []).length > 0) return
  store.remove('pods', metadata.namespace, metadata.name)
}
