import { selects, tolerates } from '../../events/selector.ts'
import { endPod } from '../deletion.ts'
import type { DaemonSetObject, NodeObject, PodObject, PodTemplate } from '../objects.ts'
import { isFinished, isReady, isTerminating, keyOfObject, ownerReferenceTo } from '../objects.ts'
import { matchesNode } from '../scheduler/node-affinity.ts'
import type { World } from '../world.ts'
import { newPod } from './pod.ts'
import { split, workQueue } from './queue.ts'

const key = (name: string, effect: string) => ({ key: `node.kubernetes.io/${name}`, operator: 'Exists', effect })
// What the DaemonSet controller adds to every pod (daemon/util `AddOrUpdateDaemonPodTolerations`).
const TOLERATIONS = [
  key('not-ready', 'NoExecute'),
  key('unreachable', 'NoExecute'),
  key('disk-pressure', 'NoSchedule'),
  key('memory-pressure', 'NoSchedule'),
  key('pid-pressure', 'NoSchedule'),
  key('unschedulable', 'NoSchedule'),
]

/** Keeps one pod of each DaemonSet on every node it may run on. */
export const runDaemonSets = (world: World): void => {
  const { store, clock, timings } = world
  const queue = workQueue(clock, timings.controllerMs, (id) => {
    const set = store.get('daemonsets', ...split(id))
    if (set && !isTerminating(set)) reconcile(world, set)
  })
  const all = (): void => {
    for (const set of store.all('daemonsets')) queue.add(keyOfObject(set))
  }
  store.subscribe(({ resource, object }) => {
    if (resource === 'daemonsets') queue.add(keyOfObject(object))
    if (resource === 'nodes') all()
    const owner = resource === 'pods' ? object.metadata.ownerReferences?.find(({ kind }) => kind === 'DaemonSet') : undefined
    if (owner) queue.add(`${object.metadata.namespace}/${owner.name}`)
  })
  all()
}

const reconcile = (world: World, set: DaemonSetObject): void => {
  const { template, selector } = set.spec
  if (!template || !selects(selector, template.metadata?.labels)) return
  const pods = [...world.pods.of(set.metadata.uid)].filter((pod) => !isFinished(pod) && !isTerminating(pod))
  const covered = new Map(pods.map((pod) => [nodeOf(pod), pod]))
  const nodes = [...world.store.all('nodes')].filter((node) => mayRun(template, node))
  for (const { metadata } of nodes) if (!covered.delete(metadata.name)) make(world, set, template, metadata.name)
  for (const pod of covered.values()) endPod(world, pod, undefined)
  report(world, set, nodes.length, pods)
}

const report = ({ store }: World, set: DaemonSetObject, desired: number, pods: readonly PodObject[]): void => {
  const ready = pods.filter(isReady)
  const status = {
    currentNumberScheduled: pods.length,
    desiredNumberScheduled: desired,
    numberMisscheduled: 0,
    numberReady: ready.length,
    observedGeneration: set.metadata.generation ?? 1,
  }
  store.update('daemonsets', { ...set, status })
}

const mayRun = ({ spec }: PodTemplate, node: NodeObject): boolean =>
  matchesNode(spec, node.metadata.labels ?? {}, node.metadata.name) &&
  (node.spec.taints ?? []).every(
    (taint) => taint.effect === 'PreferNoSchedule' || tolerates([...TOLERATIONS, ...(spec.tolerations ?? [])], taint),
  )

/** The node a daemon's pod is for: where it runs, or where its affinity sends it. */
const nodeOf = ({ spec }: PodObject): string =>
  spec.nodeName ??
  spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms[0]?.matchFields?.[0]
    ?.values?.[0] ??
  ''

const make = ({ store }: World, set: DaemonSetObject, template: PodTemplate, node: string): void => {
  const term = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }
  const required = template.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [{}]
  const nodeSelectorTerms = required.map((each) => ({ ...each, ...term }))
  const spec = {
    ...template.spec,
    tolerations: [...(template.spec.tolerations ?? []), ...TOLERATIONS],
    affinity: {
      ...template.spec.affinity,
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
    },
  }
  store.create(
    'pods',
    newPod(store, set.metadata.namespace ?? 'default', set.metadata.name, { ...template, spec }, ownerReferenceTo(set)),
  )
}
