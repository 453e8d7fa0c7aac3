import type { Pod } from '../../../events/kubernetes.ts'
import { isOfNode } from '../eligibility/marks.ts'
import type { Shape } from '../model/shape.ts'
import type { Model, PodEntry } from '../model.ts'

/** Pods that may come at the same time. */
export type Coming = {
  /** What makes them come, as a part of a sentence. */
  readonly why: string
  readonly groups: readonly ComingGroup[]
}
/** So many more pods like one that is there. */
type ComingGroup = { readonly shape: Shape; readonly count: number }

/** The pods of the cluster that more may come of: they run on known nodes, and not because of the node. */
export const residents = ({ pods }: Model): readonly PodEntry[] =>
  [...pods.values()].filter(({ node, leaving, shape }) => node?.object !== undefined && !leaving && !isOfNode(shape))

/** A pod that is not there, like those of the shape. */
export const likeOf = ({ namespace, labels, annotations, owner, spec }: Shape): Pod => ({
  kind: 'Pod',
  metadata: {
    name: '(more to come)',
    namespace,
    uid: '',
    resourceVersion: '',
    labels: { ...labels },
    annotations: { ...annotations },
    ...(owner && { ownerReferences: [owner] }),
  },
  spec,
  status: {},
})

/** Of a container only what it asks for. */
const sized = ({ name, resources, restartPolicy }: Pod['spec']['containers'][number]) => ({
  name,
  ...(resources && { resources }),
  ...(restartPolicy !== undefined && { restartPolicy }),
})

/**
 * The same as far as it asks for room, and for nodes by their labels and taints: no pod minds it as a neighbour, and it minds
 * none. It may sit where it likes while others are moved, and nothing that is decided about them depends on it.
 * @param index tells it from others in an order that is always the same
 */
export const roomOf = ({ spec }: Shape, index: number): Pod => {
  const { nodeSelector, affinity, tolerations, overhead, resources, containers, initContainers } = spec
  return {
    kind: 'Pod',
    metadata: { name: `(room ${index})`, namespace: '', uid: '', resourceVersion: '' },
    spec: {
      ...(nodeSelector && { nodeSelector }),
      ...(affinity?.nodeAffinity && { affinity: { nodeAffinity: affinity.nodeAffinity } }),
      ...(tolerations && { tolerations }),
      ...(overhead && { overhead }),
      ...(resources && { resources }),
      containers: containers.map(sized),
      ...(initContainers && { initContainers: initContainers.map(sized) }),
    },
    status: {},
  }
}
