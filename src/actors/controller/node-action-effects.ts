import { z } from 'zod'
import { Gone, type KubernetesWrites, type NodeWaits, type Objects, Unavailable } from '../../ports.ts'
import type { EffectsOf } from '../../runtime/types.ts'
import type { CheckNodeDeletedEffects } from './check-node-deleted.ts'
import type { checkNodeStatus } from './check-node-status.ts'
import { refOf } from './departure.ts'
import type { evictPod } from './evict-pod.ts'
import { type NodeFound, nodeFound } from './node-identity.ts'
import { nodeStatus } from './node-status.ts'
import { type Patchable, type PatchNodeEffects, patchFor, undoOf } from './patch-node.ts'
import { asking, changing } from './requests.ts'

/** @param labels whose values are node ids */
export const checkNodeDeletedEffects = (
  kubernetes: Pick<KubernetesWrites, 'getNode'>,
  labels: readonly string[],
): CheckNodeDeletedEffects => ({
  readNode: {
    ...asking,
    run: async ({ name }, { signal }) => {
      const node = await kubernetes.getNode(name, signal)
      return { found: node ? nodeFound(node, labels) : null }
    },
  },
})

export const checkNodeStatusEffects = (
  kubernetes: Pick<KubernetesWrites, 'getNode'>,
  waits: NodeWaits,
  labels: readonly string[],
): EffectsOf<typeof checkNodeStatus> => ({
  awaitStatus: {
    reach: 'internal',
    idempotency: 'natural', // it only looks
    timeoutMs: 'activity',
    run: (order, { signal }) =>
      waits.awaitNode(
        order.nodeName,
        (node) => {
          const status = nodeStatus(order, node, labels)
          return status.reached ? status : undefined
        },
        signal,
      ),
  },
  readStatus: {
    ...asking,
    run: async (order, { signal }) => nodeStatus(order, await kubernetes.getNode(order.nodeName, signal), labels),
  },
})

export const evictPodEffects = (kubernetes: Pick<KubernetesWrites, 'getPod'>): EffectsOf<typeof evictPod> => ({
  readPod: {
    ...asking,
    run: async ({ namespace, name }, { signal }) => {
      const pod = await kubernetes.getPod(namespace, name, signal)
      return pod ? { ...refOf(pod), node: pod.spec.nodeName ?? '' } : null
    },
  },
})

const Bag = z.record(z.string(), z.string()).default({})
const NodeBody = z.object({
  metadata: z.object({ uid: z.string(), resourceVersion: z.string(), labels: Bag, annotations: Bag }),
  spec: z
    .object({
      providerID: z.string().default(''),
      unschedulable: z.boolean().default(false),
      taints: z.array(z.looseObject({ key: z.string(), value: z.string().optional(), effect: z.string() })).default([]),
    })
    .prefault({}),
})
type NodeRead = { readonly found: NodeFound; readonly resourceVersion: string; readonly node: Patchable }

/** The node with all that an order may change: what the agent streams of it is less. */
const readNode = async (
  objects: Objects,
  name: string,
  labels: readonly string[],
  signal: AbortSignal,
): Promise<NodeRead | undefined> => {
  const found = await objects.read({ group: '', version: 'v1', resource: 'nodes', name }, signal)
  if (!found) return undefined
  const { data } = NodeBody.safeParse(found.body)
  if (!data) throw new Unavailable(`the API's answer for node ${name} makes no sense`)
  const { metadata, spec } = data
  return {
    found: {
      name,
      uid: metadata.uid,
      providerId: spec.providerID,
      nodeIds: labels.flatMap((label) => metadata.labels[label] ?? []),
    },
    resourceVersion: metadata.resourceVersion,
    node: { ...spec, labels: metadata.labels, annotations: metadata.annotations },
  }
}

export const patchNodeEffects = (
  objects: Objects,
  kubernetes: Pick<KubernetesWrites, 'patchNode'>,
  labels: readonly string[],
): PatchNodeEffects => ({
  readForPatch: {
    ...asking,
    run: async ({ name, changes }, { signal }) => {
      const read = await readNode(objects, name, labels, signal)
      return read ? { found: read.found, before: undoOf(read.node, changes) } : { found: null }
    },
  },
  patchNode: {
    ...changing, // what is as it is wanted is not patched again
    run: async ({ name, uid, changes }, { signal }) => {
      const read = await readNode(objects, name, labels, signal)
      if (read?.found.uid !== uid) throw new Gone(`node ${name} (uid ${uid}) is no more`)
      const patch = patchFor(read.node, changes)
      // Taints are one list: of another version by now, it is read again.
      const metadata = {
        ...(patch as { readonly metadata?: object } | undefined)?.metadata,
        resourceVersion: read.resourceVersion,
      }
      if (patch) await kubernetes.patchNode({ name, uid }, { ...patch, metadata }, signal)
      return {}
    },
  },
  patchCapacity: {
    ...changing, // the same values again
    run: async ({ name, uid, capacity }, { signal }) => {
      const node = { group: '', version: 'v1', resource: 'nodes', name }
      await objects.patch(node, 'merge', { metadata: { uid }, status: { capacity } }, signal, 'status')
      return {}
    },
  },
})
