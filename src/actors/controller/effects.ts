import type { Attached, PodRef } from '../../events/controller.ts'
import { type Evictions, Gone, type KubernetesWrites, type NodeRemoval, type Power } from '../../ports.ts'
import type { EffectDef, EffectsOf } from '../../runtime/types.ts'
import { cordoning, restoring } from './cordon.ts'
import type { deleteNode } from './delete-node.ts'
import { claimsOfStaying, leavingNext, refOf } from './departure.ts'
import type { drainNode, NodeBefore } from './drain-node.ts'
import type { eviction } from './eviction.ts'
import { nodeFound } from './node-identity.ts'
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
  { verb: 'get', group: '', resource: 'persistentvolumeclaims' },
  { verb: 'get', group: 'policy', resource: 'poddisruptionbudgets' },
  { verb: 'list', group: 'storage.k8s.io', resource: 'volumeattachments' },
  { verb: 'delete', group: 'storage.k8s.io', resource: 'volumeattachments' },
]

const REQUEST_MS = 10_000
const patiently = { attempts: 3, backoffMs: 500, on: ['Unavailable', 'TimedOut'] }
/** So many requests of one name at once: their time does not run while they wait for a place. */
const TOGETHER = 32
const asking = {
  reach: 'internal',
  idempotency: 'natural',
  timeoutMs: REQUEST_MS,
  retry: patiently,
  concurrency: TOGETHER,
} as const
const waiting = { reach: 'internal', idempotency: 'natural', timeoutMs: 'activity' } as const

type Cordon = { readonly name: string; readonly uid: string; readonly action: string }

const readNode = (
  kubernetes: KubernetesWrites,
  labels: readonly string[],
): EffectDef<{ readonly name: string }, NodeBefore | null> => ({
  ...asking,
  run: async ({ name }, { signal }) => {
    const node = await kubernetes.getNode(name, signal)
    if (!node) return null
    return { ...nodeFound(node, labels), unschedulable: node.spec.unschedulable === true }
  },
})

const uncordon = (kubernetes: KubernetesWrites): EffectDef<Cordon, void> => ({
  reach: 'restoring',
  idempotency: 'natural', // of the version that was read, and only while our mark is on it
  timeoutMs: REQUEST_MS,
  retry: patiently,
  concurrency: TOGETHER,
  run: async ({ name, uid, action }, { signal }) => {
    const node = await kubernetes.getNode(name, signal)
    if (node?.metadata.uid !== uid) return
    const change = restoring(node, action)
    if (change) await kubernetes.changeNode(node, change, signal)
  },
})

/** @param labels whose values are node ids */
export const uncordonNodeEffects = (kubernetes: KubernetesWrites, labels: readonly string[]): EffectsOf<typeof uncordonNode> => ({
  readNode: readNode(kubernetes, labels),
  uncordon: uncordon(kubernetes),
})

/** Pods that a drain asks to leave at once; it asks for the next as soon as these are on their way. */
const PAGE = 20

export const drainNodeEffects = (
  kubernetes: KubernetesWrites,
  removal: NodeRemoval,
  labels: readonly string[],
): EffectsOf<typeof drainNode> => ({
  readNode: readNode(kubernetes, labels),
  findOwner: { ...asking, run: (node, { signal }) => removal.ownerOf(node, signal) },
  cordon: {
    reach: 'disruptive',
    idempotency: 'natural', // of the version that was read; cordoned by this action, it is left as it is
    timeoutMs: REQUEST_MS,
    retry: patiently,
    concurrency: TOGETHER,
    run: async ({ name, uid, action }, { signal }) => {
      const node = await kubernetes.getNode(name, signal)
      if (node?.metadata.uid !== uid) throw new Gone(`node ${name} (${uid}) is no more`)
      const change = cordoning(node, action)
      if (change) await kubernetes.changeNode(node, change, signal)
    },
  },
  uncordon: uncordon(kubernetes),
  listEvictable: {
    ...asking,
    run: async ({ name, after, except = [] }, { signal }) => {
      const next = leavingNext(await kubernetes.listPodsOn(name, signal), after, except, PAGE)
      return { ...next, pods: next.pods.map(refOf) }
    },
  },
  awaitDetached: { ...waiting, run: ({ name, until }, { signal }) => awaitDetached(kubernetes, name, until, signal) },
})

const LOOK_MS = 2_000
/** So many volumes are named in a fact. */
const NAMED = 5

/** The volumes of pods that stay (a DaemonSet's) stay attached: they are not waited for. */
const awaitDetached = async (
  kubernetes: KubernetesWrites,
  node: string,
  until: number,
  signal: AbortSignal,
): Promise<Attached> => {
  const claims = claimsOfStaying(await kubernetes.listPodsOn(node, signal))
  const staying = await Promise.all(claims.map(([namespace, claim]) => kubernetes.volumeOf(namespace, claim, signal)))
  for (;;) {
    const attachments = await kubernetes.attachmentsOf(node, signal)
    const left = attachments.filter(({ volume }) => volume === undefined || !staying.includes(volume))
    if (left.length === 0 || Date.now() >= until)
      return { count: left.length, volumes: left.slice(0, NAMED).map(({ name, volume }) => volume ?? name) }
    await pause(LOOK_MS, signal)
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    }, ms)
    signal.addEventListener('abort', abort, { once: true })
  })

const becomeOf = async (kubernetes: KubernetesWrites, { namespace, name, uid }: PodRef, signal: AbortSignal) => {
  const pod = await kubernetes.getPod(namespace, name, signal)
  if (pod?.metadata.uid !== uid) return 'gone'
  return pod.metadata.deletionTimestamp === undefined ? 'there' : 'terminating'
}

export const evictionEffects = (kubernetes: KubernetesWrites, evictions: Evictions): EffectsOf<typeof eviction> => ({
  evictPod: {
    reach: 'disruptive',
    idempotency: 'natural', // carries the pod's UID; a pod that is leaving already answers as the first time
    timeoutMs: REQUEST_MS,
    retry: patiently,
    concurrency: TOGETHER,
    // Two at once for one budget change the same object: the API lets one of them wait for half a second, and begin anew.
    oneByOne: ({ owner, uid }) => owner ?? uid,
    run: (pod, { signal }) => evictions.evict(pod, signal),
  },
  deletePod: {
    reach: 'disruptive',
    idempotency: 'natural', // carries the pod's UID
    timeoutMs: REQUEST_MS,
    retry: patiently,
    concurrency: TOGETHER,
    run: ({ graceSeconds, ...pod }, { signal }) => kubernetes.deletePod(pod, graceSeconds, signal),
  },
  look: { ...asking, run: (pod, { signal }) => becomeOf(kubernetes, pod, signal) },
  awaitTurn: { ...waiting, run: (refused, { signal }) => evictions.awaitTurn(refused, signal) },
  awaitGone: { ...waiting, run: (pod, { signal }) => evictions.awaitGone(pod, signal) },
})

export const deleteNodeEffects = (
  kubernetes: KubernetesWrites,
  removal: NodeRemoval,
  labels: readonly string[],
): EffectsOf<typeof deleteNode> => ({
  readNode: readNode(kubernetes, labels),
  findOwner: { ...asking, run: (node, { signal }) => removal.ownerOf(node, signal) },
  mark: {
    reach: 'disruptive',
    idempotency: 'natural', // the same annotation of the same machine
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: (request, { signal }) => removal.mark(request, signal),
  },
  unmark: {
    reach: 'restoring',
    idempotency: 'natural', // takes away what `mark` has set
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: (request, { signal }) => removal.unmark(request, signal),
  },
  shrink: {
    reach: 'disruptive',
    idempotency: 'natural', // it asks first: a deletion carries the UID, a smaller group says for which machine, a cloud ends no machine twice, a webhook gets a key
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: (request, { signal }) => removal.shrink(request, signal),
  },
  awaitRemoved: { ...waiting, run: (request, { signal }) => removal.awaitRemoved(request, signal) },
  tidy: {
    reach: 'restoring',
    idempotency: 'natural', // takes away what `shrink` has written down
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: (request, { signal }) => removal.tidy(request, signal),
  },
  deleteNode: {
    reach: 'disruptive',
    idempotency: 'natural', // carries the node's UID
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: (node, { signal }) => kubernetes.deleteNode(node, signal),
  },
  forgetNode: {
    reach: 'restoring', // its machine is gone: this only clears its record
    idempotency: 'natural', // carries the node's UID
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: (node, { signal }) => kubernetes.deleteNode(node, signal),
  },
  listBound: {
    ...asking,
    run: async ({ name }, { signal }) => (await kubernetes.listPodsOn(name, signal)).slice(0, PAGE).map(refOf),
  },
  deletePod: {
    reach: 'restoring', // the node is gone: this only clears its records
    idempotency: 'natural', // carries the pod's UID
    timeoutMs: REQUEST_MS,
    retry: patiently,
    concurrency: TOGETHER,
    run: (pod, { signal }) => kubernetes.deletePod(pod, 0, signal),
  },
  listAttached: {
    ...asking,
    run: async ({ name }, { signal }) =>
      (await kubernetes.attachmentsOf(name, signal)).filter(({ isBeingDeleted }) => !isBeingDeleted).slice(0, PAGE),
  },
  deleteAttachment: {
    reach: 'restoring', // the node is gone: this only clears its records
    idempotency: 'natural', // carries the attachment's UID
    timeoutMs: REQUEST_MS,
    retry: patiently,
    run: (attachment, { signal }) => kubernetes.deleteAttachment(attachment, signal),
  },
})
