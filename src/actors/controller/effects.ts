import { CORDONED_BY, type PodRef } from '../../events/controller.ts'
import { controllerOf, type Pod } from '../../events/kubernetes.ts'
import type { KubernetesWrites, Power } from '../../ports.ts'
import type { EffectDef, EffectsOf } from '../../runtime/types.ts'
import type { deleteNode } from './delete-node.ts'
import type { drainNode, NodeBefore } from './drain-node.ts'
import type { eviction } from './eviction.ts'
import type { uncordonNode } from './uncordon-node.ts'

/** What the controller needs of Kubernetes. */
export const controllerPowers: readonly Power[] = [
  { verb: 'get', group: '', resource: 'nodes' },
  { verb: 'patch', group: '', resource: 'nodes' },
  { verb: 'delete', group: '', resource: 'nodes' },
  { verb: 'get', group: '', resource: 'pods' },
  { verb: 'list', group: '', resource: 'pods' },
  { verb: 'delete', group: '', resource: 'pods' },
  { verb: 'create', group: '', resource: 'pods', subresource: 'eviction' },
  { verb: 'list', group: '', resource: 'nodes' },
  { verb: 'watch', group: '', resource: 'nodes' },
  { verb: 'create', group: 'events.k8s.io', resource: 'events' },
]

const REQUEST_MS = 10_000
const patiently = { attempts: 3, backoffMs: 500, on: ['Unavailable', 'TimedOut'] }
const asking = { reach: 'internal', idempotency: 'natural', timeoutMs: REQUEST_MS, retry: patiently } as const

const refOf = ({ metadata }: Pod): PodRef => {
  const { namespace = '', name, uid } = metadata
  const owner = controllerOf(metadata)?.uid
  return { namespace, name, uid, ...(owner !== undefined && { owner }) }
}

/** DaemonSet pods come back to any node, mirror pods are the kubelet's, finished ones hold nothing. */
const mustLeave = ({ metadata, status: { phase } }: Pod): boolean =>
  phase !== 'Succeeded' &&
  phase !== 'Failed' &&
  controllerOf(metadata)?.kind !== 'DaemonSet' &&
  metadata.annotations?.['kubernetes.io/config.mirror'] === undefined

const readNode = (kubernetes: KubernetesWrites): EffectDef<{ readonly name: string }, NodeBefore | null> => ({
  ...asking,
  run: async ({ name }, { signal }) => {
    const node = await kubernetes.getNode(name, signal)
    if (!node) return null
    const { metadata, spec } = node
    return { name, uid: metadata.uid, providerId: spec.providerID ?? '', unschedulable: spec.unschedulable === true }
  },
})

const uncordon = (
  kubernetes: KubernetesWrites,
): EffectDef<{ readonly name: string; readonly uid: string; readonly action: string }, void> => ({
  reach: 'restoring',
  idempotency: 'natural', // the same patch of the same node, and only while our mark is on it
  timeoutMs: REQUEST_MS,
  retry: patiently,
  run: async ({ name, uid, action }, { signal }) => {
    const node = await kubernetes.getNode(name, signal)
    if (node?.metadata.annotations?.[CORDONED_BY] !== action) return
    const restored = { metadata: { annotations: { [CORDONED_BY]: null } }, spec: { unschedulable: null } }
    await kubernetes.patchNode({ name, uid }, restored, signal)
  },
})

export const uncordonNodeEffects = (kubernetes: KubernetesWrites): EffectsOf<typeof uncordonNode> => ({
  readNode: readNode(kubernetes),
  uncordon: uncordon(kubernetes),
})

export const drainNodeEffects = (kubernetes: KubernetesWrites): EffectsOf<typeof drainNode> => ({
  readNode: readNode(kubernetes),
  cordon: {
    reach: 'disruptive',
    idempotency: 'natural', // the same patch of the same node
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: ({ name, uid, action }, { signal }) =>
      kubernetes.patchNode(
        { name, uid },
        { metadata: { annotations: { [CORDONED_BY]: action } }, spec: { unschedulable: true } },
        signal,
      ),
  },
  uncordon: uncordon(kubernetes),
  listEvictable: {
    ...asking,
    run: async ({ name }, { signal }) => (await kubernetes.listPodsOn(name, signal)).filter(mustLeave).map(refOf),
  },
})

export const evictionEffects = (kubernetes: KubernetesWrites): EffectsOf<typeof eviction> => ({
  evictPod: {
    reach: 'disruptive',
    idempotency: 'natural', // carries the pod's UID; a pod that is leaving already answers as the first time
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: (pod, { signal }) => kubernetes.evictPod(pod, signal),
  },
  deletePod: {
    reach: 'disruptive',
    idempotency: 'natural', // carries the pod's UID
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: (pod, { signal }) => kubernetes.deletePod(pod, 0, signal),
  },
  awaitGone: { ...asking, run: (pod, { signal }) => awaitGone(kubernetes, pod, signal) },
})

/** One effect watches for so long, then the machine decides whether to go on. */
const WATCH_MS = 8_000
const LOOK_MS = 500

const awaitGone = async (kubernetes: KubernetesWrites, pod: PodRef, signal: AbortSignal): Promise<boolean> => {
  for (let waited = 0; waited < WATCH_MS; waited += LOOK_MS) {
    const found = await kubernetes.getPod(pod.namespace, pod.name, signal)
    if (found?.metadata.uid !== pod.uid) return true
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    signal.throwIfAborted()
  }
  return false
}

export const deleteNodeEffects = (kubernetes: KubernetesWrites): EffectsOf<typeof deleteNode> => ({
  readNode: readNode(kubernetes),
  deleteNode: {
    reach: 'disruptive',
    idempotency: 'natural', // carries the node's UID
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: (node, { signal }) => kubernetes.deleteNode(node, signal),
  },
  listBound: { ...asking, run: async ({ name }, { signal }) => (await kubernetes.listPodsOn(name, signal)).map(refOf) },
  deletePod: {
    reach: 'restoring', // the node is gone: this only clears its records
    idempotency: 'natural', // carries the pod's UID
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: (pod, { signal }) => kubernetes.deletePod(pod, 0, signal),
  },
})
